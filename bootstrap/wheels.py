"""Locks, and the wheels that they name: from the index that pip is set up with into the cache, and installed.

A line of a lock is a requirement that pip reads, and a comment that names the one file that fulfils it:

    numpy==2.0.2 --hash=sha256:13e6...  # numpy-2.0.2-cp311-cp311-manylinux_2_17_x86_64.whl 19534895
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from layout import CACHE_REMEDY, SetupError, megabytes, say
from record import matches

# Each is a pip of its own, which mostly waits for the index.
DOWNLOADS_AT_ONCE = 4
# Told to pip, so that it takes wheels for another platform, too.
TARGET = ["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none"]
_LINE = re.compile(
    r"(?P<pin>(?P<name>\S+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64}))"
    r"  # (?P<file>\S+\.whl) (?P<size>\d+)"
)


@dataclass(frozen=True)
class Wheel:
    """One line of a lock: the requirement; the name, SHA-256 and bytes of the file that fulfils it."""

    pin: str
    name: str
    version: str
    sha256: str
    file: str
    size: int

    @property
    def systems(self) -> list[str]:
        """The systems that it runs on, as pip names them: `win_amd64`, or `any`."""
        return self.file.removesuffix(".whl").rsplit("-", 1)[1].split(".")


def read_lock(path: Path) -> list[Wheel]:
    """Return the wheels of a lock.

    Raises:
        SetupError: the lock is missing, or a line is not a pinned wheel.
    """
    if not path.is_file():
        raise SetupError(f"{path} is missing. It is part of the project: fetch the project again.")
    wheels = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            wheels.append(read_line(line))
        except ValueError as error:
            remedy = "`python3 bootstrap/lock.py` writes the locks."
            raise SetupError(f"{path} has a line that is no pinned wheel: {line!r}. {remedy}") from error
    return wheels


def read_line(line: str) -> Wheel:
    """Return the wheel of a lock's line; raises ValueError when it is none."""
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError(line)
    pin, name, version, sha256, file, size = found.groups()
    return Wheel(pin, name, version, sha256, file, int(size))


def install_wheels(lock: Path, cache: Path, target: Path, *, from_cache: bool = False) -> None:
    """Install the wheels of a lock into an empty folder: exactly these files, nothing that they depend on."""
    wheels = read_lock(lock)
    folder = fetch_wheels(wheels, lock, cache, from_cache=from_cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    pins = [f"{wheel.name} @ {(folder / wheel.file).as_uri()} --hash=sha256:{wheel.sha256}" for wheel in wheels]
    options = ["--no-index", "--no-user", "--no-compile", "--no-warn-conflicts", "--target", str(target)]
    exit_code, output = run_pip(["install", *options, *pip_target(wheels)], pins)
    if exit_code:
        raise SetupError(f"pip could not install the packages of {lock.name}:\n{output.strip()}")


def pip_target(wheels: Sequence[Wheel]) -> list[str]:
    """Return pip's options that say what the wheels are for, whatever this machine is."""
    systems = sorted({system for wheel in wheels for system in wheel.systems})
    return TARGET + [f"--platform={system}" for system in systems]


def fetch_wheels(wheels: list[Wheel], lock: Path, cache: Path, *, from_cache: bool = False) -> Path:
    """Return the cache's folder of wheels, after each wheel lies there and its bytes are the pinned ones.

    Raises:
        SetupError: a wheel cannot be had, or pip's index has other bytes under its name.
    """
    folder = cache / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [wheel for wheel in wheels if not matches(folder / wheel.file, wheel.sha256, wheel.size)]
    if missing and from_cache:
        names = "\n".join(f"  {folder / wheel.file}" for wheel in missing)
        raise SetupError(f"Not in the cache, and --from-cache forbids to download:\n{names}\n{CACHE_REMEDY}")
    if missing:
        say(f"  to download: {len(missing)} packages, {megabytes(sum(wheel.size for wheel in missing))}")
    executor = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
    try:
        # The largest first, so that no large one is left for the end.
        largest_first = sorted(missing, key=lambda wheel: -wheel.size)
        for _ in executor.map(lambda wheel: fetch_wheel(wheel, lock, folder), largest_first):
            pass
    finally:
        executor.shutdown(cancel_futures=True)
    return folder


def fetch_wheel(wheel: Wheel, lock: Path, folder: Path) -> None:
    """Download one wheel: pip keeps nothing of several when one of them fails.

    Raises:
        SetupError: it cannot be had, or has other bytes.
    """
    (folder / wheel.file).unlink(missing_ok=True)
    options = ["--retries", "2", "--dest", str(folder), *pip_target([wheel])]
    _, output = run_pip(["download", *options], [wheel.pin])
    if not matches(folder / wheel.file, wheel.sha256, wheel.size):
        raise SetupError(explain(wheel, lock, output))
    say(f"    {wheel.name} {wheel.version}, {megabytes(wheel.size)}")


def run_pip(command: list[str], pins: list[str]) -> tuple[int, str]:
    """Run pip on requirements with hashes; return its exit code and what it printed."""
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--progress-bar=off"]
    with tempfile.TemporaryDirectory(prefix="face-finder-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(pins) + "\n", encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "pip", *command, *options, "--no-input", "--requirement", str(requirements)],
            # Not where the user happens to be: `-m` would look there for modules first.
            cwd=folder,
            env=os.environ | {"PIP_REQUIRE_VIRTUALENV": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    return result.returncode, result.stdout


def explain(wheel: Wheel, lock: Path, output: str) -> str:
    """Return what to tell the user about a wheel that did not arrive, from what pip said."""
    if "No module named pip" in output:
        remedy = "Install it (Debian, Ubuntu: sudo apt install python3-pip) and start again."
        return f"{sys.executable} has no pip. {remedy}"
    if found := re.search(r"Expected sha256\s+(\S+)\s+Got\s+(\S+)", output):
        return (
            f"{wheel.file} was refused: its bytes are not the pinned ones (SHA-256 {found[2]}; {lock.name} "
            f"wants {found[1]}). Nothing was installed. Start again. If it stays so, the package index that "
            "pip is set up with (`python3 -m pip config list`) serves a changed file: use another."
        )
    said = output.strip().splitlines()[-1:] or ["nothing"]
    reason = "pip does not reach its package index." if "connection broken" in output else f"pip said: {said[0]}"
    remedy = "Check the network and start again: what has arrived is kept."
    return f"{wheel.file} could not be downloaded. {reason}\n{remedy}"
