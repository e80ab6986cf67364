"""What is passed over on a disk, and why: the rules of the walk.

They go by what lies on the disk and not by the system that runs: an old Windows disk is often searched from Linux.
"""

import fnmatch
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from facefinder.media.files import reachable

EXAMPLES = 200  # paths remembered for each reason; a cloud folder may have a million


class Reason(StrEnum):
    """Why a file or folder is passed over."""

    CLOUD = "only in the cloud"
    TRASH = "recycle bin"
    CACHE = "thumbnails or cache"
    SYSTEM = "system or program"
    LINK = "link"
    ARCHIVE = "ZIP archive"
    PASSWORD = "needs a password"
    EXCLUDED = "excluded"
    PSEUDO = "not on a disk"
    OWN = "the program's own"


@dataclass(frozen=True)
class Rules:
    """What the user wants of the walk. never: folders not to search, wherever they turn up (the stick, the copies).

    exclude: patterns; one with a slash goes by the end of the path, one without by the name of a file or folder.
    include_system: search recycle bins, caches, system and program folders as well. archives: look into ZIP files.
    """

    never: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    include_system: bool = False
    follow_links: bool = False
    archives: bool = False


@dataclass
class NotSearched:
    """What was passed over: reason -> how many files and folders, and the first EXAMPLES of their paths."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, reason: Reason) -> None:
        """Count one file or folder."""
        self.counts[reason.value] = self.counts.get(reason.value, 0) + 1
        examples = self.examples.setdefault(reason.value, [])
        if len(examples) < EXAMPLES:
            examples.append(path)


# Folders that hold programs, caches or deleted files: pictures in them are icons, thumbnails and rubbish.
_NAMES = {
    name: reason
    for reason, names in {
        # Windows of all ages, macOS, digiKam, Synology, QNAP. (Linux: see _reason_by_form and _SIGNS.)
        Reason.TRASH: "$recycle.bin;recycler;recycled;.trash;.trashes;.dtrash;#recycle;@recycle",
        # Browsers keep pictures in files without a suffix, Synology and QNAP small ones beside each photo.
        Reason.CACHE: ".cache;.thumbnails;@eadir;.@__thumb;.appledouble;inetcache;temporary internet files;cache_data;"
        "cache2;code cache;gpucache",
        Reason.SYSTEM: "program files;program files (x86);programdata;windowsapps;msocache;perflogs;"
        "system volume information;$windows.~bt;$windows.~ws;$winreagent;$sysreset;.spotlight-v100;.fseventsd;"
        ".documentrevisions-v100;.temporaryitems;.snapshot;.snapshots;.zfs;.git;.svn;.hg;node_modules;__pycache__;"
        "site-packages;.venv;.tox",
    }.items()
    for name in names.split(";")
}

# Names that a photo folder may have too: a folder is a system's only if that other folder lies in it.
_SIGNS = {
    "windows": ("system32", Reason.SYSTEM),
    "usr": ("bin", Reason.SYSTEM),
    "boot": ("grub", Reason.SYSTEM),
    "flatpak": ("repo", Reason.SYSTEM),
    "system": ("library", Reason.SYSTEM),
    "library": ("launchdaemons", Reason.SYSTEM),
    "trash": ("info", Reason.TRASH),
}
# Such a folder counts only in that one: (its name, that of the folder above).
_BELOW = {("caches", "library"): Reason.CACHE, ("temp", "local"): Reason.CACHE}


def skipped_folder(path: str, name: str) -> Reason | None:
    """Why a folder of this name is passed over, as long as the user does not want system folders too."""
    name = name.lower()
    if reason := _NAMES.get(name):
        return reason
    if name.startswith(".trash-"):  # on other disks Linux calls its trash .Trash-1000, after the user's number
        return Reason.TRASH
    if name.endswith(".lrdata"):  # Lightroom's previews
        return Reason.CACHE
    if name.endswith(".app"):
        return Reason.SYSTEM if _holds(path, "contents") else None
    sign, reason = _SIGNS.get(name, ("", None))
    if reason and _holds(path, sign):
        return reason
    if name in ("caches", "temp"):
        return _BELOW.get((name, os.path.basename(os.path.dirname(path)).lower()))
    return None


def _holds(folder: str, name: str) -> bool:
    with os.scandir(reachable(folder)) as listing:
        return any(entry.name.lower() == name for entry in listing)


def excluder(patterns: Sequence[str]) -> Callable[[str, str], bool]:
    """(path, name) -> whether one of the patterns means it. Capitals matter where the system tells them apart."""
    if not patterns:
        return lambda path, name: False
    plain = [pattern.replace("\\", "/").rstrip("/") if os.sep == "\\" else pattern.rstrip("/") for pattern in patterns]
    flags = re.IGNORECASE if sys.platform in ("win32", "darwin") else 0
    names = _any_of([pattern for pattern in plain if "/" not in pattern], flags)
    paths = [pattern for pattern in plain if "/" in pattern]
    ends = _any_of([pattern if os.path.isabs(pattern) else f"*/{pattern}" for pattern in paths], flags)

    def is_excluded(path: str, name: str) -> bool:
        return bool(names.match(name) or (paths and ends.match(path.replace(os.sep, "/"))))

    return is_excluded


def _any_of(patterns: Sequence[str], flags: int) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)", flags)


# FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN and _RECALL_ON_DATA_ACCESS: opening such a file would download it.
_CLOUD_FILE = 0x1000 | 0x40000 | 0x400000
# _RECALL_ON_OPEN: nothing of the folder is on this disk, not even its list of files.
_CLOUD_FOLDER = 0x40000
_DATALESS = 0x40000000  # SF_DATALESS of macOS, of files and folders
_STANDS_FOR_ANOTHER = 0x20000000  # the bit that links and junctions have in their tag, and cloud files have not


def is_cloud_file(status: os.stat_result) -> bool:
    """Whether a file's bytes are not on this disk."""
    attributes, flags = getattr(status, "st_file_attributes", 0), getattr(status, "st_flags", 0)
    return bool(attributes & _CLOUD_FILE or flags & _DATALESS)


def is_cloud_folder(status: os.stat_result) -> bool:
    """Whether a folder's list of files is not on this disk."""
    attributes, flags = getattr(status, "st_file_attributes", 0), getattr(status, "st_flags", 0)
    return bool(attributes & _CLOUD_FOLDER or flags & _DATALESS)


def is_cloud_stub(name: str) -> bool:
    """Whether this is a small file that older versions of macOS put in the place of one that is in the cloud."""
    return name.startswith(".") and name.endswith(".icloud")


def is_junction(path: str, status: os.stat_result) -> bool:
    """Whether what looks like a folder is Windows' link to another one. A disk mounted in a folder is none."""
    if not getattr(status, "st_reparse_tag", 0) & _STANDS_FOR_ANOTHER:
        return False
    return not os.readlink(path).startswith("\\\\?\\Volume{")
