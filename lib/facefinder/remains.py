"""Somebody, a computer or everybody -> what else on the stick tells of them, and is the user's own."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from facefinder.collect import read_manifest, safe_name
from facefinder.errors import DestinationError
from facefinder.media.kinds import Kind, kind_of_name
from facefinder.media.packets import sidecar_of
from facefinder.review.word import same_name
from facefinder.settings import Settings

MOST_NAMED = 20  # copies of others' that show a person too


def destinations(home: Path) -> dict[Path, list[dict[str, str]]]:
    """Each folder on the stick into which photos were copied (`found`, `found/COMPUTER`, `demo/found`, and others),
    with the rows of its manifest.
    """
    manifests = {path for pattern in ("*", "*/*", "*/*/*") for path in home.glob(f"{pattern}/manifest.json")}
    rows = {path.parent: _rows_of(path.parent) for path in sorted(manifests)}
    return {folder: own for folder, own in rows.items() if own}


def remains_of_everybody(settings: Settings) -> list[str]:
    """Reference photos, and all copies."""
    found = [*_reference_folders(settings.refs), *destinations(settings.home)]
    return list(dict.fromkeys(map(os.path.abspath, found)))


def remains_of_computers(settings: Settings, computers: Sequence[str]) -> list[str]:
    """The copies that a double-click made there."""
    return [str(folder) for folder in _folders(settings.home / "found") if folder.name in computers]


def remains_of_people(settings: Settings, names: Collection[str], photos: Collection[str]) -> list[str]:
    """Reference photos, copies, and files that name them. photos: SHA-256 of those that show them, hex."""

    def is_one(name: str) -> bool:
        return any(same_name(name, each) or same_name(name, safe_name(each)) for each in names)

    refs = dict.fromkeys([settings.refs, settings.home / "refs", settings.home / "demo" / "refs"])
    found = [folder for place in refs for folder in _folders(place) if is_one(folder.name)]
    found += [settings.refs] if is_one(settings.refs.name) and settings.refs.is_dir() else []
    for destination, rows in destinations(settings.home).items():
        shown = {row["sha256"] for row in rows if is_one(row["person"])} | set(photos)
        found += [folder for folder in _folders(destination) if is_one(folder.name)]
        others = {destination / row["copy"] for row in rows if row["sha256"] in shown and not is_one(row["person"])}
        others |= {Path(sidecar_of(str(copy))) for copy in others}
        there = sorted(path for path in others if path.is_file())
        found += there[:MOST_NAMED] + ([destination] if len(there) > MOST_NAMED else [])
        if any(row["sha256"] in shown for row in rows):
            found += [destination / f"manifest.{kind}" for kind in ("csv", "json")]
    settings_file = settings.home / "face_finder.toml"
    if settings_file.is_file() and _mentions(settings_file, names):
        found.append(settings_file)
    return list(dict.fromkeys(map(os.path.abspath, found)))


def _reference_folders(refs: Path) -> list[Path]:
    """The folders of people, and refs itself if photos lie in it."""
    loose = [path for path in refs.iterdir() if kind_of_name(str(path)) is Kind.PHOTO] if refs.is_dir() else []
    return _folders(refs) + ([refs] if loose else [])


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _rows_of(destination: Path) -> list[dict[str, str]]:
    """The rows of a manifest of ours; none of another program's."""
    try:
        return list(read_manifest(destination).values())
    except DestinationError:
        return []


def _mentions(file: Path, names: Collection[str]) -> bool:
    try:
        text = os.fsdecode(file.read_bytes()).casefold()
    except OSError:
        return False
    return any(name.casefold() in text for name in names)
