"""Write locks anew, all or those of some packs: `python3 bootstrap/lock.py [PACK ...]`. For developers.

Resolves each pack for each platform with uv and writes one line per package: the version, and the name, size
and SHA-256 of the one wheel that suits the platform best. A pack's lock leaves out what the default lock has.
With packs named, what everybody gets keeps its versions.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

from layout import ROOT, default_cache, say
from wheels import read_lock

LOCKS = ROOT / "bootstrap" / "locks"
REQUIREMENTS = ROOT / "bootstrap" / "requirements"
# glibc 2.28 (2018) and macOS 14: the oldest for which onnxruntime publishes wheels today.
UV_PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "macos-arm64": "aarch64-apple-darwin",
    "windows-x86_64": "x86_64-pc-windows-msvc",
}
MACOS_FLOOR = "14.0"
# These two stand alone: `build` is installed elsewhere, and `tests` holds whole copies for the type checker.
STAND_ALONE = ("build", "tests")


def main() -> None:
    """Write bootstrap/locks/*.txt."""
    packs = sorted(path.stem for path in REQUIREMENTS.glob("*.in") if path.stem != "default")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="*", metavar="PACK", help=f"{', '.join(packs)} (default: all)")
    only = parser.parse_args().packs
    if unknown := set(only).difference(packs):
        parser.error(f"no such pack: {', '.join(sorted(unknown))}")
    uv = install_uv()
    LOCKS.mkdir(exist_ok=True)
    for platform in UV_PLATFORMS:
        default = LOCKS / f"{platform}.txt"
        if not only:
            default.unlink(missing_ok=True)
            write_lock(default, resolve(uv, "default", platform, None))
        wanted = {wheel.name for wheel in read_lock(default)}
        for pack in only or packs:
            lines = resolve(uv, pack, platform, default)
            if pack not in STAND_ALONE:
                lines = {name: line for name, line in lines.items() if name not in wanted}
            path = LOCKS / f"{platform}.{pack}.txt"
            path.unlink(missing_ok=True)
            # None: the pack's packages do not exist for this platform.
            if lines:
                write_lock(path, lines)


def install_uv() -> Path:
    """Return the path of uv in an environment of its own in the cache."""
    folder = default_cache() / "uv"
    binaries = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if not folder.is_dir():
        venv.create(folder, with_pip=True)
    subprocess.run([binaries / "python", "-m", "pip", "install", "--quiet", "--upgrade", "uv"], check=True)
    return binaries / "uv"


def resolve(uv: Path, pack: str, platform: str, constraint: Path | None) -> dict[str, str]:
    """Return {package name: lock line} for a pack on a platform, at the versions of the constraining lock."""
    command: list[str | Path] = [uv, "pip", "compile", "--quiet", "--format", "pylock.toml"]
    command += [
        "--only-binary",
        ":all:",
        "--python-version",
        "3.11",
        "--python-platform",
        UV_PLATFORMS[platform],
    ]
    command += ["--overrides", REQUIREMENTS / "overrides.txt", REQUIREMENTS / f"{pack}.in"]
    if constraint:
        command += ["--constraints", constraint]
    environment = os.environ | {"MACOSX_DEPLOYMENT_TARGET": MACOS_FLOOR}
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return {package["name"]: lock_line(package) for package in tomllib.loads(result.stdout)["packages"]}


def lock_line(package: dict[str, Any]) -> str:
    """Return the line for a package, which is also a requirement that pip understands."""
    wheel = max(package["wheels"], key=lambda wheel: preference(file_name(wheel)))
    pin = f"{package['name']}=={package['version']} --hash=sha256:{wheel['hashes']['sha256']}"
    return f"{pin}  # {file_name(wheel)} {wheel['size']}"


def file_name(wheel: dict[str, Any]) -> str:
    """Return the file name of a wheel; its address is of no interest, pip's configuration decides on that."""
    return str(wheel["url"]).rsplit("/", 1)[1]


def preference(name: str) -> tuple[int, tuple[int, int]]:
    """Return a rank for a suitable wheel: compiled for this Python first, then for the newest system."""
    _, abi, system = name.removesuffix(".whl").rsplit("-", 2)
    versions = [(int(major), int(minor)) for major, minor in re.findall(r"[a-z]_(\d+)_(\d+)_", system)]
    return ("none", "abi3", "cp311").index(abi), max(versions, default=(0, 0))


def write_lock(path: Path, lines: dict[str, str]) -> None:
    """Write the lines in the order of their names."""
    path.write_text("".join(f"{lines[name]}\n" for name in sorted(lines)), encoding="utf-8")
    say(f"{path.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    main()
