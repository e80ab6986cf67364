"""The index's file -> an open database, plain or encrypted, of this version; its failures in words.

The encrypted one is SQLCipher: SQLite of which each page, of the journal too, is encrypted with AES-256.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from facefinder.errors import IndexFileError, IndexInUse, UnreadableIndex
from facefinder.storage.schema import ADDITIONS, APPLICATION, SCHEMA, VERSION

LOCK_SECONDS = 5.0  # how long to wait for another run that is about to end
HEAD = (
    b"SQLite format 3\0"  # of a file that is not encrypted; an encrypted one looks like chance from its first byte on
)

_MOVE_AWAY = "Move it away (the photos are then analysed again), or name another place with --index FILE."


def is_plain(path: Path) -> bool:
    """Whether the file at `path` is a database that is not encrypted."""
    try:
        with path.open("rb") as file:
            return file.read(len(HEAD)) == HEAD
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Whether a file with something in it lies at `path`; SQLite makes an empty one into whatever is wanted."""
    return path.is_file() and path.stat().st_size > 0


def part_of(path: Path) -> Path:
    """Where the file is written that is to take the place of the index at `path`."""
    return path.with_name(f"{path.name}.part")


def work_of(part: Path) -> Path:
    """Where that file is made ready."""
    return part.with_name(f"{part.name}-work")


def with_journal(path: Path) -> list[Path]:
    """A database's file, and the journal that may lie beside it."""
    return [path, path.with_name(f"{path.name}-journal")]


def left_behind(path: Path) -> list[Path]:
    """What a killed run may have left beside the index at `path`; it holds the same."""
    part = part_of(path)
    return [*with_journal(part), *with_journal(work_of(part))]


def sweep(path: Path) -> None:
    """Remove what a killed run left beside the index at `path`, which this run has open."""
    with suppress(OSError):  # on a write-protected stick there is nothing to be done
        for left in left_behind(path):
            left.unlink(missing_ok=True)


def encrypt(path: Path, passphrase: str) -> None:
    """Put an encrypted index in the place of the plain one at `path`. It needs as much room again.

    Raises IndexFileError; the plain one is then as it was.
    """
    Database(path).close()  # it is ours, whole, and of this version
    part = part_of(path)
    sqlcipher = _sqlcipher()
    try:
        sweep(path)
        with closing(sqlcipher.connect(path, isolation_level=None, timeout=LOCK_SECONDS)) as plain:
            for statement in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"):
                plain.execute(statement)
            plain.execute("ATTACH ? AS encrypted KEY ?", (os.fspath(part), passphrase))
            plain.execute("SELECT sqlcipher_export('encrypted')")
            plain.execute(f"PRAGMA encrypted.application_id = {APPLICATION}")
            plain.execute(f"PRAGMA encrypted.user_version = {VERSION}")
            plain.execute("DETACH encrypted")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except (sqlcipher.Error, OSError) as error:
        sweep(path)
        raise IndexFileError(
            f"The index {path} could not be encrypted, and is as it was: {error}. That needs as much room again; is "
            "the stick full?"
        ) from error


def _sqlcipher() -> Any:
    from sqlcipher3 import dbapi2  # only here: most have no need of it

    return dbapi2


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Database:
    """An open file with the tables of schema.py. One process at a time has it; IndexFileError when the file fails."""

    def __init__(self, path: Path | None, passphrase: str | None = None):
        """Open or create what lies at `path` (None: in memory, forgotten afterwards)."""
        self._path = path
        self._passphrase = passphrase
        library = _sqlcipher() if passphrase else sqlite3
        self._error: type[Exception] = library.Error
        try:
            # The threads of the review page take turns.
            self._connection = library.connect(
                path or ":memory:", isolation_level=None, timeout=LOCK_SECONDS, check_same_thread=False
            )
        except self._error as error:
            raise self._failure(error) from error
        try:
            if passphrase:
                self.rows("PRAGMA cipher_log_level = NONE")  # it writes straight to the terminal
                self.rows(f"PRAGMA key = {_quoted(passphrase)}")
            self._prepare()
        except IndexFileError:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        # SQLite's own lock, from here to the end: it goes with the process, however that ends, and with a stick that is
        # pulled out. Taken before the mode is set, because somebody who waits in that mode lets go of nothing.
        self.rows("BEGIN EXCLUSIVE")
        self.rows("PRAGMA locking_mode = EXCLUSIVE")
        [(application,)], [(version,)] = self.rows("PRAGMA application_id"), self.rows("PRAGMA user_version")
        is_new = not self.rows("SELECT 1 FROM sqlite_master LIMIT 1")
        if not is_new and application != APPLICATION:
            raise IndexFileError(f"{self._path} is another program's file. Name another place with --index FILE.")
        if not is_new and not 1 <= version <= VERSION:
            raise UnreadableIndex(
                f"The index {self._path} was written by another version of this program. {_MOVE_AWAY}"
            )
        self.rows("COMMIT")
        # A rollback journal in one file beside the index works on FAT and exFAT, where WAL's shared memory may not,
        # and FULL waits for the stick: a commit that returned survives pulling it out.
        self.rows("PRAGMA journal_mode = TRUNCATE")
        self.rows("PRAGMA synchronous = FULL")
        # On macOS a plain sync ends in the stick's own cache.
        self.rows("PRAGMA fullfsync = ON")
        # Not in files among the temporary ones of the searched computer.
        self.rows("PRAGMA temp_store = MEMORY")
        if is_new or version < VERSION:
            additions = [ADDITIONS[later] for later in range(max(version, 1) + 1, VERSION + 1)]
            marks = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
            script = "\n".join([SCHEMA if is_new else "", *additions, marks])
            try:
                self._connection.executescript(f"BEGIN; {script} COMMIT;")
            except self._error as error:
                raise self._failure(error) from error

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Run one SQL statement. Raises IndexFileError."""
        try:
            return list(self._connection.execute(statement, values))
        except self._error as error:
            raise self._failure(error) from error

    def chunks(self, statement: str, values: tuple[object, ...], size: int) -> Iterator[list[Any]]:
        """The rows of one SQL statement, up to `size` at a time. Raises IndexFileError."""
        try:
            rows = self._connection.execute(statement, values)
            while chunk := rows.fetchmany(size):
                yield chunk
        except self._error as error:
            raise self._failure(error) from error

    @property
    def passphrase(self) -> str | None:
        """Of an encrypted file."""
        return self._passphrase

    def copy_to(self, path: Path) -> None:
        """Write all that is committed into a new file, encrypted as this one is."""
        self.rows("COMMIT")
        try:
            self.rows("VACUUM INTO ?", (os.fspath(path),))
        finally:
            self.rows("BEGIN")

    def close(self, keep: bool = True) -> None:
        """Commit, or take back what was not committed, and close. Raises IndexFileError."""
        try:
            if keep:
                self._connection.commit()
            else:
                self._connection.rollback()
        except self._error as error:
            raise self._failure(error) from error
        finally:
            self._connection.close()

    def _failure(self, error: Exception) -> IndexFileError:
        reason = getattr(error, "sqlite_errorcode", 0) & 0xFF  # above it stand the details
        if reason == sqlite3.SQLITE_NOTADB and self._passphrase:
            return UnreadableIndex(
                f"The passphrase is not that of the index {self._path}, or the file is damaged. Try again; without the "
                f"passphrase nobody can read it. {_MOVE_AWAY}"
            )
        if reason in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return UnreadableIndex(f"The index {self._path} is damaged, or is no index ({error}). {_MOVE_AWAY}")
        if reason == sqlite3.SQLITE_BUSY:
            return IndexInUse(
                f"The index {self._path} is in use: is this program running twice, or its page still open in a "
                "browser? Wait until the other one is done, or name another index with --index FILE."
            )
        return IndexFileError(
            f"The index {self._path} cannot be used: {error}. Is the stick full, write-protected or pulled out? "
            "Name another place with --index FILE, or go without one with --no-index."
        )
