"""The locks: every package pinned for every platform, from no particular index, and nothing twice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from layout import PLATFORMS, ROOT
from wheels import Wheel, read_lock

LOCKS = sorted((ROOT / "bootstrap" / "locks").glob("*.txt"))
SYSTEMS = {
    "linux-x86_64": r"manylinux\S*_x86_64",
    "linux-aarch64": r"manylinux\S*_aarch64",
    "macos-arm64": r"macosx_\d+_\d+_(arm64|universal2)",
    "windows-x86_64": r"win_amd64",
}
# There are no wheels of these for these.
NOT_PUBLISHED = (
    *("linux-aarch64.hdbscan.txt", "linux-aarch64.tensorflow.txt", "macos-arm64.tensorflow.txt"),
    *("linux-aarch64.cuda.txt", "macos-arm64.cuda.txt"),
    *("linux-x86_64.directml.txt", "linux-aarch64.directml.txt", "macos-arm64.directml.txt"),
)
# Second copies of what is there, and the 2 GB that are a pack of their own.
UNWANTED = re.compile(r"tensorflow.*|tf-keras|keras|opencv-(contrib-)?python(-headless)?")


def lock(platform: str, pack: str = "") -> list[Wheel]:
    return read_lock(ROOT / "bootstrap" / "locks" / f"{platform}{pack}.txt")


def test_every_platform_has_every_lock():
    packs = {path.name[path.name.index(".") :] for path in LOCKS}
    absent = set(NOT_PUBLISHED)
    assert {path.name for path in LOCKS} == {platform + pack for platform in PLATFORMS for pack in packs} - absent
    optional = {".cuda.txt", ".deepface.txt", ".directml.txt", ".dlib.txt", ".hdbscan.txt", ".tensorflow.txt"}
    assert {".txt", ".build.txt", ".tests.txt"} | optional == packs


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_line_pins_one_wheel_that_runs_on_the_platform(path: Path):
    platform = path.name.split(".")[0]
    for wheel in read_lock(path):
        _, python, abi, system = wheel.file.removesuffix(".whl").rsplit("-", 3)
        assert re.fullmatch(rf"any|.*{SYSTEMS[platform]}", system), wheel.file
        assert (python, abi) == ("cp311", "cp311") or abi in ("abi3", "none"), wheel.file
        assert (
            re.sub(r"[-_.]+", "-", wheel.file)
            .lower()
            .startswith(re.sub(r"[-_.]+", "-", f"{wheel.name}-{wheel.version}-"))
        )


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_no_address_of_an_index_is_written_down(path: Path):
    assert "://" not in path.read_text()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_one_opencv_no_tensorflow_and_no_package_twice(platform: str):
    together = [wheel.name for wheel in lock(platform) + lock(platform, ".deepface")]
    assert len(together) == len(set(together))
    assert [name for name in together if UNWANTED.fullmatch(name)] == ["opencv-python-headless"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_packs_hold_no_other_versions_than_the_default(platform: str):
    default = {wheel.name: wheel.version for wheel in lock(platform)}
    for pack in (".build", ".tests"):
        for wheel in lock(platform, pack):
            assert default.get(wheel.name, wheel.version) == wheel.version


def test_every_model_is_pinned_and_has_a_licence_and_a_source():
    catalogue = json.loads((ROOT / "models" / "models.json").read_text())
    files = catalogue["files"]
    for name, entry in files.items():
        assert re.fullmatch("[0-9a-f]{64}", entry["sha256"]) and entry["bytes"] > 0, name
        assert entry["licence"] and entry["about"], name
        assert entry["sources"] if "made_from" not in entry else entry["made_from"] in files, name
    for pack, names in catalogue["packs"].items():
        free = all(files[name]["licence"] in ("MIT", "Apache-2.0", "CC0-1.0") for name in names)
        assert free or pack in catalogue["must_accept"], pack
