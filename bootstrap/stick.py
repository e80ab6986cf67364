"""A stick: what belongs on it, whether it has the room, and bringing it up to date file by file.

Everything is made ready in the cache first (`stage`), on a fast disk, and only then copied. So a copy that is
broken off, or a full stick, never costs more than the rest of the copying.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from layout import Layout, SetupError, megabytes, remove, say
from manifest import MANIFEST, platform_in, read_manifest, write_manifest
from record import sha256_of
from slim import compile_all
from weights import read_catalogue

# Of the checkout, what travels besides lib/facefinder; folders with everything in them.
PROGRAM = (
    "face_finder.py",
    "run.sh",
    "run.bat",
    "README.md",
    "LICENSE",
    "bootstrap",
    "models/models.json",
    "models/README.md",
    "models/licences",
    "refs/README.md",
)
# What decides how packages and interpreters are made ready, besides their locks.
RECIPE = ("slim.py", "packages.py", "interpreters.py", "interpreters.json")
LONGEST_PATH = 140
LIMIT_BYTES, LIMIT_FILES = 540_000_000, 4000
# A file takes whole clusters; exFAT's are of 32 kB up to 32 GB and 128 kB above.
CLUSTER = 32 << 10

# path on the stick -> where it lies now
Plan = dict[str, Path]


def open_stage(layout: Layout) -> Layout:
    """Return the layout of the stage: as the stick will be, for all platforms ever built, in the cache.

    What was made there in another way than now is thrown away.
    """
    stage = replace(layout, target=layout.cache / "stage")
    locks = " ".join(sorted(path.name for path in layout.lock("default").parent.glob("*.txt")))
    recipe = " ".join([locks, *(sha256_of(layout.source / "bootstrap" / name) for name in RECIPE)])
    mark = stage.target / ".recipe"
    if not mark.is_file() or mark.read_text(encoding="utf-8") != recipe:
        remove(stage.target)
        stage.target.mkdir(parents=True)
        mark.write_text(recipe, encoding="utf-8")
    return stage


def stage_program(stage: Layout) -> None:
    """Copy the program of the checkout into the stage and compile it."""
    target = stage.target / "lib" / "facefinder"
    remove(target)
    shutil.copytree(stage.source / "lib" / "facefinder", target, ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(target, Path("lib/facefinder"))


def stick_packs(to: Path) -> set[str]:
    """Return the packs that bring packages and are on the stick: these are kept up to date."""
    vendored = [name.split("/")[2] for name in read_manifest(to) if name.startswith("lib/vendor/")]
    return {name.partition("+")[2] for name in vendored if "+" in name}


def plan(stages: Sequence[Layout], packs: Iterable[str], *, demo: bool) -> Plan:
    """Return all files of a stick for the platforms of the stages, with these packs."""
    first = stages[0]
    packs = list(packs)
    files = files_below(first.target, ["lib/facefinder"])
    files |= {name: path for name, path in files_below(first.source, PROGRAM).items() if "__pycache__" not in name}
    models = [name for pack in packs for name in read_catalogue(first)["packs"].get(pack, ())]
    files |= files_below(first.target, [f"models/{name}" for name in [*models, ".complete"]])
    if demo:
        files |= files_below(first.target, ["demo/album", "demo/refs", "demo/.complete"])
    for stage in stages:
        folders = [stage.interpreter, *(stage.vendor(pack) for pack in packs)]
        files |= files_below(stage.target, [folder.relative_to(stage.target).as_posix() for folder in folders])
    for name in files:
        if len(name) > LONGEST_PATH:
            raise SetupError(
                f"The path {name} is longer than {LONGEST_PATH} characters: bootstrap/slim.py must drop it."
            )
    return files


def files_below(root: Path, names: Iterable[str]) -> Plan:
    """Return the files among the names, and all files in the folders among them; what is not there is left out."""
    found: Plan = {}
    for name in names:
        start = root / name
        paths = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
        found |= {path.relative_to(root).as_posix(): path for path in paths}
    return found


def bring_up_to_date(to: Path, files: Plan, platforms: Sequence[str]) -> None:
    """Make the stick hold exactly the planned files, and what it holds for other platforms; leave the user's alone.

    Raises:
        SetupError: the stick has too little room, and nothing was copied; or it cannot be written to.
    """
    before = read_manifest(to)
    kept = {name: entry for name, entry in before.items() if platform_in(name) not in (None, *platforms)}
    obsolete = [to / name for name in before.keys() - files.keys() - kept.keys()]
    say(f"Comparing {to} with what belongs on it ...")
    wanted = {name: sha256_of(path) for name, path in files.items()}
    missing = [name for name in files if not is_same(to / name, files[name], wanted[name])]
    check_room(to, [files[name] for name in missing], [*obsolete, *(to / name for name in missing)])
    try:
        to.mkdir(parents=True, exist_ok=True)
        # Until all is copied there is no manifest: a stick that has one was complete.
        (to / MANIFEST).unlink(missing_ok=True)
        for path in obsolete:
            remove_with_folders(path, to)
        copy_all(to, {name: files[name] for name in missing})
        write_manifest(to, wanted | kept)
        if hasattr(os, "sync"):
            os.sync()
    except OSError as error:
        raise SetupError(f"{to} cannot be written to: {error}. Start again to go on where it was.") from error


def is_same(there: Path, source: Path, sha256: str) -> bool:
    """Return whether the file on the stick has its source's bytes."""
    return there.is_file() and there.stat().st_size == source.stat().st_size and sha256_of(there) == sha256


def check_room(to: Path, new: Sequence[Path], old: Sequence[Path]) -> None:
    """Refuse when the new files do not fit, in place of the old ones; says how much is missing."""
    parent = next(folder for folder in (to, *to.parents) if folder.is_dir())
    cluster = max(CLUSTER, os.statvfs(parent).f_frsize) if hasattr(os, "statvfs") else CLUSTER

    def room(paths: Sequence[Path]) -> int:
        return sum(math.ceil(path.stat().st_size / cluster) * cluster for path in paths if path.is_file())

    needed, free = room(new) - room(old), shutil.disk_usage(parent).free
    if needed > free:
        raise SetupError(
            f"There is too little room on {to}: {megabytes(needed)} are needed and {megabytes(free)} are free. "
            f"Make {megabytes(needed - free)} more room and start again; nothing was copied."
        )


def copy_all(to: Path, files: Plan) -> None:
    """Copy the files to the stick, telling about the progress."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    total, done, told = sum(sizes.values()), 0, 0
    say(f"Copying {len(files)} files, {megabytes(total)} ...")
    for name, source in files.items():
        target = to / name
        if target.is_dir():
            remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        # The bits that make a program executable come along; a file system without them says nothing.
        shutil.copy(source, target)
        done += sizes[name]
        if done * 10 // max(total, 1) > told:
            told = done * 10 // total
            say(f"  {told * 10} %")


def remove_with_folders(path: Path, top: Path) -> None:
    """Delete a file, and the folders above it that are then empty."""
    remove(path)
    for folder in path.parents:
        if folder == top or any(folder.iterdir()):
            break
        folder.rmdir()


def sizes(files: Plan, platform: str) -> tuple[int, int]:
    """Return the bytes and the number of the files that a platform needs: its own and those for all."""
    needed = [path for name, path in files.items() if platform_in(name) in (None, platform)]
    return sum(path.stat().st_size for path in needed), len(needed)


def tell_sizes(files: Plan, platforms: Sequence[str]) -> None:
    """Print how large the stick is for each platform."""
    for platform in platforms:
        size, count = sizes(files, platform)
        limit = (
            ""
            if size <= LIMIT_BYTES and count <= LIMIT_FILES
            else f" (the limit is {megabytes(LIMIT_BYTES)}, {LIMIT_FILES})"
        )
        say(f"{platform}: {megabytes(size)} in {count} files with program and models{limit}")
