"""Taking files out of archives, without running anything that they contain."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
from pathlib import Path

from layout import SetupError

# path inside -> bytes
Unpacked = dict[str, bytes]


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


def unpack(archive: Path) -> Unpacked:
    """Return all files of a zip or tar archive, without the one folder that may be around them.

    Links are resolved to what they point at: a stick's file system has none.

    Raises:
        SetupError: it is not there, or cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                files = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
        else:
            with tarfile.open(archive) as packed_tar:
                files = {member.name: packed_tar.extractfile(member).read() for member in tar_files(packed_tar)}  # type: ignore[union-attr]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise SetupError(f"{archive} cannot be read: {error}") from error
    if any(name.startswith("/") or ".." in name.split("/") for name in files):
        raise SetupError(f"{archive} is no honest archive: it has files that would land outside of a folder.")
    tops = {name.partition("/")[0] for name in files}
    around = len(tops) == 1 and all("/" in name for name in files)
    return {name.partition("/")[2] if around else name: data for name, data in files.items()}


def tar_files(packed: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Return an archive's members that are files, or links to a file in it."""
    members = {posixpath.normpath(member.name): member for member in packed.getmembers()}

    def leads_to_file(member: tarfile.TarInfo | None, steps: int = 8) -> bool:
        if member is None or steps == 0:
            return False
        if member.issym():
            target = posixpath.join(posixpath.dirname(member.name), member.linkname)
            return leads_to_file(members.get(posixpath.normpath(target)), steps - 1)
        if member.islnk():
            return leads_to_file(members.get(posixpath.normpath(member.linkname)), steps - 1)
        return member.isfile()

    return [member for member in packed.getmembers() if leads_to_file(member)]
