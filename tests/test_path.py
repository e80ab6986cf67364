"""Which packages are used: the default ones, and those for a graphics card instead where there is such a card."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import face_finder

PLATFORM = face_finder.PLATFORMS[platform.system(), platform.machine()]
WHICH = "import face_finder; {} face_finder.use_bundle(); import which, onnxruntime; print(which.ONE, onnxruntime.ONE)"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A program's folder with made-up packages: `which` and `onnxruntime` in the default ones, and two packs."""
    shutil.copy(face_finder.HOME / "face_finder.py", tmp_path)
    vendor = tmp_path / "lib" / "vendor"
    for pack, modules in (("", ["which", "onnxruntime"]), ("+cuda", ["onnxruntime"]), ("+deepface", ["which"])):
        for module in modules:
            folder = vendor / (PLATFORM + pack) / module
            folder.mkdir(parents=True)
            (folder / "__init__.py").write_text(f"ONE = {pack or 'default'!r}\n")
    return tmp_path


def used(home: Path, prepare: str = "") -> list[str]:
    """Whose `which` and whose `onnxruntime` the program gets, and its workers by PYTHONPATH alone."""
    environment = os.environ | {"FACE_FINDER_BUNDLE": str(home), "PYTHONPATH": str(home)}
    workers = "import os, subprocess, sys; sys.stdout.flush(); subprocess.run([sys.executable, '-c', 'import which, "
    workers += "onnxruntime; print(which.ONE, onnxruntime.ONE)'], check=True)"
    code = f"{WHICH.format(prepare)}; {workers}"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_without_a_graphics_card_its_pack_is_left_aside(home):
    assert used(home, "face_finder.DRIVERS = {'cuda': ('/nowhere/nvidia',)};") == ["default default"] * 2


def test_with_a_graphics_card_its_packages_come_before_the_default_ones(home, tmp_path):
    driver = tmp_path / "nvidiactl"
    driver.touch()
    assert used(home, f"face_finder.DRIVERS = {{'cuda': ('/nowhere', {str(driver)!r})}};") == ["default +cuda"] * 2


def test_a_pack_with_an_onnxruntime_of_its_own_that_nobody_knows_is_left_aside(home):
    assert used(home, "face_finder.DRIVERS = {};") == ["default default"] * 2


def test_a_pack_of_that_kind_is_tried_with_its_own_onnxruntime_when_it_is_installed(home):
    sys.path.insert(0, str(face_finder.HOME / "bootstrap"))
    from layout import Layout
    from packages import search_path

    layout = Layout(home, home, PLATFORM, home / "cache")
    default, cuda, deepface = (layout.vendor(pack) for pack in ("default", "cuda", "deepface"))
    assert search_path(layout, "cuda", cuda) == [cuda, default]
    assert search_path(layout, "deepface", deepface) == [default, deepface]
    assert search_path(layout, "default", default) == [default]
