"""Records of what was installed, and comparing what lies there with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from layout import Layout, megabytes, remove, say

RECORD = "FILES.txt"

# path -> (sha256, bytes)
Record = dict[str, tuple[str, int]]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(path: Path, sha256: str, size: int | None) -> bool:
    """Return whether the file is there and has this size (None: any) and SHA-256."""
    return path.is_file() and size in (None, path.stat().st_size) and sha256_of(path) == sha256


def write_record(folder: Path) -> tuple[int, int]:
    """Write FILES.txt, a line `SHA256 BYTES PATH` for each file there; return their number and bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in files]
    lines = [
        f"{sha256_of(path)} {size} {path.relative_to(folder).as_posix()}\n"
        for path, size in zip(files, sizes, strict=True)
    ]
    (folder / RECORD).write_text("".join(lines), encoding="utf-8")
    return len(files), sum(sizes)


def put_in_place(part: Path, target: Path, layout: Layout) -> None:
    """Write the record of a finished folder, rename it to `target`, replacing what lies there, and say so."""
    old = target.with_name(target.name + ".old")
    files, size = write_record(part)
    remove(old)
    if target.exists():
        target.rename(old)
    part.rename(target)
    remove(old)
    say(f"  installed {files} files, {megabytes(size)}, in {target.relative_to(layout.target).as_posix()}/")


def read_record(folder: Path) -> Record:
    """Return {path: (sha256, bytes)} from a folder's FILES.txt."""
    lines = (folder / RECORD).read_text(encoding="utf-8").splitlines()
    return {path: (sha256, int(size)) for sha256, size, path in (line.split(" ", 2) for line in lines)}


def compare(folder: Path, record: Record, ignored: frozenset[str] = frozenset()) -> list[str]:
    """Return a line for each file that is missing, changed or added; none if all is as recorded.

    `ignored` names paths in the folder that are not in the record and are known to be there.
    """
    problems = []
    for name, (sha256, size) in record.items():
        if not (folder / name).is_file():
            problems.append(f"missing: {folder / name}")
        elif not matches(folder / name, sha256, size):
            problems.append(f"changed: {folder / name}")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    problems += [f"added:   {folder / name}" for name in sorted(there - record.keys() - ignored)]
    return problems
