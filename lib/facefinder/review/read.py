"""The groups folder as the user left it -> steps in the history."""

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from facefinder.errors import DestinationError
from facefinder.index import Index
from facefinder.review.changes import Folders, LyingCrop, ShownCrop, interpret, whose_folders
from facefinder.review.crops import identity
from facefinder.review.names import HELP, NOT_SURE, Kind, is_junk, kind_of, person_folder
from facefinder.review.piled import new_person
from facefinder.review.word import History, Said, Verdict, Word

# Where more than half of many crops have gone, the folder was rather copied in part than looked through.
MANY = 10

_MARK = re.compile(r"\[face-finder ([0-9a-f]+) (\d+)\]")


@dataclass
class Reading:
    """steps: what the user did, in words. foreign: files that are no crops of ours. notes: what else to know.

    ours: whether the folder is the one written last.
    """

    steps: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ours: bool = False


def mark_line(index: Index, mark: int) -> str:
    """What the help text in a groups folder ends with: which index wrote it, and its how manieth it is."""
    return f"[face-finder {index_name(index)} {mark}]"


def index_name(index: Index) -> str:
    """The index's own random name."""
    [(name,)] = index.rows("SELECT name FROM identity")
    return str(name)


def read_back(index: Index, folder: Path) -> Reading:
    """Compare what lies in the groups folder with what was written there, and remember what the user did.

    Raises DestinationError when it holds groups that are not this index's last ones, or cannot be read.
    """
    reading = Reading()
    written = index.rows("SELECT mark, complete FROM tree ORDER BY mark DESC LIMIT 1")
    mark = mark_of(folder)
    files = _files(folder)
    if mark and (not written or mark != (index_name(index), written[0][0])):
        raise DestinationError(
            f"The groups in {folder} are not the ones that were written last with this index. Move that folder away, "
            "or name another one with --groups."
        )
    if not written:
        reading.foreign = files
        return reading
    rows = index.rows("SELECT face, path, person, kind FROM shown")
    faces, doubled = _faces(index, folder, files, {path: face for face, path, _, _ in rows}, reading)
    if not faces and not mark:
        if rows:
            reading.notes.append(
                f"There are no groups in {folder} any more. Nothing counts as deleted; they are written anew."
            )
        index.rows("DELETE FROM shown")
        return reading
    reading.ours = True
    # A face has two rows where writing was interrupted: from and to. The one that came true counts.
    rows.sort(key=lambda row: _spelled(row[1]) == _spelled(faces.get(row[0], "")))
    shown = [ShownCrop(face, person_folder(path), Kind(kind), person) for face, path, person, kind in rows]
    shown = list({crop.face: crop for crop in shown}.values())
    deletions = _deletions(shown, faces, bool(mark and written[0][1]), (folder / NOT_SURE).is_dir(), reading)
    if doubled:
        count = "1 face lies" if len(doubled) == 1 else f"{len(doubled)} faces lie"
        reading.notes.append(f"{count} in two folders, and counts where it was: {doubled[0]}. Delete one of the two.")
    history = History(index)
    said = history.said()
    lying = [LyingCrop(face, person_folder(path), kind_of(path)) for face, path in faces.items()]
    people = {number for (number,) in index.rows("SELECT id FROM person")}
    folders: Folders = whose_folders(shown, lying, said, people, partial(new_person, index))
    overruled = _overruled(index, shown, said)
    changes = interpret(shown, lying, folders, said, partial(word_on, index), deletions, overruled)
    for step in changes.steps:
        history.add(step)
        reading.steps.append(step.what)
    index.rows("DELETE FROM shown")
    was = {crop.face: crop.person for crop in shown}
    for face, (person, kind) in changes.where.items():
        before = was.get(face)
        if before is not None and said.root(before) == person:
            person = before  # who has become part of somebody else has a folder of old until the next writing
        index.rows("INSERT INTO shown VALUES (?, ?, ?, ?)", (face, faces[face], person, kind.value))
    index.commit()
    return reading


def _overruled(index: Index, shown: list[ShownCrop], said: Said) -> set[int]:
    """The faces that lie with somebody who they are not, as the user said on the review page since."""
    person_of = {crop.face: said.root(crop.person) for crop in shown if crop.person is not None}
    spoken_of = [
        row
        for content in said.faces
        for row in index.rows("SELECT id, content, x, y, width, height FROM face WHERE content = ?", (content,))
        if row[0] in person_of
    ]
    contents = np.array([row[1] for row in spoken_of], np.int64)
    boxes = np.array([row[2:] for row in spoken_of], np.float32).reshape(-1, 4)
    overruled = set()
    for row, verdicts in said.on(contents, boxes):
        face = spoken_of[row][0]
        is_one = [who for who, verdict in verdicts.items() if verdict is Verdict.IS]
        if verdicts.get(person_of[face]) is Verdict.NOT or (is_one and is_one != [person_of[face]]):
            overruled.add(face)
    return overruled


def read_if_ours(index: Index, folder: Path) -> Reading:
    """The same for those who only want to know: groups of another index are passed over."""
    if not index.rows("SELECT 1 FROM tree LIMIT 1") or not folder.is_dir():
        return Reading()
    try:
        return read_back(index, folder)
    except DestinationError as error:
        return Reading(notes=[str(error)])


def mark_of(folder: Path) -> tuple[str, int] | None:
    """The name of the index that wrote a groups folder, and its number; None if that is none."""
    try:
        found = _MARK.search((folder / HELP).read_text("utf-8", "replace"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DestinationError(f"{folder / HELP} cannot be read: {error.strerror}.") from error
    return (found[1], int(found[2])) if found else None


def _files(folder: Path) -> list[str]:
    """The files in the groups folder, relative to it, with forward slashes; without what systems put there."""
    files = []

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise DestinationError(f"{error.filename} cannot be read: {error.strerror}.") from error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        below = Path(parent).relative_to(folder)
        for name in sorted(names):
            if not is_junk(name) and (below.parts or name != HELP):
                files.append((below / name).as_posix())
    return files


def _faces(
    index: Index, folder: Path, files: list[str], shown: dict[str, int], reading: Reading
) -> tuple[dict[int, str], list[str]]:
    """Face -> the path of its crop; and the paths of second crops of one face. Other files go into the reading."""
    name = index_name(index)
    spelled = {_spelled(path): face for path, face in shown.items()}
    found: dict[int, list[str]] = defaultdict(list)
    for path in files:
        face = spelled.get(_spelled(path))
        if face is None:
            face = identity(folder / path, name)
            if face is not None and not index.rows("SELECT 1 FROM face WHERE id = ?", (face,)):
                face = None
        if face is None:
            reading.foreign.append(path)
        else:
            found[face].append(path)
    faces, doubled = {}, []
    for face, paths in found.items():
        # Of two, the one that lies where it was put is the crop, and the other a copy that somebody made.
        paths.sort(key=lambda path: _spelled(path) not in spelled)
        faces[face] = paths[0]
        doubled += [path for path in paths[1:] if _spelled(path) not in spelled]
    return faces, doubled


def _spelled(path: str) -> str:
    """A path with its accents in one spelling; macOS has another."""
    return unicodedata.normalize("NFC", path)


def _deletions(
    shown: list[ShownCrop], found: dict[int, str], complete: bool, has_not_sure: bool, reading: Reading
) -> set[Kind]:
    """The kinds of which a missing crop was deleted by the user, as far as one can tell."""
    people = {crop.face for crop in shown if crop.person is not None}
    missing = people - found.keys()
    if not missing:
        return set()
    if not complete:
        reading.notes.append(
            f"{len(missing)} faces are missing in the groups folder, which was not complete: they do not count as "
            "deleted and are put back."
        )
        return set()
    if len(missing) > MANY and len(missing) > len(people) / 2:
        reading.notes.append(
            f"{len(missing)} of {len(people)} faces have gone from the groups folder. Was it copied or moved in part? "
            "They do not count as deleted and are put back. To put people aside, delete fewer folders at once."
        )
        return set()
    return {Kind.SURE, Kind.UNSURE} if has_not_sure else {Kind.SURE}


def word_on(index: Index, face: int, person: int, verdict: Verdict) -> Word:
    """The user's word on a face, by its row number in the index."""
    [(sha256, *box)] = index.rows(
        "SELECT sha256, x, y, face.width, face.height FROM face JOIN content ON content.id = content WHERE face.id = ?",
        (face,),
    )
    return Word(sha256, (box[0], box[1], box[2], box[3]), person, verdict)
