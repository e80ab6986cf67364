"""Photos inside ZIP archives, read into memory: nothing is unpacked to a disk.

Everywhere else such a photo is a file like any other, with a path that goes on behind the archive's:
`Backup/phone.zip/DCIM/IMG_1.jpg`.
"""

import errno
import io
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache

from facefinder.media.files import open_untouched, reachable
from facefinder.media.kinds import SUFFIXES, Kind, suffix_of

MOST_BYTES = 1 << 28  # of a file out of an archive, for it is held in memory
MOST_LISTED = 1 << 23  # bytes of an archive's list of files: some 80,000 files, and 50 MB when it is read
# A picture packed smaller than this is none, but made to fill a disk (a bomb). Only large ones do harm.
MOST_PACKED, HARMLESS = 100, 1 << 24
BLOCK = 1 << 20

DAMAGED = "the archive is damaged, or is packed in a way that is not read here"
TOO_LARGE = "too large to be read out of an archive"
BOMB = "unpacks to far more than a photo can hold"
LEADS_OUT = "has a name that leads out of the archive"


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. path: with the archive's in front. bytes: unpacked. problem: why it cannot be read."""

    path: str
    bytes: int
    has_password: bool
    problem: str | None


class _Unpacked(io.BytesIO):
    """A file out of an archive. modified: its time of change, seconds."""

    def __init__(self, modified: float):
        super().__init__()
        self.modified = modified


class _Wary(io.BufferedReader):
    """A file of which nothing very large is read at once: an archive's list may claim any size."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MOST_LISTED:
            raise zipfile.BadZipFile("more files than anybody lists")
        return super().read(MOST_LISTED if size is None or size < 0 else size)


def is_archive(path: str) -> bool:
    """Whether a file is an archive that can be looked into, by its name."""
    return suffix_of(path) in SUFFIXES[Kind.ARCHIVE]


def members(archive: str) -> Iterator[Member]:
    """The files in an archive, in its order. Raises OSError."""
    opened = _open_archive(archive)
    for info in {info.filename: info for info in opened.infolist() if not info.is_dir()}.values():
        problem = None
        if info.filename.startswith("/") or ".." in info.filename.replace("\\", "/").split("/"):
            problem = LEADS_OUT
        elif info.file_size > MOST_BYTES:
            problem = TOO_LARGE
        elif info.file_size > HARMLESS and info.file_size > MOST_PACKED * info.compress_size:
            problem = BOMB
        yield Member(f"{archive}/{info.filename}", info.file_size, bool(info.flag_bits & 1), problem)


def open_found(path: str) -> io.BufferedReader | _Unpacked:
    """Open a file, or one in an archive, as open_untouched() does. Raises OSError."""
    try:
        return open_untouched(path)
    except (NotADirectoryError, FileNotFoundError):
        archive = archive_of(path)
        if archive is None:
            raise
    opened = _open_archive(archive)
    with _problems_told():
        info = opened.getinfo(path[len(archive) + 1 :])
        if info.file_size > MOST_BYTES:
            raise OSError(errno.EFBIG, TOO_LARGE)
        unpacked = _Unpacked(_modified(info))
        with opened.open(info) as packed:
            shutil.copyfileobj(packed, unpacked, BLOCK)
    unpacked.seek(0)
    return unpacked


def times_of(opened: io.BufferedReader | _Unpacked) -> tuple[int, int]:
    """Times of last access and change of what open_found() opened, nanoseconds."""
    if isinstance(opened, _Unpacked):
        return round(opened.modified * 1e9), round(opened.modified * 1e9)
    status = os.fstat(opened.fileno())
    return status.st_atime_ns, status.st_mtime_ns


def bytes_at(path: str) -> int | None:
    """The size of a file, or of one in an archive; None if it is not there."""
    try:
        if (archive := archive_of(path)) is None:
            return os.stat(reachable(path)).st_size if os.path.isfile(reachable(path)) else None
        with suppress(KeyError):
            return _open_archive(archive).getinfo(path[len(archive) + 1 :]).file_size
    except OSError:
        pass
    return None


def archive_of(path: str) -> str | None:
    """The archive in which a path leads."""
    while (above := os.path.dirname(path)) != path:
        path = above
        if is_archive(path) and os.path.isfile(reachable(path)):
            return path
    return None


def _open_archive(path: str) -> zipfile.ZipFile:
    status = os.stat(reachable(path))
    with _problems_told():
        return _opened(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path: str, size: int, modified_ns: int) -> zipfile.ZipFile:
    """Kept open: the list of a large archive takes longer to read than a photo."""
    opened = zipfile.ZipFile(_Wary(open_untouched(path).detach()))
    if sum(info.compress_size for info in opened.infolist()) > size:
        raise zipfile.BadZipFile("files that lie on top of each other")
    return opened


@contextmanager
def _problems_told() -> Iterator[None]:
    try:
        yield
    except (OSError, MemoryError):
        raise
    except KeyError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except Exception as error:  # on hostile archives zipfile and the decompressors raise almost anything
        raise OSError(errno.EIO, DAMAGED) from error


def _modified(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return 0.0
