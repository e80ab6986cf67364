"""The index: one SQLite file that remembers every picture ever analysed, by content. Its tables: storage/schema.py."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import IndexFileError
from facefinder.faces.analyzer import Face
from facefinder.media.walk import FoundFile
from facefinder.storage.database import Database, with_journal, work_of

COMMIT_SECONDS = 2.0  # what a pulled stick can cost
CHUNK = 4096  # faces read at once


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
    """N faces read from the index: ids, contents (N,) int64 row numbers, boxes (N, 4), vectors (N, D) float32.

    times: (N, 3) moment, seen from, seen until, as in Face; NaN where there is none.
    """

    ids: NDArray[np.int64]
    contents: NDArray[np.int64]
    boxes: NDArray[np.float32]
    vectors: NDArray[np.float32]
    times: NDArray[np.float32]


class Index:
    """The open index. One process at a time has it; every method raises IndexFileError when the file fails."""

    def __init__(self, path: Path | None, analyzer: str | None, computer: str, passphrase: str | None = None):
        """Open or create the index at `path` (None: in memory, forgotten afterwards).

        analyzer: the key of the models and settings whose rows are read and written; None for one that use() names.
        computer: its name. passphrase: of an encrypted index.
        """
        self._computer = computer
        self._database = Database(path, passphrase)
        self._analyzer = 0
        try:
            self.rows("BEGIN")
            if analyzer is not None:
                self.rows("INSERT OR IGNORE INTO analyzer (key) VALUES (?)", (analyzer,))
                [(self._analyzer,)] = self.rows("SELECT id FROM analyzer WHERE key = ?", (analyzer,))
            self.begin_run()
        except IndexFileError:
            with suppress(IndexFileError):
                self._database.close()
            raise
        self._committed = time.monotonic()

    @property
    def analyzer(self) -> int:
        """The row number of the analyzer whose faces are read and written."""
        return int(self._analyzer)

    def analyzers(self) -> dict[int, str]:
        """Row number -> key, of all that ever wrote in here."""
        return dict(self.rows("SELECT id, key FROM analyzer"))

    def use(self, analyzer: int) -> None:
        """Read and write the faces of the analyzer with this row number."""
        self._analyzer = analyzer

    @property
    def computer(self) -> str:
        """This computer's name."""
        return self._computer

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Run one SQL statement, for the rooms that keep tables of their own in this file. Raises IndexFileError."""
        return self._database.rows(statement, values)

    def rewritten(self, path: Path, change: Callable[["Index"], None]) -> None:
        """Write a copy into `path`, changed, without a trace of what it was before. It needs twice as much room."""
        work = work_of(path)
        self.commit()
        self._database.copy_to(work)
        with Index(work, None, self._computer, self._database.passphrase) as copy:
            change(copy)
            copy.commit()
            # Once more, for what was deleted in the first copy is still in its free places.
            copy._database.copy_to(path)
        for left in with_journal(work):
            left.unlink(missing_ok=True)
        with path.open("rb+") as file:
            os.fsync(file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep what was written; where a run ends early, all up to the last commit, as if it had been killed."""
        with suppress(IndexFileError) if error else nullcontext():
            self._database.close(keep=not error)

    def begin_run(self) -> None:
        """From here on "seen in this run" means: seen after this call."""
        run = (self._computer, time.time())
        self._seen, self._searching = "run", False
        [(self._run,)] = self.rows("INSERT INTO run (computer, started) VALUES (?, ?) RETURNING id", run)

    def begin_search(self) -> None:
        """Begin a run that back_to_last_search() finds again."""
        self.begin_run()
        self._searching = True
        self.rows("INSERT INTO search VALUES (?)", (self._run,))

    def back_to_last_search(self) -> bool:
        """From here on "seen in this run" means: seen in the last search on this computer. False: there is none.

        Whatever other runs have seen since.
        """
        search = "SELECT max(run) FROM search JOIN run ON run.id = run WHERE computer = ?"
        [(run,)] = self.rows(search, (self._computer,))
        if run is not None:
            self._run, self._seen = run, "search"
        return run is not None

    def see_again(self, file: FoundFile) -> bool:
        """Whether this file lies where it lay, unchanged and analysed; if so it counts as seen in this run."""
        path = os.fsencode(file.path)
        found = self.rows(
            "SELECT 1 FROM place JOIN analysis USING (content) "
            "WHERE computer = ? AND path = ? AND bytes = ? AND modified_ns = ? AND analyzer = ?",
            (self._computer, path, file.bytes, file.modified_ns, self._analyzer),
        )
        if found:
            seen = (self._run, self._searching, self._computer, path)
            update = "UPDATE place SET run = ?1, search = iif(?2, ?1, search) WHERE computer = ?3 AND path = ?4"
            self.rows(update, seen)
        return bool(found)

    def analysed_of_size(self, size: int) -> frozenset[bytes]:
        """The SHA-256 of every analysed content of `size` bytes: a file can only be a copy of one of these."""
        rows = self.rows(
            "SELECT sha256 FROM content JOIN analysis ON content = content.id WHERE bytes = ? AND analyzer = ?",
            (size, self._analyzer),
        )
        return frozenset(sha256 for (sha256,) in rows)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Keep all that is written within, or nothing where it is broken off; commits when it is time."""
        self.rows("SAVEPOINT whole")
        try:
            yield
        except BaseException:
            with suppress(IndexFileError):  # after some failures SQLite has taken back everything by itself
                self.rows("ROLLBACK TO whole")
            raise
        self.rows("RELEASE whole")
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self.commit()

    def add_analysis(self, content: Content, faces: Sequence[Face], problem: str | None) -> None:
        """Store what the analyzer made of a content."""
        # Another analyzer may have opened what an earlier one could not.
        [(number,)] = self.rows(
            "INSERT INTO content (sha256, bytes, width, height, taken) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (sha256) DO UPDATE SET width = coalesce(excluded.width, width), "
            "height = coalesce(excluded.height, height), taken = coalesce(excluded.taken, taken) RETURNING id",
            (content.sha256, content.bytes, content.width, content.height, content.taken),
        )
        is_new = self.rows(
            "INSERT OR IGNORE INTO analysis VALUES (?, ?, ?) RETURNING 1", (number, self._analyzer, problem)
        )
        for face in faces if is_new else []:
            self.rows(
                "INSERT INTO face "
                "(content, analyzer, x, y, width, height, score, sharpness, landmarks, vector, moment, seen_from, "
                "seen_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (number, self._analyzer, *_face_columns(face)),
            )

    def add_place(self, file: FoundFile, sha256: bytes) -> None:
        """Store that a content was seen at a path in this run."""
        search = self._run if self._searching else None
        self.rows(
            "INSERT INTO place (computer, path, bytes, modified_ns, content, run, search) "
            "SELECT ?, ?, ?, ?, id, ?, ? FROM content WHERE sha256 = ? ON CONFLICT (computer, path) DO UPDATE SET "
            "bytes = excluded.bytes, modified_ns = excluded.modified_ns, run = excluded.run, "
            "content = excluded.content, "
            "search = coalesce(excluded.search, iif(content = excluded.content, search, NULL))",
            (self._computer, os.fsencode(file.path), file.bytes, file.modified_ns, self._run, search, sha256),
        )

    def commit(self) -> None:
        """Make everything so far survive a crash."""
        self.rows("COMMIT")
        self.rows("BEGIN")
        self._committed = time.monotonic()

    def faces_at(self, path: str) -> list[Face]:
        """The faces of the content seen at `path` in this run, in the analyzer's order."""
        here = (self._computer, os.fsencode(path), self._run)
        rows = self.rows(f"SELECT content FROM place WHERE computer = ? AND path = ? AND {self._seen} = ?", here)
        return [face for (content,) in rows for face in self.faces_of(content)]

    def faces_of(self, content: int) -> list[Face]:
        """The faces of a content, in the analyzer's order."""
        rows = self.rows(
            "SELECT x, y, width, height, score, sharpness, landmarks, vector, moment, seen_from, seen_until "
            "FROM face WHERE content = ? AND analyzer = ? ORDER BY id",
            (content, self._analyzer),
        )
        return [_face(*row) for row in rows]

    def faces_seen(self) -> Iterator[StoredFaces]:
        """All faces of the contents seen in this run, each content once, some thousands at a time."""
        chunks = self._database.chunks(
            "SELECT face.id, face.content, x, y, width, height, vector, moment, seen_from, seen_until FROM face "
            "WHERE analyzer = ? AND face.content IN "
            f"(SELECT content FROM place WHERE {self._seen} = ?) ORDER BY face.content, face.id",
            (self._analyzer, self._run),
            CHUNK,
        )
        for chunk in chunks:
            yield StoredFaces(
                np.array([row[0] for row in chunk], np.int64),
                np.array([row[1] for row in chunk], np.int64),
                np.array([row[2:6] for row in chunk], np.float32),
                np.frombuffer(b"".join(row[6] for row in chunk), np.float32).reshape(len(chunk), -1),
                np.array([row[7:] for row in chunk], np.float32),
            )

    def content(self, number: int) -> Content:
        """The content with this row number."""
        [row] = self.rows("SELECT sha256, bytes, width, height, taken FROM content WHERE id = ?", (number,))
        return Content(*row)

    def places_seen(self, number: int) -> list[str]:
        """The paths at which a content was seen in this run, in order."""
        seen = f"SELECT path FROM place WHERE {self._seen} = ? AND content = ? ORDER BY path"
        rows = self.rows(seen, (self._run, number))
        return [os.fsdecode(path) for (path,) in rows]

    def modified_ns(self, number: int) -> int | None:
        """When a content's file was changed last, nanoseconds since 1970; of several the earliest: copies are later.

        None if it lies nowhere on this computer.
        """
        here = (self._computer, number)
        [(modified,)] = self.rows("SELECT min(modified_ns) FROM place WHERE computer = ? AND content = ?", here)
        return None if modified is None else int(modified)

    def problems_seen(self) -> list[tuple[str, str]]:
        """(path, reason) of each file seen in this run that the analyzer could not read."""
        rows = self.rows(
            "SELECT path, problem FROM place JOIN analysis USING (content) "
            f"WHERE {self._seen} = ? AND analyzer = ? AND problem IS NOT NULL ORDER BY path",
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
        face.moment,
        *(face.seen or (None, None)),
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
    moment: float | None,
    seen_from: float | None,
    seen_until: float | None,
) -> Face:
    return Face(
        (x, y, width, height),
        np.frombuffer(landmarks, np.float32).reshape(5, 2),
        score,
        sharpness,
        np.frombuffer(vector, np.float32),
        moment,
        None if seen_from is None or seen_until is None else (seen_from, seen_until),
    )
