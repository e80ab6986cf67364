"""The fourth job: all that is known of a person, of a computer, or of everybody, off the stick; and what remains."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facefinder.collect import safe_name
from facefinder.errors import IndexFileError, ReferencesError, UsageError
from facefinder.find import model_limits, open_index, spec_of
from facefinder.group import STRANGER
from facefinder.index import Index
from facefinder.log import logs_in
from facefinder.match import distances
from facefinder.people import Person, make_person
from facefinder.report.write import PART, is_ours
from facefinder.review.crops import identity
from facefinder.review.names import HELP, is_junk
from facefinder.review.people import find_number, no_such_person, person_of_group
from facefinder.review.read import index_name, read_if_ours
from facefinder.review.word import History, Said, same_name
from facefinder.settings import ForgetSettings, Settings
from facefinder.storage.erase import (
    begin_erasing,
    contents_only_on,
    end_erasing,
    erase_computer,
    erase_contents,
    erase_people,
    erase_words,
    faces_of,
    put_in_place,
)

CHUNK = 4096  # faces compared at once
REPORTS = "the report and the logs of earlier runs"

# Told what is about to go, in words; whether it shall.
Agree = Callable[[str], bool]


@dataclass
class Forgotten:
    """What was removed: photos are no longer known, crops are files of the groups folder.

    who: in words. done: False if the user did not agree. reports: how many files that told of earlier runs.
    remains: places on the stick that still tell of them. problems: (path, reason) of what could not be removed.
    """

    who: str
    done: bool = False
    photos: int = 0
    faces: int = 0
    crops: int = 0
    reports: int = 0
    remains: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def forget(settings: Settings, agree: Agree) -> Forgotten:
    """Do what the command `forget` says. Raises FaceFinderError; the photos themselves are never touched."""
    asked = settings.forget
    assert asked, "this command has settings of its own"
    if not (asked.everything or settings.people or asked.computers):
        raise UsageError("Say what to forget:  --all,  --person NAME  or  --computer NAME")
    path = settings.index
    if path is None or not path.exists():
        raise IndexFileError(f"There is no index {path}, so nothing is remembered. Name another one with --index FILE.")
    with open_index(settings, spec_of(settings)) as index:
        outcome, new = _forget(settings, asked, index, path, agree)
    if outcome.done and new:
        put_in_place(new, path)
    if outcome.done and not new:
        _remove([path, path.with_name(f"{path.name}-journal")], outcome)
    return outcome


def _forget(
    settings: Settings, asked: ForgetSettings, index: Index, path: Path, agree: Agree
) -> tuple[Forgotten, Path | None]:
    """What came of it, and the new index; None where there is to be none."""
    ours = read_if_ours(index, settings.groups_folder).ours
    numbers: set[int] = set()
    if asked.everything:
        outcome = Forgotten("everybody")
        contents = {number for (number,) in index.rows("SELECT id FROM content")}
    elif settings.people:
        outcome = Forgotten(" and ".join(settings.people))
        contents = set()
        for name in settings.people:
            own_numbers, own_contents = _all_of(index, name, settings)
            numbers |= own_numbers
            contents |= own_contents
    else:
        outcome = Forgotten(" and ".join(f"the computer {name}" for name in asked.computers))
        _check_computers(index, asked.computers)
        contents = {content for name in asked.computers for content in contents_only_on(index, name)}
        numbers = _people_only_in(index, contents)
    faces = faces_of(index, contents)
    crops = _crops(settings.groups_folder, index_name(index), None if asked.everything else faces) if ours else []
    tellers = _reports_and_logs(settings)
    outcome.photos, outcome.faces, outcome.crops, outcome.reports = len(contents), len(faces), len(crops), len(tellers)
    outcome.remains = _remains(settings, asked)
    if not ours and settings.groups_folder.is_dir():
        outcome.remains.append(str(settings.groups_folder))  # of another index, or the user's
    if not agree(_about_to_go(outcome, settings.groups_folder)):
        return outcome, path
    outcome.done = True
    _remove([*crops, *tellers], outcome)
    _remove_empty(settings.groups_folder, {crop.parent for crop in crops}, outcome)
    if settings.logs and settings.logs.is_dir():
        _remove_empty(settings.logs, {settings.logs}, outcome)
    if asked.everything:
        return outcome, None
    begin_erasing(index)
    if asked.computers:
        erase_words(index, contents)
    erase_contents(index, contents)
    erase_people(index, numbers, settings.people)
    for (held,) in index.rows("SELECT path FROM quarantine"):
        if any(_is_reference(held, settings.refs.name, name) for name in settings.people):
            index.rows("DELETE FROM quarantine WHERE path = ?", (held,))
    for name in asked.computers:
        erase_computer(index, name)
    return outcome, end_erasing(index, path)


def _about_to_go(outcome: Forgotten, groups: Path) -> str:
    parts = [f"{outcome.faces} faces in {outcome.photos} photos"]
    parts += [f"{outcome.crops} small pictures in {groups}"] if outcome.crops else []
    parts += [REPORTS] if outcome.reports else []
    return f"Forget {outcome.who}: {', '.join(parts)}? The photos themselves stay."


def _reports_and_logs(settings: Settings) -> list[Path]:
    """What earlier runs left to be read, and names whom they found."""
    report = settings.report
    pages = [path for path in (report, report.with_name(PART)) if path.is_file() and is_ours(path)] if report else []
    return pages + (logs_in(settings.logs) if settings.logs else [])


def _all_of(index: Index, name: str, settings: Settings) -> tuple[set[int], set[int]]:
    """The numbers that somebody has or had in the groups, and the photos that may show them. Raises UsageError."""
    said = History(index).said()
    people = [number for (number,) in index.rows("SELECT id FROM person")]
    root = find_number(said, name, people)
    numbers = set() if root is None else {root, *(each for each in people if said.root(each) == root)}
    references = _reference_photos(index, settings.refs.name, name)
    if root is None and not references:
        raise no_such_person(name, said)
    contents = set(references)
    for number in numbers:
        grouped = "SELECT content FROM grouped JOIN face ON face.id = face WHERE person = ?"
        spoken_of = "SELECT content.id FROM word JOIN content USING (sha256) WHERE person = ? AND verdict != 'not'"
        contents |= {content for select in (grouped, spoken_of) for (content,) in index.rows(select, (number,))}
    known = [_of_references(index, name, references, settings), _of_group(index, said, root)]
    return numbers, contents | _photos_like(index, [person for person in known if person], settings)


def _reference_photos(index: Index, refs: str, name: str) -> dict[int, str]:
    """Content -> path of what lies in somebody's folder in refs/, wherever the stick was put in."""
    rows = index.rows("SELECT content, path FROM place")
    return {content: os.fsdecode(path) for content, path in rows if _is_reference(path, refs, name)}


def _is_reference(path: bytes, refs: str, name: str) -> bool:
    parts = os.fsdecode(path).replace("\\", "/").split("/")
    return any(parent == refs and same_name(own, name) for parent, own in zip(parts, parts[1:-1], strict=False))


def _of_references(index: Index, name: str, photos: dict[int, str], settings: Settings) -> Person | None:
    limits = model_limits(settings)
    faces = {path: index.faces_of(content) for content, path in photos.items()}
    try:
        return make_person(name, faces, limits.maybe, (), limits.rule)
    except ReferencesError:
        return None


def _of_group(index: Index, said: Said, number: int | None) -> Person | None:
    return None if number is None else person_of_group(index, said, number)


def _photos_like(index: Index, people: Sequence[Person], settings: Settings) -> set[int]:
    """The photos with a face that is, or may be, one of these, on whatever computer they lie."""
    limits = model_limits(settings)
    found: set[int] = set()
    last = 0
    select = "SELECT id, content, vector FROM face WHERE analyzer = ? AND id > ? ORDER BY id LIMIT ?"
    while people and (rows := index.rows(select, (index.analyzer, last, CHUNK))):
        last = rows[-1][0]
        vectors = np.frombuffer(b"".join(vector for _, _, vector in rows), np.float32).reshape(len(rows), -1)
        near = distances(vectors, people, limits.rule).min(axis=1) <= limits.maybe
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


def _check_computers(index: Index, names: Sequence[str]) -> None:
    known = {name for (name,) in index.rows("SELECT computer FROM run UNION SELECT computer FROM place")}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            raise UsageError(f"No computer called {name!r} was searched. There are: {there}.")


def _crops(folder: Path, name: str, faces: set[int] | None) -> list[Path]:
    """The files in the groups folder that show one of these faces; None: any, and the help text."""
    found = []
    for parent, _, names in os.walk(folder):
        for each in names:
            path = Path(parent) / each
            face = identity(path, name)
            if face is not None and (faces is None or face in faces):
                found.append(path)
    return found + ([folder / HELP] if faces is None and (folder / HELP).is_file() else [])


def _remove(paths: Iterable[Path], outcome: Forgotten) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            outcome.problems.append((str(path), f"cannot be removed: {error.strerror}"))


def _remove_empty(root: Path, folders: set[Path], outcome: Forgotten) -> None:
    """Of these folders and those around them, up to the groups folder, the ones in which nothing of anybody is left."""
    around = {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root)}
    for folder in sorted(folders | around, key=lambda path: -len(path.parts)):
        try:
            left = list(folder.iterdir())
            if all(is_junk(path.name) for path in left):
                _remove(left, outcome)
                folder.rmdir()
        except OSError as error:
            outcome.problems.append((str(folder), f"cannot be removed: {error.strerror}"))


def _remains(settings: Settings, asked: ForgetSettings) -> list[str]:
    """What else on the stick tells of them, and is the user's own."""

    def folders(parent: Path, names: Sequence[str]) -> list[Path]:
        inside = [path for path in parent.iterdir() if path.is_dir()] if parent.is_dir() else []
        return [path for path in inside if not names or any(same_name(path.name, safe_name(name)) for name in names)]

    copies = settings.home / "found"
    computers = folders(copies, asked.computers)
    if asked.computers:
        found = computers
    elif asked.everything:
        found = [*folders(settings.refs, ()), *computers]
    else:
        found = folders(settings.refs, settings.people)
        found += [path for place in (copies, *computers) for path in folders(place, settings.people)]
        found += [place / "manifest.csv" for place in (copies, *computers) if (place / "manifest.csv").is_file()]
    return [str(path) for path in found]


def in_words(outcome: Forgotten) -> str:
    """What to say at the end."""
    if not outcome.done:
        return "Nothing was removed."
    removed = [f"{outcome.faces} faces in {outcome.photos} photos"]
    removed += [f"{outcome.crops} files of the groups folder"] if outcome.crops else []
    removed += [REPORTS] if outcome.reports else []
    lines = [f"Forgotten: {outcome.who}.", f"Removed: {', '.join(removed)}."]
    if outcome.problems:
        lines += ["", "Could not be removed:", *(f"  {path}: {reason}" for path, reason in outcome.problems)]
    if outcome.remains:
        lines += ["", "These are yours and still there; delete them yourself if they are to go too:"]
        lines += [f"  {path}" for path in outcome.remains]
    return "\n".join(
        [
            *lines,
            "",
            "Copies that went elsewhere with --copy, and files of --export, are where you put them.",
            "A later search of the same photos works their faces out anew.",
        ]
    )
