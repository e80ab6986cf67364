"""People <-> a file: names and which faces, without photos; for another index, or another program."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facefinder.errors import DestinationError, UsageError
from facefinder.index import Index
from facefinder.review.names import Kind
from facefinder.review.piled import PiledFaces
from facefinder.review.word import Box, Said, Step, Verdict, Word

COLUMNS = ("name", "sha256", "left", "top", "width", "height")
FORMAT = "face-finder people 1"

Known = tuple[bytes, Box]


def write_people(path: Path, people: Mapping[str, Sequence[Known]]) -> None:
    """Write name -> faces (SHA-256 of the photo, box in pixels of the upright photo) as JSON or CSV, by the suffix.

    Raises UsageError, DestinationError.
    """
    rows = [
        dict(zip(COLUMNS, (name, sha256.hex(), *(round(side, 1) for side in box)), strict=True))
        for name, faces in people.items()
        for sha256, box in faces
    ]
    if _is_csv(path):
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        data = table.getvalue().encode("utf-8-sig")  # with this mark a spreadsheet reads é and 日 as they are
    else:
        by_name = [
            {"name": name, "faces": [{key: row[key] for key in COLUMNS[1:]} for row in rows if row["name"] == name]}
            for name in people
        ]
        data = json.dumps({"format": FORMAT, "people": by_name}, indent=1, ensure_ascii=False).encode()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DestinationError(f"{path} cannot be written: {error.strerror}. Name another file.") from error


def export_people(
    index: Index, faces: PiledFaces, shown_as: Sequence[tuple[int | None, Kind]], said: Said, path: Path
) -> int:
    """Write everybody with a name, and their sure faces; returns how many people. Raises as write_people() does."""
    sha256 = {number: index.content(number).sha256 for number in np.unique(faces.contents).tolist()}
    people = {
        name: [
            (sha256[int(faces.contents[row])], tuple(faces.boxes[row].tolist()))
            for row, shown in enumerate(shown_as)
            if shown == (person, Kind.SURE)
        ]
        for person, name in said.names.items()
    }
    write_people(path, people)
    return len(people)


def read_people_file(path: Path) -> dict[str, list[Known]]:
    """The inverse of write_people(). Raises UsageError."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', '') or 'it is no text file'}.") from error
    try:
        people = _from_csv(text) if _is_csv(path) else _from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a file of people as --export writes it ({error!r}). Nothing was changed."
        ) from error
    return people


def import_step(
    people: Mapping[str, Sequence[Known]], said: Said, new_person: Callable[[], int], source: str
) -> Step | None:
    """What a file says, as one step of the history; None if it names nobody."""
    if not people:
        return None
    faces = sum(map(len, people.values()))
    step = Step(f"You imported {_count(len(people), 'person', 'people')} from {source} ({_count(faces, 'face')}).")
    for name, known in people.items():
        person = said.person_called(name)
        if person is None:
            person = new_person()
            step.names.append((person, name))
        step.words += [Word(sha256, box, person, Verdict.IS) for sha256, box in known]
    return step


def _is_csv(path: Path) -> bool:
    if path.suffix.lower() not in (".csv", ".json"):
        raise UsageError(f"{path}: people are kept in files called .json or .csv.")
    return path.suffix.lower() == ".csv"


def _from_json(text: str) -> dict[str, list[Known]]:
    people = json.loads(text)["people"]
    return {_name(person): [_face(face) for face in person["faces"]] for person in people}


def _from_csv(text: str) -> dict[str, list[Known]]:
    people = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        people[_name(row)].append(_face(row))
    return dict(people)


def _name(row: Mapping[str, Any]) -> str:
    name = str(row["name"]).strip()
    if not name:
        raise ValueError("a name is missing")
    return name


def _face(row: Mapping[str, Any]) -> Known:
    sha256 = bytes.fromhex(row["sha256"])
    left, top, width, height = (float(row[key]) for key in COLUMNS[2:])
    if len(sha256) != 32 or not (width > 0 and height > 0):
        raise ValueError("a face is not described as it should be")
    return sha256, (left, top, width, height)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
