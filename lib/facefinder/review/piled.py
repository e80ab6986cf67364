"""The faces that are grouped, and the last grouping, in the index."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefinder.grouping.known import STRANGER, Faces, Known
from facefinder.index import Index
from facefinder.review.word import SAME_FACE, Box, History, PastStep, Said, Verdict, overlap

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PiledFaces:
    """N faces of the piles, by row number. ids, contents (N,): their row numbers in the index; boxes (N, 4).

    times: (N, 3) moment, seen from, seen until, as in Face; NaN where there is none.
    """

    ids: Integers
    contents: Integers
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    times: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def to_group(self) -> Faces:
        """The same, as group() wants them."""
        return Faces(self.vectors, self.boxes[:, 2:].min(axis=1), self.sharpness, self.scores, self.contents)


def add_piles(index: Index, folders: Sequence[Path]) -> None:
    """Group the faces of these folders from now on."""
    for folder in folders:
        pile = (index.computer, os.fsencode(os.path.abspath(folder)))
        index.rows("INSERT OR IGNORE INTO pile VALUES (?, ?)", pile)


def piles(index: Index) -> list[Path]:
    """The folders of this computer whose faces are grouped."""
    rows = index.rows("SELECT path FROM pile WHERE computer = ? ORDER BY path", (index.computer,))
    return [Path(os.fsdecode(path)) for (path,) in rows]


def piled_faces(index: Index) -> PiledFaces:
    """All faces in photos that were ever seen in a pile, on any computer."""
    _choose(index)
    for computer, path in index.rows("SELECT computer, path FROM pile"):
        # Everything below the folder stands, sorted, between "folder/" and "folder0"; of Windows after "folder\\".
        for separator in (b"/", b"\\"):
            below = path.rstrip(separator) + separator
            index.rows(
                "INSERT OR IGNORE INTO chosen SELECT content FROM place "
                "WHERE computer = ? AND (path = ? OR path > ? AND path < ?)",
                (computer, path, below, below[:-1] + bytes([separator[0] + 1])),
            )
    return _faces_of_chosen(index)


def faces_in(index: Index, contents: Iterable[int]) -> PiledFaces:
    """The faces in some photos."""
    _choose(index)
    for content in contents:
        index.rows("INSERT OR IGNORE INTO chosen VALUES (?)", (content,))
    return _faces_of_chosen(index)


def _choose(index: Index) -> None:
    index.rows("CREATE TEMP TABLE IF NOT EXISTS chosen (content INTEGER PRIMARY KEY)")
    index.rows("DELETE FROM chosen")


def _faces_of_chosen(index: Index) -> PiledFaces:
    rows = index.rows(
        "SELECT face.id, face.content, x, y, width, height, score, sharpness, moment, seen_from, seen_until, vector "
        "FROM chosen JOIN face ON face.content = chosen.content WHERE analyzer = ? ORDER BY face.content, face.id",
        (index.analyzer,),
    )
    vectors = np.frombuffer(b"".join(row[11] for row in rows), np.float32)
    return PiledFaces(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2:6] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[6] for row in rows], np.float32),
        np.array([row[7] for row in rows], np.float32),
        np.array([row[8:11] for row in rows], np.float32).reshape(-1, 3),
        vectors.reshape(len(rows), -1) if rows else np.empty((0, 1), np.float32),
    )


def known(index: Index, faces: PiledFaces, said: Said) -> Known:
    """What is known before a grouping: the user's word, and the groups so far."""
    previous = last_groups(index, faces)
    for person in said.joined:
        previous[previous == person] = said.root(person)
    word = np.full(len(faces), STRANGER, np.int64)
    rejected = []
    for row, verdicts in said.on(faces.contents, faces.boxes):
        for person, verdict in verdicts.items():
            if verdict is Verdict.IS:
                word[row] = person
            else:
                # A face that may be somebody is grouped without that person, and shown beside.
                rejected.append((row, person))
    [(highest,)] = index.rows("SELECT coalesce(max(id), 0) FROM person")
    return Known(word, previous, np.array(rejected, np.int64).reshape(-1, 2), next_number=highest + 1)


def last_groups(index: Index, faces: PiledFaces) -> Integers:
    """(N,) the last grouping; of another analyzer, that of the face at the same place."""
    last = dict(index.rows("SELECT face, person FROM grouped"))
    previous = np.array([last.get(int(face), STRANGER) for face in faces.ids], np.int64)
    by_others: dict[int, list[tuple[Box, int]]] = {}
    for content, person, *box in index.rows(
        "SELECT content, person, x, y, width, height FROM grouped JOIN face ON face.id = face "
        "WHERE analyzer != ? AND person != ?",
        (index.analyzer, STRANGER),
    ):
        by_others.setdefault(content, []).append(((box[0], box[1], box[2], box[3]), person))
    for row in np.flatnonzero(previous == STRANGER) if by_others else []:
        box = tuple(faces.boxes[row].tolist())
        for other, person in by_others.get(int(faces.contents[row]), []):
            if overlap(box, other) >= SAME_FACE:
                previous[row] = person
    return previous


def store_grouping(index: Index, faces: PiledFaces, labels: Integers) -> None:
    """Remember a grouping for the next one; and, for undo, what it changed since the last step of the user."""
    last = dict(index.rows("SELECT face, person FROM grouped"))
    [(step,)] = index.rows("SELECT max(id) FROM step WHERE NOT undone")
    index.rows("DELETE FROM grouped")
    for label in np.unique(labels[labels != STRANGER]).tolist():
        index.rows("INSERT OR IGNORE INTO person (id) VALUES (?)", (label,))
    for face, label in zip(faces.ids.tolist(), labels.tolist(), strict=True):
        index.rows("INSERT INTO grouped VALUES (?, ?)", (face, label))
        if step is not None and last.get(face, label) != label:
            index.rows("INSERT INTO regrouped (step, face, person) VALUES (?, ?, ?)", (step, face, last[face]))


def undo(index: Index) -> PastStep | None:
    """Take the user's last step back, and put the groups back as they were before it; None if there is no step."""
    step = History(index).undo()
    if step:
        regrouped = "SELECT face, person FROM regrouped WHERE step >= ? ORDER BY id DESC"
        for face, person in index.rows(regrouped, (step.number,)):
            index.rows("UPDATE grouped SET person = ? WHERE face = ?", (person, face))
        index.rows("DELETE FROM regrouped WHERE step >= ?", (step.number,))
    return step


def new_person(index: Index) -> int:
    """A number never used so far."""
    [(number,)] = index.rows("INSERT INTO person DEFAULT VALUES RETURNING id")
    return int(number)
