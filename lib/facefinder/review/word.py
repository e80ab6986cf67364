"""The user's word on faces and people: kept as a history of steps, each of which can be undone.

What holds is the replay of all steps that are not undone; the later word wins. A word names a face by its photo's
content and its box there, so it holds for whatever model finds that face again, wherever the photo lies.
"""

import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefinder.index import Index

# Two boxes in one photo are the same face from this share of their common area on; another detector, or the same at
# another scale, puts its box a little differently.
SAME_FACE = 0.5

Box = tuple[float, float, float, float]


class Verdict(StrEnum):
    """What the user says of a face and a person."""

    IS = "is"
    NOT = "not"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Word:
    """One face, one person. box: left, top, width, height, in pixels of the upright original."""

    sha256: bytes
    box: Box
    person: int
    verdict: Verdict


@dataclass
class Step:
    """One thing that the user said. what: the same as a sentence. names: person -> name; None takes it away.

    joins: (person, other): the two are one, and go by the other's number. aside: people not to be shown again.
    """

    what: str
    words: list[Word] = field(default_factory=list)
    names: list[tuple[int, str | None]] = field(default_factory=list)
    joins: list[tuple[int, int]] = field(default_factory=list)
    aside: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PastStep:
    """A step of the history. made: seconds since 1970."""

    number: int
    made: float
    what: str
    undone: bool


@dataclass
class Said:
    """What holds now. names: person -> name; joined: person -> the person that it became part of.

    faces: content (row number in the index) -> its faces of which something was said: box, and person -> verdict.
    """

    names: dict[int, str] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    aside: set[int] = field(default_factory=set)
    faces: dict[int, list[tuple[Box, dict[int, Verdict]]]] = field(default_factory=dict)

    def root(self, person: int) -> int:
        """The number under which a person goes now."""
        while person in self.joined:
            person = self.joined[person]
        return person

    def person_called(self, name: str) -> int | None:
        """Whose name this is, whatever its capitals; None if nobody's."""
        return next((person for person, known in self.names.items() if same_name(known, name)), None)

    def on(self, contents: NDArray[np.int64], boxes: NDArray[np.float32]) -> Iterator[tuple[int, dict[int, Verdict]]]:
        """(row, person -> verdict) of each face of which something was said. contents (N,), boxes (N, 4)."""
        rows_of: dict[int, list[int]] = defaultdict(list)
        for row in np.flatnonzero(np.isin(contents, np.fromiter(self.faces, np.int64, len(self.faces)))):
            rows_of[int(contents[row])].append(int(row))
        for content, rows in rows_of.items():
            for box, verdicts in self.faces[content]:
                overlaps = [overlap(box, tuple(boxes[row].tolist())) for row in rows]
                best = int(np.argmax(overlaps))
                if overlaps[best] >= SAME_FACE:
                    yield rows[best], verdicts


def same_name(one: str, other: str) -> bool:
    """Whether two names differ in capitals and in the spelling of accents at most (macOS spells them apart)."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def overlap(one: Box, other: Box) -> float:
    """The common area of two boxes as a share of the area that they cover together."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (one[2] * one[3] + other[2] * other[3] - width * height)


class History:
    """The steps in an index. Every method raises IndexFileError when the file fails."""

    def __init__(self, index: Index):
        self._index = index

    def add(self, step: Step) -> None:
        """Remember one more step."""
        rows = self._index.rows
        made = (time.time(), step.what)
        [(number,)] = rows("INSERT INTO step (made, what) VALUES (?, ?) RETURNING id", made)
        for word in step.words:
            rows(
                "INSERT INTO word (step, sha256, x, y, width, height, person, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (number, word.sha256, *word.box, word.person, word.verdict.value),
            )
        for person, name in step.names:
            rows("INSERT INTO naming (step, person, name) VALUES (?, ?, ?)", (number, person, name))
        for person, other in step.joins:
            rows("INSERT INTO joining (step, person, other) VALUES (?, ?, ?)", (number, person, other))
        for person in step.aside:
            rows("INSERT INTO aside (step, person) VALUES (?, ?)", (number, person))

    def undo(self) -> PastStep | None:
        """Undo the last step that is not undone, and return it; None if there is none."""
        last = [step for step in self.steps() if not step.undone][-1:]
        for step in last:
            self._index.rows("UPDATE step SET undone = 1 WHERE id = ?", (step.number,))
        return last[0] if last else None

    def steps(self) -> list[PastStep]:
        """All steps, the first one first."""
        rows = self._index.rows("SELECT id, made, what, undone FROM step ORDER BY id")
        return [PastStep(number, made, what, bool(undone)) for number, made, what, undone in rows]

    def said(self) -> Said:
        """Replay the steps that are not undone."""
        said = Said()
        joins, names = self._parts("joining", "person, other"), self._parts("naming", "person, name")
        aside = self._parts("aside", "person")
        words = self._parts("word", "content.id, x, y, word.width, word.height, person, verdict")
        for (step,) in self._index.rows("SELECT id FROM step WHERE NOT undone ORDER BY id"):
            for person, other in joins[step]:
                _join(said, said.root(person), said.root(other))
            for person, name in names[step]:
                said.aside.discard(said.root(person))
                if name is None:
                    said.names.pop(said.root(person), None)
                else:
                    said.names[said.root(person)] = name
            said.aside |= {said.root(person) for (person,) in aside[step]}
            for content, x, y, width, height, person, verdict in words[step]:
                _say(said.faces.setdefault(content, []), (x, y, width, height), said.root(person), Verdict(verdict))
        return said

    def _parts(self, table: str, columns: str) -> dict[int, list[Any]]:
        """Step -> its rows in a table. Words on photos that the index does not know are left out."""
        known = "JOIN content USING (sha256)" if table == "word" else ""
        parts: dict[int, list[Any]] = defaultdict(list)
        for step, *row in self._index.rows(f"SELECT step, {columns} FROM {table} {known} ORDER BY {table}.id"):
            parts[step].append(row)
        return parts


def _join(said: Said, person: int, other: int) -> None:
    """From here on `person` goes by the number of `other`."""
    if person == other:
        return
    said.joined[person] = other
    said.aside.discard(person)
    if name := said.names.pop(person, None):
        said.names.setdefault(other, name)
    for faces in said.faces.values():
        for _, verdicts in faces:
            if (verdict := verdicts.pop(person, None)) and verdicts.get(other) is not Verdict.IS:
                verdicts[other] = verdict


def _say(faces: list[tuple[Box, dict[int, Verdict]]], box: Box, person: int, verdict: Verdict) -> None:
    """Add a word to what was said of the faces in one photo."""
    known = max(faces, key=lambda face: overlap(face[0], box), default=None)
    if known is None or overlap(known[0], box) < SAME_FACE:
        known = (box, {})
        faces.append(known)
    verdicts = known[1]
    if verdict is Verdict.IS:
        # A face is one person: this takes back whom it was said to be, but not whom it is not.
        for other in [other for other, before in verdicts.items() if before is not Verdict.NOT]:
            del verdicts[other]
    verdicts[person] = verdict
