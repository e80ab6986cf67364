"""Taking one file out of a package's archive, without running anything that it contains."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path


class MemberMissing(Exception):
    """The archive has no such file, or is no archive that can be read."""


def read_member(archive: Path, member: str, limit: int) -> bytes:
    """Return the bytes of one file in a wheel, zip or tar archive, at most `limit` + 1 of them.

    The name may leave out the folder at the top of an sdist (`name-1.0/`) or an npm package (`package/`).

    Raises:
        MemberMissing: there is no such file in it, or the archive is broken.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed, packed.open(find(packed.namelist(), member)) as file:
                return file.read(limit + 1)
        with tarfile.open(archive) as packed_tar:
            stream = packed_tar.extractfile(find(packed_tar.getnames(), member))
            if stream is None:
                raise MemberMissing(f"{member} is no file in {archive.name}")
            return stream.read(limit + 1)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise MemberMissing(f"{archive.name} is damaged: {error}") from error


def find(names: list[str], member: str) -> str:
    """Return the archive's own name for a member."""
    for name in names:
        if name == member or name.partition("/")[2] == member:
            return name
    raise MemberMissing(f"{member} is not in the archive")
