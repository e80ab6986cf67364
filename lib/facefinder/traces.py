"""Somebody, a computer or everybody -> the traces of them: in the index, and in the files that the program wrote."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facefinder.errors import ModelsError, ReferencesError, UsageError
from facefinder.faces.measures import COSINE
from facefinder.faces.models import DEFAULT_RECOGNISER
from facefinder.find import limits_of_model
from facefinder.group import STRANGER
from facefinder.index import Index
from facefinder.log import logs_in
from facefinder.match import Limits, distances
from facefinder.people import Person, make_person
from facefinder.progress import NoProgress
from facefinder.remains import destinations
from facefinder.report.write import PART, is_ours
from facefinder.review.crops import identity
from facefinder.review.names import HELP
from facefinder.review.people import find_number, no_such_person, person_of_group
from facefinder.review.word import History, Said, same_name
from facefinder.settings import Settings
from facefinder.storage.erase import contents_only_on
from facefinder.tags.named import named_people

CHUNK = 4096  # faces compared at once


@dataclass
class Traces:
    """What the index knows of them. numbers: of people in the groups; contents: photos that show them, or may.

    names: all that they go by, or ever did.
    """

    numbers: set[int] = field(default_factory=set)
    contents: set[int] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def traces_of_person(index: Index, name: str, settings: Settings) -> Traces:
    """Whatever model found the faces, and whatever the person is known by. Raises UsageError for nobody."""
    said = History(index).said()
    people = [number for (number,) in index.rows("SELECT id FROM person")]
    root = find_number(said, name, people)
    namings = index.rows("SELECT person, name, undone FROM naming JOIN step ON step.id = step WHERE name IS NOT NULL")
    references = _reference_photos(index, settings.refs, name)
    tagged = _named_in_photos(index, name) if settings.refs_from_tags else {}
    if root is None and not references and not tagged:
        _check_once_called(name, namings, said)
    numbers = set() if root is None else {root, *(each for each in people if said.root(each) == root)}
    contents = set(references)
    for number in numbers:
        grouped = "SELECT content FROM grouped JOIN face ON face.id = face WHERE person = ?"
        spoken_of = "SELECT content.id FROM word JOIN content USING (sha256) WHERE person = ? AND verdict != 'not'"
        contents |= {content for select in (grouped, spoken_of) for (content,) in index.rows(select, (number,))}
    for analyzer, key in index.analyzers().items():
        index.use(analyzer)
        limits = limits_of_key(key)
        known = [_of_references(index, name, references, limits), tagged.get(analyzer)]
        known += [] if root is None else [person_of_group(index, said, root)]
        contents |= _photos_like(index, [person for person in known if person], limits)
    names = {called for number, called, _ in namings if number in numbers}
    return Traces(numbers, contents, {name, *names})


def _check_once_called(name: str, namings: Sequence[tuple[int, str, int]], said: Said) -> None:
    """Raise UsageError for somebody of whom there is not even a name that was taken back."""
    had_it = [(said.root(number), undone) for number, called, undone in namings if same_name(called, name)]
    if now := next((said.names[number] for number, undone in had_it if number in said.names and not undone), None):
        raise UsageError(f'{name} is called {now} now. To forget her or him under every name:  --person "{now}"')
    if not had_it:
        raise UsageError(
            f"{no_such_person(name, said)} If their reference photos are not in refs/, add --refs DIR. If they were "
            "found by names in the photos, add --refs-from-tags, on the computer that was searched last."
        )


def limits_of_key(key: str) -> Limits:
    """The limits of the model that an analyzer's key names; of one that is not known any more, the default model's.

    Raises ModelsError where DeepFace, which knows those of its models, is not there.
    """
    engine, _, rest = key.partition("/")
    detector, _, model = rest.split()[1].partition("+")
    try:
        return limits_of_model(engine, model, detector, COSINE)
    except ModelsError:
        if engine == "deepface":
            raise
        return limits_of_model(engine, DEFAULT_RECOGNISER, None, COSINE)


def traces_of_computer(index: Index, computers: Sequence[str]) -> Traces:
    """What was seen there alone, and the people who were seen nowhere else. Raises UsageError."""
    known = {name for (name,) in index.rows("SELECT computer FROM run UNION SELECT computer FROM place")}
    for name in computers:
        if name not in known:
            raise UsageError(f"No computer called {name!r} was searched. There are: {', '.join(sorted(known))}.")
    contents = {content for name in computers for content in contents_only_on(index, name)}
    return Traces(_people_only_in(index, contents), contents)


def is_reference(path: bytes, refs: Path, name: str) -> bool:
    """Whether a photo lies in somebody's folder in refs, or in refs itself if that is called so, on any computer."""
    parts, own = _parts(os.fsdecode(path))[:-1], _parts(os.path.abspath(refs))[-2:]
    if same_name(own[-1], name) and list(map(str.casefold, parts[-2:])) == list(map(str.casefold, own)):
        return True
    pairs = zip(parts, parts[1:], strict=False)
    return any(same_name(parent, own[-1]) and same_name(below, name) for parent, below in pairs)


def _parts(path: str) -> list[str]:
    """Of whatever system it is."""
    return path.replace("\\", "/").rstrip("/").split("/")


def _reference_photos(index: Index, refs: Path, name: str) -> dict[int, str]:
    """Content -> path of what lies in somebody's folder of reference photos, wherever the stick was put in."""
    rows = index.rows("SELECT content, path FROM place")
    return {content: os.fsdecode(path) for content, path in rows if is_reference(path, refs, name)}


def _named_in_photos(index: Index, name: str) -> dict[int, Person]:
    """Analyzer -> somebody whose name other programs wrote into the photos of the last search, if they are there."""
    found: dict[int, Person] = {}
    for analyzer, key in index.analyzers().items() if index.back_to_last_search() else ():
        index.use(analyzer)
        limits = limits_of_key(key)
        named = named_people(index, limits.maybe, limits.rule, NoProgress()).only([name])
        if named.people:
            found[analyzer] = named.people[0]
    return found


def _of_references(index: Index, name: str, photos: dict[int, str], limits: Limits) -> Person | None:
    faces = {path: index.faces_of(content) for content, path in photos.items()}
    try:
        return make_person(name, faces, limits.maybe, (), limits.rule)
    except ReferencesError:
        return None


def _photos_like(index: Index, people: Sequence[Person], limits: Limits) -> set[int]:
    """The photos with a face that is, or may be, one of these, on whatever computer they lie."""
    found: set[int] = set()
    last = 0
    select = "SELECT id, content, vector FROM face WHERE analyzer = ? AND id > ? ORDER BY id LIMIT ?"
    while people and (rows := index.rows(select, (index.analyzer, last, CHUNK))):
        last = rows[-1][0]
        vectors = np.frombuffer(b"".join(vector for _, _, vector in rows), np.float32).reshape(len(rows), -1)
        alike = [person for person in people if person.template.shape == vectors.shape[1:]]
        if alike:
            near = distances(vectors, alike, limits.rule).min(axis=1) <= limits.maybe
            found |= {rows[row][1] for row in np.flatnonzero(near)}
    return found


def _people_only_in(index: Index, contents: Iterable[int]) -> set[int]:
    """The numbers of people of whom nothing is left without these photos."""
    inside: set[int] = set()
    outside: set[int] = set()
    contents = set(contents)
    rows = index.rows("SELECT person, content FROM grouped JOIN face ON face.id = face")
    rows += index.rows("SELECT person, content.id FROM word LEFT JOIN content USING (sha256) WHERE verdict != 'not'")
    said = History(index).said()
    for person, content in rows:
        (inside if content in contents else outside).add(said.root(person))
    gone = inside - outside - {STRANGER}
    return gone | {number for (number,) in index.rows("SELECT id FROM person") if said.root(number) in gone}


def reports_and_logs(settings: Settings) -> list[Path]:
    """What earlier runs left to be read, and names whom they found: beside the index, and among the copies."""
    pages = [settings.report] if settings.report else []
    pages += [folder / "report.html" for folder in destinations(settings.home)]
    pages = [path for page in pages for path in (page, page.with_name(PART))]
    there = [path for path in dict.fromkeys(pages) if path.is_file() and is_ours(path)]
    return there + (logs_in(settings.logs) if settings.logs else [])


def crops_in(folder: Path, index_name: str, faces: set[int] | None) -> list[Path]:
    """The files in the groups folder that show one of these faces; None: any, and the help text."""
    found = []
    for parent, _, names in os.walk(folder):
        for each in names:
            path = Path(parent) / each
            face = identity(path, index_name)
            if face is not None and (faces is None or face in faces):
                found.append(path)
    return found + ([folder / HELP] if faces is None and (folder / HELP).is_file() else [])
