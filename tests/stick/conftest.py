"""A real stick in a folder, for this computer and for Windows, made once and handed out as hard links."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from build import main
from layout import default_cache, host_platform
from tests.stick.portable import make_archive

WINDOWS = "windows-x86_64"


@dataclass(frozen=True)
class Maker:
    """build.py --to, with the interpreter that stands for the pinned one on this computer."""

    runtime: Path

    def run(self, to: Path, *arguments: str, platforms: str = f"{host_platform()},{WINDOWS}") -> int:
        common = ["--to", str(to), "--platform", platforms, "--runtime", str(self.runtime)]
        return main([*common, "--cache", str(default_cache()), *arguments])


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    if sys.platform != "linux":
        pytest.skip("sticks are made and tried on Linux")
    return Maker(make_archive(tmp_path_factory.mktemp("interpreter")))


@pytest.fixture(scope="session")
def master(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stick as it was made. Nothing may be changed on it."""
    to = tmp_path_factory.mktemp("master") / "stick"
    assert maker.run(to, "--demo") == 0
    return to


@pytest.fixture
def stick(master: Path, tmp_path: Path) -> Path:
    """A copy of the stick, for one test, in a place with blanks and letters that are not ASCII."""
    to = tmp_path / "my stick é 日本"
    shutil.copytree(master, to, copy_function=os.link)
    return to


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run a command line of Windows in Wine: (line or words, folder, seconds) -> its exit code and what it printed."""
    if not shutil.which("wine"):
        pytest.skip("Wine is not installed (Debian: apt-get install wine wine64): Windows cannot be tried")
    home = tmp_path_factory.mktemp("wine")
    # Nothing of this computer's display or user is needed.
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(home), "WINEPREFIX": str(home / "prefix"), "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}

    def run(line: str | list[str], folder: Path, seconds: int = 500) -> subprocess.CompletedProcess[str]:
        command = ["wine", "cmd", "/c", *([line] if isinstance(line, str) else line)]
        # A pipe: with a file in its place Python does not start in Wine.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout
        said: list[bytes] = []
        reader = threading.Thread(target=said.extend, args=[process.stdout], daemon=True)
        reader.start()
        try:
            process.wait(seconds)
        finally:
            process.kill()
        # What stays open in the background, such as Explorer, keeps the pipe open.
        reader.join(3)
        text = b"".join(said).decode("utf-8", errors="replace").replace("\r\n", "\n")
        return subprocess.CompletedProcess(command, process.returncode, text)

    run("wineboot -i", home)
    if not (home / "prefix" / "drive_c" / "windows").is_dir():
        pytest.skip("Wine is installed and does not start here: Windows cannot be tried")
    run("winecfg -v win10", home)
    run.drive_c = home / "prefix" / "drive_c"  # type: ignore[attr-defined]
    yield run
    subprocess.run(["wineserver", "-k"], env=environment, check=False, timeout=60)
