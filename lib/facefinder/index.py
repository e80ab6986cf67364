"""The index: one SQLite file that remembers every picture ever analysed, by content.

content   a picture's bytes: SHA-256, size, when it was taken
place     where a content was seen: computer and path, with the file's size and time of change
analysis  what one analyzer (models and settings, by its key) made of one content: faces, or a problem
face      box, landmarks, score, sharpness and vector

A moved, renamed or copied photo is a new place of a known content; another analyzer is a new analysis of it.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import IndexFileError
from facefinder.faces.analyzer import Face
from facefinder.media.walk import FoundFile

VERSION = 1
COMMIT_SECONDS = 2.0  # what a pulled stick can cost
CHUNK = 4096  # faces read at once

_SCHEMA = """
CREATE TABLE run (id INTEGER PRIMARY KEY, computer TEXT NOT NULL, started REAL NOT NULL);
CREATE TABLE analyzer (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE content (
    id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    width INTEGER, height INTEGER, taken TEXT);
CREATE INDEX content_bytes ON content (bytes);
CREATE TABLE place (
    computer TEXT NOT NULL, path BLOB NOT NULL, bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    content INTEGER NOT NULL REFERENCES content, run INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (computer, path)) WITHOUT ROWID;
CREATE INDEX place_run ON place (run, content);
CREATE TABLE analysis (
    content INTEGER NOT NULL REFERENCES content, analyzer INTEGER NOT NULL REFERENCES analyzer, problem TEXT,
    PRIMARY KEY (content, analyzer)) WITHOUT ROWID;
CREATE TABLE face (
    id INTEGER PRIMARY KEY, content INTEGER NOT NULL REFERENCES content,
    analyzer INTEGER NOT NULL REFERENCES analyzer,
    x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL, score REAL NOT NULL,
    sharpness REAL NOT NULL, landmarks BLOB NOT NULL, vector BLOB NOT NULL);
CREATE INDEX face_content ON face (content, analyzer);
"""


@dataclass(frozen=True, slots=True)
class Content:
    """A picture's bytes. width, height (pixels, upright) and taken are None where it could not be opened."""

    sha256: bytes
    bytes: int
    width: int | None = None
    height: int | None = None
    taken: str | None = None


@dataclass(frozen=True, slots=True)
class StoredFaces:
    """N faces read from the index: contents (N,) int64 row numbers, boxes (N, 4), vectors (N, D) float32."""

    contents: NDArray[np.int64]
    boxes: NDArray[np.float32]
    vectors: NDArray[np.float32]


class Index:
    """The open index. One process writes it; every method raises IndexFileError when the file fails."""

    def __init__(self, path: Path | None, analyzer: str, computer: str):
        """Open or create the index at `path` (None: in memory, forgotten afterwards).

        analyzer: the key of the models and settings whose rows are read and written. computer: its name.
        """
        self._path = path
        self._computer = computer
        try:
            self._database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=30)
            self._prepare()
            self._database.execute("BEGIN")
            self._database.execute("INSERT OR IGNORE INTO analyzer (key) VALUES (?)", (analyzer,))
            found = self._database.execute("SELECT id FROM analyzer WHERE key = ?", (analyzer,))
            self._analyzer = int(found.fetchone()[0])
            self.begin_run()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        self._committed = time.monotonic()

    def _prepare(self) -> None:
        # A rollback journal in one file beside the index works on FAT and exFAT, where WAL's shared memory may not,
        # and FULL waits for the stick: a commit that returned survives pulling it out.
        self._database.execute("PRAGMA journal_mode = TRUNCATE")
        self._database.execute("PRAGMA synchronous = FULL")
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise IndexFileError(
                f"The index {self._path} was written by another version of this program. "
                "Move it away (the photos are then analysed again), or name another one with --index."
            )

    def _failure(self, error: sqlite3.Error) -> IndexFileError:
        return IndexFileError(
            f"The index {self._path} cannot be used: {error}. Is the stick full, write-protected or pulled out? "
            "Name another place with --index FILE, or go without one with --no-index."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what is done, also when the run ends early."""
        try:
            self._database.commit()
        except sqlite3.Error as failure:
            if error is None:
                raise self._failure(failure) from failure
        finally:
            self._database.close()

    def begin_run(self) -> None:
        """From here on "seen in this run" means: seen after this call."""
        run = self._database.execute("INSERT INTO run (computer, started) VALUES (?, ?)", (self._computer, time.time()))
        self._run = run.lastrowid

    def see_again(self, file: FoundFile) -> bool:
        """Whether this file lies where it lay, unchanged and analysed; if so it counts as seen in this run."""
        found = self._database.execute(
            "SELECT content FROM place JOIN analysis USING (content) "
            "WHERE computer = ? AND path = ? AND bytes = ? AND modified_ns = ? AND analyzer = ?",
            (self._computer, os.fsencode(file.path), file.bytes, file.modified_ns, self._analyzer),
        ).fetchone()
        if found:
            self._database.execute(
                "UPDATE place SET run = ? WHERE computer = ? AND path = ?",
                (self._run, self._computer, os.fsencode(file.path)),
            )
        return found is not None

    def analysed_of_size(self, size: int) -> frozenset[bytes]:
        """The SHA-256 of every analysed content of `size` bytes: a file can only be a copy of one of these."""
        rows = self._database.execute(
            "SELECT sha256 FROM content JOIN analysis ON content = content.id WHERE bytes = ? AND analyzer = ?",
            (size, self._analyzer),
        )
        return frozenset(row[0] for row in rows)

    def add_analysis(self, content: Content, faces: Sequence[Face], problem: str | None) -> None:
        """Store what the analyzer made of a content."""
        try:
            self._database.execute(
                "INSERT OR IGNORE INTO content (sha256, bytes, width, height, taken) VALUES (?, ?, ?, ?, ?)",
                (content.sha256, content.bytes, content.width, content.height, content.taken),
            )
            number = self._content_number(content.sha256)
            stored = self._database.execute(
                "INSERT OR IGNORE INTO analysis VALUES (?, ?, ?)", (number, self._analyzer, problem)
            )
            if stored.rowcount:
                self._database.executemany(
                    "INSERT INTO face (content, analyzer, x, y, width, height, score, sharpness, landmarks, vector) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [(number, self._analyzer, *_face_columns(face)) for face in faces],
                )
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def add_place(self, file: FoundFile, sha256: bytes) -> None:
        """Store that a content was seen at a path in this run; commits when it is time."""
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)",
                (
                    self._computer,
                    os.fsencode(file.path),
                    file.bytes,
                    file.modified_ns,
                    self._content_number(sha256),
                    self._run,
                ),
            )
            if time.monotonic() - self._committed > COMMIT_SECONDS:
                self.commit()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def commit(self) -> None:
        """Make everything so far survive a crash."""
        try:
            self._database.execute("COMMIT")
            self._database.execute("BEGIN")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        self._committed = time.monotonic()

    def _content_number(self, sha256: bytes) -> int:
        return int(self._database.execute("SELECT id FROM content WHERE sha256 = ?", (sha256,)).fetchone()[0])

    def faces_at(self, path: str) -> list[Face]:
        """The faces of the content seen at `path` in this run, in the analyzer's order."""
        rows = self._database.execute(
            "SELECT x, y, width, height, score, sharpness, landmarks, vector FROM place JOIN face USING (content) "
            "WHERE computer = ? AND path = ? AND run = ? AND analyzer = ? ORDER BY id",
            (self._computer, os.fsencode(path), self._run, self._analyzer),
        )
        return [_face(*row) for row in rows]

    def faces_seen(self) -> Iterator[StoredFaces]:
        """All faces of the contents seen in this run, each content once, some thousands at a time."""
        rows = self._database.execute(
            "SELECT face.content, x, y, width, height, vector FROM face WHERE analyzer = ? AND face.content IN "
            "(SELECT content FROM place WHERE run = ?) ORDER BY face.content, face.id",
            (self._analyzer, self._run),
        )
        while chunk := rows.fetchmany(CHUNK):
            yield StoredFaces(
                np.array([row[0] for row in chunk], np.int64),
                np.array([row[1:5] for row in chunk], np.float32),
                np.frombuffer(b"".join(row[5] for row in chunk), np.float32).reshape(len(chunk), -1),
            )

    def content(self, number: int) -> Content:
        """The content with this row number."""
        row = self._database.execute(
            "SELECT sha256, bytes, width, height, taken FROM content WHERE id = ?", (number,)
        ).fetchone()
        return Content(*row)

    def places_seen(self, number: int) -> list[str]:
        """The paths at which a content was seen in this run, in order."""
        rows = self._database.execute(
            "SELECT path FROM place WHERE run = ? AND content = ? ORDER BY path", (self._run, number)
        )
        return [os.fsdecode(row[0]) for row in rows]

    def problems_seen(self) -> list[tuple[str, str]]:
        """(path, reason) of each file seen in this run that the analyzer could not read."""
        rows = self._database.execute(
            "SELECT path, problem FROM place JOIN analysis USING (content) "
            "WHERE run = ? AND analyzer = ? AND problem IS NOT NULL ORDER BY path",
            (self._run, self._analyzer),
        )
        return [(os.fsdecode(path), problem) for path, problem in rows]


def _face_columns(face: Face) -> tuple[object, ...]:
    return (
        *(float(side) for side in face.box),
        face.score,
        face.sharpness,
        face.landmarks.astype(np.float32).tobytes(),
        face.vector.astype(np.float32).tobytes(),
    )


def _face(
    x: float,
    y: float,
    width: float,
    height: float,
    score: float,
    sharpness: float,
    landmarks: bytes,
    vector: bytes,
) -> Face:
    return Face(
        (x, y, width, height),
        np.frombuffer(landmarks, np.float32).reshape(5, 2),
        score,
        sharpness,
        np.frombuffer(vector, np.float32),
    )
