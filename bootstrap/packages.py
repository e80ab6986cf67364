"""Packs of packages in lib/vendor/<platform>[+pack]/, each made from its lock.

A folder is built beside its place and renamed into it, so that what lies there is always complete. Two files
in it speak for it: LOCK.txt, the lock that it was made from, and FILES.txt, what was installed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from layout import Layout, host_platform, megabytes, remove, say
from record import put_in_place
from slim import check_imports, compile_all, slim
from wheels import install_wheels, read_lock


def pack_names(layout: Layout) -> list[str]:
    """Return the packs that bring packages to this platform, the default one first."""
    locks = layout.lock("default").parent.glob(f"{layout.platform}.*.txt")
    names = {path.name.split(".")[1] for path in locks}
    return ["default", *sorted(names - {"build"})]


def is_current(layout: Layout, pack: str) -> bool:
    """Return whether the pack's folder was made from the pack's lock as it is now."""
    made_from = layout.vendor(pack) / "LOCK.txt"
    return made_from.is_file() and made_from.read_bytes() == layout.lock(pack).read_bytes()


def install_pack(layout: Layout, pack: str) -> None:
    """Make the pack's folder from its lock, replacing what lies there.

    Raises:
        SetupError: a package cannot be had, has changed bytes, or does not run on this computer.
    """
    target, lock = layout.vendor(pack), layout.lock(pack)
    part = target.with_name(target.name + ".part")
    wheels = read_lock(lock)
    say(f"Packages ({pack}): {len(wheels)}, {megabytes(sum(wheel.size for wheel in wheels))}")
    remove(part)
    install_wheels(lock, layout.cache, part, from_cache=layout.from_cache)
    # The tools need their programs and stubs, and never travel.
    if pack != "tests":
        slim(part)
    compile_all(part, target.relative_to(layout.target))
    if layout.platform == host_platform():
        check_imports(part, search_path(layout, pack, part))
    shutil.copyfile(lock, part / "LOCK.txt")
    put_in_place(part, target, layout)


def search_path(layout: Layout, pack: str, part: Path) -> list[Path]:
    """Return where the pack's modules look for one another: in the default packages first, and in the pack.

    A pack with an onnxruntime of its own comes first instead, as face_finder.py orders them.
    """
    if pack == "default":
        return [part]
    instead = (part / "onnxruntime").is_dir()
    return [part, layout.vendor("default")] if instead else [layout.vendor("default"), part]
