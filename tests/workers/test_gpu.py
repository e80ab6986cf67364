"""With a graphics card, here the processor under another name, a run finds what it finds without, in larger batches."""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray

from facefinder import scan as scan_room
from facefinder.faces import embed
from facefinder.faces.analyzer import AnalyzerSpec, Face
from facefinder.faces.devices import CPU, DEVICES, Device
from facefinder.index import Index
from facefinder.media.walk import walk
from facefinder.progress import NoProgress
from facefinder.scan import ScanReport, scan

BATCH = 8


class Said(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def ended_workers() -> Iterator[None]:
    yield
    get_reusable_executor().shutdown()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, spec: AnalyzerSpec) -> AnalyzerSpec:
    """A stand-in for a graphics card, and the spec that uses it."""
    device = Device("card", "the stand-in card", CPU.provider, batch=BATCH, whole_batches=True)
    monkeypatch.setitem(DEVICES, "card", device)
    monkeypatch.setattr(scan_room, "choose_device", lambda *_: device)
    return replace(spec, device="card")


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many faces were embedded together, in this process."""
    sizes: list[int] = []
    real = embed.Embedder.embed

    def embed_and_count(self: embed.Embedder, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(crops))
        return real(self, crops)

    monkeypatch.setattr(embed.Embedder, "embed", embed_and_count)
    return sizes


@pytest.fixture
def photos(album: Path, tmp_path: Path) -> Path:
    """A part of the album, with a photo that cannot be read and a copy of one that can."""
    folder = tmp_path / "photos"
    shutil.copytree(album / "Family", folder / "Family")
    (folder / "broken.jpg").write_bytes((album / "Family" / "Christmas.jpg").read_bytes()[:500])
    shutil.copy(folder / "Family" / "Christmas.jpg", folder / "Christmas again.jpg")
    return folder


def look(
    folder: Path, spec: AnalyzerSpec, jobs: int, said: Said | None = None
) -> tuple[dict[str, list[Face]], ScanReport]:
    with Index(None, spec.key, platform.node()) as index:
        files = list(walk([folder]))
        report = scan(files, index, spec, jobs, said or NoProgress())
        return {file.path: index.faces_at(file.path) for file in files if not file.path.endswith("broken.jpg")}, report


def assert_same(found: dict[str, list[Face]], expected: dict[str, list[Face]]) -> None:
    assert found.keys() == expected.keys()
    for path, faces in expected.items():
        assert [face.box for face in found[path]] == [face.box for face in faces]
        for face, other in zip(found[path], faces, strict=True):
            np.testing.assert_allclose(face.vector, other.vector, atol=1e-3)
            assert face.sharpness == other.sharpness


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_same_faces_with_the_same_vectors_in_larger_batches(photos, spec, card, batches, jobs):
    expected, without = look(photos, spec, jobs)
    batches.clear()
    found, report = look(photos, card, jobs)
    assert_same(found, expected)
    assert (report.faces, report.analysed, report.problems) == (without.faces, without.analysed, without.problems)
    assert [Path(path).name for path, _ in report.problems] == ["broken.jpg"]
    assert sum(batches) == report.faces > 2 * BATCH
    assert len(batches) < report.faces / BATCH + 5
    assert report.seconds["embed"] > 0


def test_a_card_that_stops_working_is_replaced_by_the_processor(photos, spec, card, batches, monkeypatch):
    expected, _ = look(photos, spec, 1)
    counted = embed.Embedder.embed

    def stop(self: embed.Embedder, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._device.name == "card" and batches:
            raise RuntimeError("device removed")
        return counted(self, crops)

    monkeypatch.setattr(embed.Embedder, "embed", stop)
    batches.clear()
    said = Said()
    found, _ = look(photos, card, 1, said)
    assert_same(found, expected)
    assert said.lines == ["Going on with the processor: the stand-in card stopped working.\n  device removed"]


def test_frames_of_videos_have_their_vectors_at_once(album, card):
    from facefinder.faces.native_engine import NativeAnalyzer
    from facefinder.media.decode import open_photo

    photo = (album / "Family" / "Christmas.jpg").read_bytes()
    analyzer = NativeAnalyzer(card)
    faces = analyzer.faces_in(open_photo(photo).pixels(1.0))
    assert [face.vector.shape for face in faces] == [(128,)] * len(analyzer.analyse(photo).faces)
