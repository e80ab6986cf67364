"""The names of the folders and files in the groups folder: made here, and taken apart here."""

import os
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from facefinder.collect import safe_name
from facefinder.review.crops import PART, face_name

NOT_SURE, STRANGERS = "not sure", "strangers"
HELP = "How to use these folders.txt"
# What file managers put into folders on their own.
JUNK = frozenset({"thumbs.db", "desktop.ini", ".ds_store", "ehthumbs.db", ".directory"})
LONGEST_STEM = 60  # characters of a person's or a photo's name in the name of a folder or crop

_COUNT = re.compile(r"\s*\(\d+\)\s*$")
_NUMBER = re.compile(r"^(\d{4,})(?!\d)[\s_-]*")


def is_junk(name: str) -> bool:
    """Whether nobody put this file here. ._NAME is what macOS writes beside each file on a stick."""
    return name.lower() in JUNK or name.startswith("._") or name == PART


class Kind(StrEnum):
    """Where a face is shown: with its person, among those that may be, or with the strangers."""

    SURE = "sure"
    UNSURE = "unsure"
    STRANGER = "stranger"


@dataclass(frozen=True)
class FolderName:
    """A folder's name taken apart: number (None: it has none), and what else it says, without the count."""

    number: int | None
    name: str


def folder_name(person: int, name: str | None, count: int) -> str:
    """`0003 (25)`, or `Mom (25)` once she has a name."""
    return f"{folder_stem(name) if name else number_name(person)} ({count})"


def folder_stem(name: str) -> str:
    """A person's name as every system can have it in a path, and not longer than Windows can bear."""
    return safe_name(name)[:LONGEST_STEM].strip(" .")


def number_name(person: int) -> str:
    """The number that stands for somebody without a name."""
    return f"{person:04}"


def parse_folder(name: str) -> FolderName:
    """The inverse of folder_name(), for whatever a user makes of it: `0003 Mom`, `Mom (25)`, `Mom`."""
    name = _COUNT.sub("", unicodedata.normalize("NFC", name)).strip()
    if found := _NUMBER.match(name):
        return FolderName(int(found[1]), name[found.end() :].strip())
    return FolderName(None, name)


def has_count(name: str) -> bool:
    """Whether a folder's name ends as those that are made here do: `(25)`."""
    return _COUNT.search(name) is not None


def crop_name(order: int, photo: str, face: int) -> str:
    """`012 IMG_1234 ~k3f9.jpg`: order (best first), the photo's own name, identity."""
    stem = os.path.splitext(os.path.basename(photo))[0].replace("~", "-")
    stem = safe_name(stem.encode("utf-8", "replace").decode("utf-8"))[:LONGEST_STEM].strip()
    return f"{order:03} {stem} ~{face_name(face)}.jpg"


def kind_of(path: str) -> Kind:
    """The kind of a crop that lies at `path`, relative to the groups folder, with forward slashes."""
    top = unicodedata.normalize("NFC", path.partition("/")[0]).casefold()
    return {NOT_SURE: Kind.UNSURE, STRANGERS: Kind.STRANGER}.get(top, Kind.SURE)


def person_folder(path: str) -> str | None:
    """The folder that says whose crop it is that lies at `path`; None directly in a folder that says nothing."""
    parts = PurePosixPath(path).parts
    match kind_of(path):
        case Kind.SURE:
            return parts[0] if len(parts) > 1 else None
        case Kind.UNSURE:
            return "/".join(parts[:2]) if len(parts) > 2 else None
    return None
