"""Groups -> people to look for, and the photos that show them."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import UsageError
from facefinder.faces.analyzer import Face
from facefinder.group import STRANGER
from facefinder.index import Index
from facefinder.match import Limits, PhotoMatch, Sighting, Verdict
from facefinder.media.archives import bytes_at
from facefinder.people import Person, Reference
from facefinder.review import word
from facefinder.review.names import Kind, number_name
from facefinder.review.piled import PiledFaces, faces_in, last_groups
from facefinder.review.word import Said

# More references find hardly more, and each is one more chance to be mistaken: the limits are measured with 3 to 10.
MOST_REFERENCES = 10


def find_number(said: Said, name: str, people: Iterable[int]) -> int | None:
    """The person called `name`, or with that number; None if there is none."""
    person = said.person_called(name)
    if person is None and name.isdecimal() and int(name) in people:
        return said.root(int(name))
    return person


def no_such_person(name: str, said: Said, others: Sequence[str] = ()) -> UsageError:
    """The error that names the people there are."""
    if said.person_called(name) is not None:
        return UsageError(
            f"{name} is known, but no face of theirs was found with this --model and --min-face. "
            "Start  run.sh groups  with the same ones first."
        )
    there = ", ".join(sorted({*said.names.values(), *others}))
    remedy = f"There are: {there}." if there else "Nobody has a name yet: rename a folder in groups/ to name a person."
    return UsageError(f"There is no person called {name!r}. {remedy}")


def people_of_groups(index: Index, said: Said, names: Iterable[str]) -> dict[str, Person]:
    """Name or number as the user wrote it -> that person; those who are in no group are left out."""
    people = {number for (number,) in index.rows("SELECT id FROM person")}
    found = {}
    for name in names:
        number = find_number(said, name, people)
        if number is not None and (person := person_of_group(index, said, number)):
            found[name] = person
    return found


def joined(people: Iterable[Person]) -> list[Person]:
    """The same people; of two with one name (of refs/ and of the groups) is made one, with the references of both."""
    by_name: dict[str, Person] = {}
    for person in people:
        if before := next((known for known in by_name.values() if word.same_name(known.name, person.name)), None):
            mean = before.template + person.template
            references = (*before.references, *person.references)
            rejected = (*before.rejected, *person.rejected)
            person = Person(before.name, references, mean / np.linalg.norm(mean), before.problems, rejected)
        by_name[person.name] = person
    return list(by_name.values())


def person_of_group(index: Index, said: Said, person: int) -> Person | None:
    """Somebody to look for, made of the faces of a group; None if no face of theirs is known to this model."""
    numbers = [person, *(part for part in said.joined if said.root(part) == person)]
    grouped = "SELECT content FROM grouped JOIN face ON face.id = face WHERE person = ?"
    contents = {content for number in numbers for (content,) in index.rows(grouped, (number,))}
    faces = faces_in(index, contents | _spoken_of(said, person))
    last = last_groups(index, faces)
    belongs = np.array([label != STRANGER and said.root(int(label)) == person for label in last], bool)
    confirmed, rejected, otherwise = _word_on(faces, said, person)
    belongs = confirmed | (belongs & ~otherwise)
    rows = np.flatnonzero(belongs)
    if len(rows) == 0:
        return None
    quality = faces.to_group.quality()
    mean = quality[rows] @ faces.vectors[rows]
    template = mean / np.linalg.norm(mean)
    # The user's word first, then the best; of equals, the most typical.
    typical = faces.vectors[rows] @ template
    best = rows[np.lexsort((-typical, -quality[rows], ~confirmed[rows]))][:MOST_REFERENCES]
    references = tuple(_reference(index, faces, int(row)) for row in best)
    name = said.names.get(person, number_name(person))
    return Person(name, references, template.astype(np.float32), (), tuple(faces.vectors[rejected]))


def sharpened(index: Index, said: Said, person: Person) -> Person:
    """Somebody of refs/ with what the user said of faces since: the confirmed ones join the references, and the
    rejected ones count against look-alikes. How much that helps: `python3 tests/bench/corrections.py`.
    """
    number = said.person_called(person.name)
    faces = faces_in(index, () if number is None else _spoken_of(said, number))
    if number is None or len(faces) == 0:
        return person
    confirmed, rejected, _ = _word_on(faces, said, number)
    quality = faces.to_group.quality()
    rows = np.flatnonzero(confirmed)
    # In the mean each counts like a reference photo, a poor one less.
    mean = person.vectors.sum(axis=0) + quality[rows] @ faces.vectors[rows]
    best = rows[np.argsort(-quality[rows], kind="stable")][:MOST_REFERENCES]
    return replace(
        person,
        references=(*person.references, *(_reference(index, faces, int(row)) for row in best)),
        template=(mean / np.linalg.norm(mean)).astype(np.float32),
        rejected=tuple(faces.vectors[rejected]),
    )


def _spoken_of(said: Said, person: int) -> set[int]:
    """The photos in which the user said of some face that it is, or is not, a person."""
    return {content for content, faces in said.faces.items() if any(person in verdicts for _, verdicts in faces)}


def _word_on(faces: PiledFaces, said: Said, person: int) -> tuple[NDArray[np.bool_], ...]:
    """Three times (N,): of which faces the user said that they are that person; that they are not; something else."""
    confirmed, rejected, otherwise = (np.zeros(len(faces), bool) for _ in range(3))
    for row, verdicts in said.on(faces.contents, faces.boxes):
        is_one = [who for who, verdict in verdicts.items() if verdict is word.Verdict.IS]
        confirmed[row] = is_one == [person]
        rejected[row] = verdicts.get(person) is word.Verdict.NOT
        otherwise[row] = not confirmed[row] and (bool(is_one) or person in verdicts)
    return confirmed, rejected, otherwise


def _reference(index: Index, faces: PiledFaces, row: int) -> Reference:
    [(landmarks,)] = index.rows("SELECT landmarks FROM face WHERE id = ?", (int(faces.ids[row]),))
    content = int(faces.contents[row])
    places = "SELECT path FROM place WHERE content = ? ORDER BY computer = ? DESC, run DESC LIMIT 1"
    paths = [os.fsdecode(path) for (path,) in index.rows(places, (content, index.computer))]
    face = Face(
        tuple(faces.boxes[row].tolist()),
        np.frombuffer(landmarks, np.float32).reshape(5, 2),
        float(faces.scores[row]),
        float(faces.sharpness[row]),
        faces.vectors[row],
    )
    return Reference(paths[0] if paths else "", face, index.content(content).sha256)


def verdicts_on(
    said: Said, people: Sequence[int | None], contents: NDArray[np.int64], boxes: NDArray[np.float32]
) -> NDArray[np.int8]:
    """(N, P): what the user said of N faces and P people (numbers of groups; None where there is none).

    1: it is that person, -1: it is not, 0: nothing was said.
    """
    table = np.zeros((len(contents), len(people)), np.int8)
    for row, verdicts in said.on(contents, boxes):
        someone = any(verdict is word.Verdict.IS for verdict in verdicts.values())
        for column, person in enumerate(people):
            verdict = None if person is None else verdicts.get(person)
            if verdict is word.Verdict.IS:
                table[row, column] = 1
            elif verdict is word.Verdict.NOT or someone:
                table[row, column] = -1
    return table


def matches_of_groups(
    index: Index,
    faces: PiledFaces,
    shown_as: Sequence[tuple[int | None, Kind]],
    distances: NDArray[np.float32],
    people: Mapping[int, str],
    limits: Limits,
    each_face: bool = False,
) -> tuple[list[PhotoMatch], int]:
    """The photos of some people (number -> name), each with its best face; and how many are not there just now.

    shown_as: for each face whose it is, and how surely. A photo is there if this computer has it at its place.
    each_face: for each face a match of its own, also where a photo has several of one person.
    """
    sightings: dict[tuple[int, int, int | None], list[Sighting]] = defaultdict(list)
    for row, (person, kind) in enumerate(shown_as):
        if person in people and person is not None and kind is not Kind.STRANGER:
            verdict = Verdict.MAYBE if kind is Kind.UNSURE else Verdict.SURE
            distance = float(distances[row]) if np.isfinite(distances[row]) else limits.maybe
            box, times = (tuple(columns[row].tolist()) for columns in (faces.boxes, faces.times))
            sightings[int(faces.contents[row]), person, row if each_face else None].append(
                Sighting(verdict, distance, box, times, distance)
            )
    matches, absent = [], set()
    for (number, person, _), seen in sightings.items():
        content = index.content(number)
        paths = _lying_places(index, number, content.bytes)
        if not paths:
            absent.add(number)
            continue
        matches.append(PhotoMatch.of(people[person], content, paths, seen, index.modified_ns(number)))
    return sorted(matches, key=lambda found: (found.person, found.verdict, found.distance, found.source)), len(absent)


def nearest_of_each(
    shown_as: Sequence[tuple[int | None, Kind]], distances: NDArray[np.float32], most: int
) -> list[tuple[int | None, Kind]]:
    """The same, with all but the nearest of each person passed off as strangers. most: of the sure, and of others."""
    kept: list[tuple[int | None, Kind]] = [(None, Kind.STRANGER)] * len(shown_as)
    counts: Counter[tuple[int | None, Kind]] = Counter()
    for row in np.argsort(distances, kind="stable").tolist():
        counts[shown_as[row]] += 1
        if counts[shown_as[row]] <= most:
            kept[row] = shown_as[row]
    return kept


def _lying_places(index: Index, content: int, size: int) -> list[str]:
    rows = index.rows(
        "SELECT path FROM place WHERE content = ? AND computer = ? ORDER BY run DESC, path", (content, index.computer)
    )
    paths = [os.fsdecode(path) for (path,) in rows]
    return [path for path in paths if bytes_at(path) == size]
