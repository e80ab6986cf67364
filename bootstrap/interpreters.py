"""Interpreters that travel: a pinned archive, or one given by hand -> python/<platform>/, slimmed and compiled.

SOURCE.txt in it, written last, says which archive it was made from.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archives import Unpacked, unpack
from fetch import Fetcher
from layout import PLATFORMS, Layout, SetupError, host_platform, remove, say
from record import put_in_place, sha256_of
from slim import check_interpreter, compile_all
from wheels import fetch_wheels, read_line

MARK = "SOURCE.txt"
GIVEN = "given by hand"
# Of Python's own library: its tests, what draws windows, and what installs, builds or teaches.
UNNEEDED = frozenset(
    "test tests idlelib tkinter turtledemo turtle.py lib2to3 ensurepip venv pydoc_data site-packages distutils "
    "__phello__ __pycache__".split()
)
UNNEEDED_STARTS = (
    "config-3",
    "_tkinter.",
    "_test",
    "_ctypes_test.",
    "_xxtestfuzz.",
    "_xxsubinterpreters.",
    "xxlimited",
)
# The machine in the header of an executable: ELF at byte 18, Mach-O at byte 4.
ELF_MACHINES = {62: "linux-x86_64", 183: "linux-aarch64"}
MACHO_ARM64 = bytes.fromhex("cffaedfe0c000001")


@dataclass(frozen=True)
class Archive:
    """An interpreter's archive on this computer. source: what SOURCE.txt will say."""

    path: Path
    source: str


def given_interpreters(paths: list[Path]) -> dict[str, Archive]:
    """Return {platform: archive} for archives given by hand; the interpreter inside tells the platform.

    Raises:
        SetupError: an archive is missing or damaged, or holds no interpreter for a supported platform.
    """
    given = {}
    for path in paths:
        files = unpack(path)
        digest = sha256_of(path)
        given[platform_of(path, files)] = Archive(path, f"{path.name} {digest} {GIVEN}\n")
    return given


def platform_of(path: Path, files: Unpacked) -> str:
    """Return the platform for which an unpacked archive was made."""
    if "python.exe" in files:
        return "windows-x86_64"
    head = files["bin/python3.11"][:20] if "bin/python3.11" in files else b""
    if head[:4] == b"\x7fELF" and head[18] in ELF_MACHINES:
        return ELF_MACHINES[head[18]]
    if head[:8] == MACHO_ARM64:
        return "macos-arm64"
    raise SetupError(
        f"{path} holds no Python 3.11 for {', '.join(PLATFORMS)}. Give an archive that has python.exe at its top "
        "(the embeddable package from python.org) or python/bin/python3.11 (python-build-standalone, install_only)."
    )


def interpreter_is_current(layout: Layout, given: Archive | None) -> bool:
    """Return whether the interpreter there was made from the archive that is given now, else from a pinned one."""
    mark = layout.interpreter / MARK
    if not mark.is_file():
        return False
    source = mark.read_text(encoding="utf-8")
    if given:
        return source == given.source
    pinned = [mark_of(entry) for entry in catalogue(layout)["archives"]]
    return source in pinned


def install_interpreter(layout: Layout, fetcher: Fetcher, given: Archive | None) -> None:
    """Make python/<platform>/ from the archive given by hand, else from the first pinned one that can be had.

    Raises:
        SetupError: there is no archive, or the interpreter in it does not run on this computer.
    """
    target = layout.interpreter
    archive = given or fetch_archive(layout, fetcher)
    say(f"Interpreter ({layout.platform}): {archive.source.split()[0]}")
    part = target.with_name(target.name + ".part")
    remove(part)
    files = needed_files(unpack(archive.path))
    if layout.platform == "windows-x86_64":
        files |= runtime_libraries(layout)
        files["python311._pth"] = search_path(layout).encode()
    for name, data in files.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(data)
    for program in part.glob("bin/*"):
        program.chmod(0o755)
    compile_all(part, target.relative_to(layout.target))
    if layout.platform == host_platform():
        check_interpreter(part / "bin" / "python3.11" if (part / "bin").is_dir() else part / "python.exe")
    (part / MARK).write_text(archive.source, encoding="utf-8")
    put_in_place(part, target, layout)


def catalogue(layout: Layout) -> dict[str, Any]:
    """Return what interpreters.json says about the platform."""
    every: dict[str, dict[str, Any]] = json.loads(layout.interpreters_json.read_text(encoding="utf-8"))
    return every[layout.platform]


def mark_of(entry: Mapping[str, Any]) -> str:
    """Return the text of SOURCE.txt for a pinned archive."""
    return f"{entry['file']} {entry['sha256']}\n"


def fetch_archive(layout: Layout, fetcher: Fetcher) -> Archive:
    """Return the first pinned archive that can be had.

    Raises:
        SetupError: none of them can; the message names the archive to fetch by other means.
    """
    entries = catalogue(layout)["archives"]
    reasons = []
    for entry in entries:
        try:
            path = fetcher.fetch(entry["file"], entry["sources"], entry["sha256"], entry.get("bytes"))
            return Archive(path, mark_of(entry))
        except SetupError as error:
            reasons.append(str(error))
    first = entries[0]
    raise SetupError(
        "\n".join(reasons) + f"\n\nThere is no interpreter for {layout.platform}. Bring this file from a computer that "
        f"reaches it, and give it with --runtime FILE:\n  {first['sources'][0]['url']}\n  SHA-256 {first['sha256']}\n"
        "Or give --runtime host: the stick then has no interpreter for this platform and needs a computer that has "
        "Python 3.11 installed."
    )


def needed_files(files: Unpacked) -> Unpacked:
    """Return what a program needs of an unpacked interpreter."""
    if "python.exe" in files:
        return dict(files)
    # A program that holds the whole interpreter itself does not name the library, which is a second copy of it.
    shared = b"libpython3.11" in files["bin/python3.11"]
    kept = {}
    for name, data in files.items():
        folder, _, last = name.rpartition("/")
        library = name.removeprefix("lib/python3.11/")
        if name == "bin/python3.11":
            kept[name] = data
        elif library != name:
            if not any(map(is_unneeded, library.split("/"))):
                kept[name] = data
        elif folder == "lib" and ".so" in last or last.endswith(".dylib"):
            if (shared and last.startswith("libpython3.11.")) or not last.startswith(("libpython", "libtcl", "libtk")):
                kept[name] = data
        elif "LICENSE" in last:
            kept[f"licences/{last}"] = data
    return kept


def is_unneeded(part: str) -> bool:
    """Return whether a folder or file of Python's library is of no use to a program."""
    return part in UNNEEDED or part.startswith(UNNEEDED_STARTS) or part.endswith((".a", ".pyc"))


def runtime_libraries(layout: Layout) -> Unpacked:
    """Return Microsoft's C++ runtime, which a fresh Windows lacks; it goes beside python.exe."""
    entry = catalogue(layout)["beside"]
    wheel = read_line(entry["wheel"])
    folder = fetch_wheels([wheel], layout.interpreters_json, layout.cache, from_cache=layout.from_cache)
    with zipfile.ZipFile(folder / wheel.file) as archive:
        return {Path(member).name: archive.read(member) for member in entry["members"]}


def search_path(layout: Layout) -> str:
    """Return the text of python311._pth: where this Python looks for modules, and nowhere else."""
    locks = layout.lock("default").parent.glob(f"{layout.platform}.*.txt")
    packs = sorted({path.name.split(".")[1] for path in locks} - {"build", "tests", "txt"})
    vendor = rf"..\..\lib\vendor\{layout.platform}"
    folders = ["python311.zip", ".", r"..\..\lib", vendor, *(f"{vendor}+{pack}" for pack in packs)]
    return "".join(f"{folder}\r\n" for folder in folders)
