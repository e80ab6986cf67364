"""The passphrase of an encrypted index: from the environment, or asked at the terminal."""

import getpass
import os
import sys
import unicodedata
from pathlib import Path

from facefinder.errors import IndexFileError, UsageError

VARIABLE = "FACE_FINDER_PASSPHRASE"


def passphrase_of(path: Path, is_new: bool) -> str:
    """The passphrase of the index at `path`; one that is new is asked for twice. Raises UsageError, IndexFileError."""
    given = os.environ.get(VARIABLE, "")
    if not given and not sys.stdin.isatty():
        if is_new:
            raise UsageError(f"--encrypt needs a passphrase, and nobody can be asked here. Put it into {VARIABLE}.")
        raise IndexFileError(
            f"The index {path} is encrypted, damaged, or no index. If it is encrypted, put its passphrase into "
            f"{VARIABLE}, or start at a terminal; or name another place with --index FILE."
        )
    return _spelled(given) if given else _asked(path, is_new)


def _asked(path: Path, is_new: bool) -> str:
    try:
        if not is_new:
            return _spelled(getpass.getpass(f"Passphrase of {path} (it is encrypted): "))
        print(f"{path} is going to be encrypted. Nobody can read it without the passphrase.", file=sys.stderr)
        passphrase = _spelled(getpass.getpass("New passphrase: "))
        if passphrase and _spelled(getpass.getpass("Once more: ")) != passphrase:
            raise UsageError("The two are not the same. Nothing was done; start again.")
        return passphrase
    except EOFError:
        return _spelled("")


def _spelled(passphrase: str) -> str:
    """Systems spell an accent in different ways; the passphrase is to hold on all of them."""
    if not passphrase or "\0" in passphrase:
        raise UsageError("The passphrase is empty, or holds what no keyboard types. Nothing was done; start again.")
    return unicodedata.normalize("NFC", passphrase)
