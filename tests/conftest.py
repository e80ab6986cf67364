"""What all tests share: the program's own packages, real models, real photos, and a way to start the program."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

import face_finder

face_finder.use_bundle()

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C: a test that presses
# it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from facefinder.faces.analyzer import Analyzer, AnalyzerSpec, load, specify  # noqa: E402 - needs the packages
from tests.browser import chromium, look  # noqa: E402

ROOT = face_finder.HOME
SHARED_PHOTOS = ROOT.parent / "shared" / "photos"


@pytest.fixture(scope="session")
def album() -> Path:
    """The demonstration album: folders of real photos of two people and of strangers (see bootstrap/demo.json)."""
    return ROOT / "demo" / "album"


@pytest.fixture(scope="session")
def refs() -> Path:
    """Reference photos of the album's two people, a folder each."""
    return ROOT / "demo" / "refs"


@pytest.fixture(scope="session")
def people_in_album() -> dict[str, list[str]]:
    """path inside the album -> names of the people in the photo; empty for strangers."""
    photos = json.loads((ROOT / "bootstrap" / "demo.json").read_text("utf-8"))["photos"]
    return {path.removeprefix("album/"): entry["people"] for path, entry in photos.items() if path.startswith("album/")}


@pytest.fixture(scope="session")
def shared_photos() -> Path:
    """The labelled and awkward photos that developers have beside the checkout."""
    if not SHARED_PHOTOS.is_dir():
        pytest.skip("needs the developers' photos in ../shared/photos, which are not part of the project")
    return SHARED_PHOTOS


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of model files."""
    return ROOT / "models"


@pytest.fixture(scope="session")
def spec(models: Path) -> AnalyzerSpec:
    """The default analyzer, described."""
    return specify("sface", 20, models)


@pytest.fixture(scope="session")
def analyzer(spec: AnalyzerSpec) -> Analyzer:
    """The default analyzer with its real models, in this process."""
    return load(spec)


@pytest.fixture
def face_finder_command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Start the program as a user does, with an empty home folder; --index lies in tmp_path unless named."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        if not {"--index", "--no-index"} & set(words):
            words += ["--index", str(tmp_path / "index.sqlite")]
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON"))}
        return subprocess.run(
            ["bash", str(ROOT / "run.sh"), *words],
            env=environment | {"HOME": str(home)} | options.pop("env", {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            **options,
        )

    return run


@pytest.fixture
def mount_small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a disk of so many bytes, in memory; skips where that is not allowed."""
    disks: list[Path] = []

    def mount(size: int) -> Path:
        disk = tmp_path / f"small disk {len(disks)}"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], capture_output=True).returncode:
            pytest.skip("only root may mount a small disk")
        disks.append(disk)
        return disk

    yield mount
    for disk in disks:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture(scope="session")
def started_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(started_browser: webdriver.Chrome) -> webdriver.Chrome:
    """A real browser on an empty page, the size of a desktop (see tests/browser.py for a phone, and for the dark)."""
    started_browser.get("about:blank")
    started_browser.get_log("performance")
    started_browser.get_log("browser")
    look(started_browser)
    return started_browser
