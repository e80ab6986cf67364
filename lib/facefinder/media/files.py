"""Opening files on somebody else's disk without leaving a mark."""

import os
import re
import sys
from io import BufferedReader

# Linux only: reading with it leaves even the time of last access as it was.
_NO_ACCESS_TIME = getattr(os, "O_NOATIME", 0)


# A folder's limit is 248 characters, and a name is still to be added to it.
_NEEDS_PREFIX = re.compile(r"^.{230}|[^.\\/][ .](\\|$)", re.DOTALL)


def _opener(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | _NO_ACCESS_TIME)
    except PermissionError:
        # Only a file's owner may ask for O_NOATIME.
        return os.open(path, flags)


def open_untouched(path: str) -> BufferedReader:
    """Open a file for reading, its access time untouched where the system allows it. Raises OSError."""
    return open(reachable(path), "rb", opener=_opener)


def reachable(path: str) -> str:
    r"""The path in the spelling in which the system opens it, whatever its length.

    Windows refuses more than 260 characters, and names that end in a space or a dot, unless a path begins with \\?\.
    """
    return extended(path) if sys.platform == "win32" and _NEEDS_PREFIX.search(path) else path


def extended(path: str) -> str:
    r"""C:\photos -> \\?\C:\photos, \\server\share -> \\?\UNC\server\share. The path has to be absolute."""
    if path.startswith("\\\\?\\"):
        return path
    return "\\\\?\\UNC" + path[1:] if path.startswith("\\\\") else "\\\\?\\" + path
