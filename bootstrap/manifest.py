"""MANIFEST.sha256 on a stick: a line for each file, in the form that `sha256sum -c` reads; and what differs from it."""

from __future__ import annotations

import os
from pathlib import Path

from layout import SetupError
from record import sha256_of

MANIFEST = "MANIFEST.sha256"
# What the user and the program put there: never checked, never removed.
USERS_OWN = ("refs/", "found/", "demo/found/", "out/")
USERS_FILES = (
    *("face_finder.toml", "report.html", "~face-finder-report.part"),
    *("index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "index.sqlite-journal"),
)
# What macOS leaves in any folder of a stick that it sees.
LEFT_BY_SYSTEMS = ("._", ".DS_Store")

# path on the stick -> SHA-256
Manifest = dict[str, str]


def read_manifest(stick: Path) -> Manifest:
    """Return a stick's manifest; empty where there is none.

    Raises:
        SetupError: it is damaged.
    """
    path = stick / MANIFEST
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    if any(line[64:66] != "  " or len(line) < 67 for line in lines):
        raise SetupError(f"{path} is damaged. Delete it and make the stick again.")
    return {line[66:]: line[:64] for line in lines}


def write_manifest(stick: Path, manifest: Manifest) -> None:
    """Write a stick's manifest, last of all: it says that the stick is complete."""
    part = stick / f"{MANIFEST}.part"
    part.write_text("".join(f"{manifest[name]}  {name}\n" for name in sorted(manifest)), encoding="utf-8", newline="\n")
    os.replace(part, stick / MANIFEST)


def platform_in(name: str) -> str | None:
    """Return the platform that a file on the stick is for; None for all."""
    parts = name.split("/")
    if parts[0] == "python":
        return parts[1]
    if parts[:2] == ["lib", "vendor"]:
        return parts[2].partition("+")[0]
    return None


def compare_with_manifest(stick: Path, manifest: Manifest) -> list[str]:
    """Return a line for each file that is missing, changed or added; the user's own files do not count.

    Looked through are the stick's own folders and the files at its top, not the user's other folders.
    """
    problems = []
    for name, sha256 in manifest.items():
        if not (stick / name).is_file():
            problems.append(f"missing: {stick / name}")
        elif sha256_of(stick / name) != sha256:
            problems.append(f"changed: {stick / name}")
    ours = {name.partition("/")[0] for name in manifest if "/" in name}
    there = [path.name for path in stick.iterdir() if path.is_file()]
    for folder in ours:
        there += [path.relative_to(stick).as_posix() for path in (stick / folder).rglob("*") if path.is_file()]
    problems += [
        f"added:   {stick / name}" for name in sorted(there) if name not in manifest and not is_users_own(name)
    ]
    return problems


def is_users_own(name: str) -> bool:
    """Return whether a path on the stick is the user's or the program's own, or left there by a system."""
    ours = name == MANIFEST or name in USERS_FILES or name.startswith(USERS_OWN)
    return ours or name.rpartition("/")[2].startswith(LEFT_BY_SYSTEMS)
