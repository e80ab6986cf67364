"""Files -> workers -> rows: what a worker's death or mistake costs, and what is analysed at all."""

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor
from PIL import Image

from facefinder.errors import IndexFileError, Interrupted, WorkerError
from facefinder.index import Index
from facefinder.media.walk import walk
from facefinder.progress import NoProgress
from facefinder.scan import ScanReport, scan
from facefinder.storage.quarantine import Quarantine
from facefinder.workers.crew import CRASH, LEFT_OUT
from facefinder.workers.watch import WorkerLimits

# A module for the workers: an analyzer's description that, once it arrives there, puts an analyzer in place that goes
# wrong on some photos.
FAULTY = """
import os
import signal
import time
import facefinder.workers.crew
import facefinder.workers.look
from facefinder.faces.analyzer import AnalyzerSpec, load


class FaultySpec(AnalyzerSpec):
    def __reduce__(self):
        return arrive, (self.model, self.min_face, self.models, self.key)


def arrive(*description):
    facefinder.workers.look.load = facefinder.workers.crew.load = FaultyAnalyzer
    return AnalyzerSpec(*description)


class FaultyAnalyzer:
    def __init__(self, spec):
        self.spec = spec
        if spec.key == "dead on arrival":
            os.kill(os.getpid(), signal.SIGKILL)

    def analyse(self, data):
        if data.endswith(b"deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if data.endswith(b"endless"):
            while True:
                pass
        if data.endswith(b"greedy"):
            hoard = b"x" * (2 << 30)
            while hoard:
                time.sleep(1)
        if data.endswith(b"odd"):
            raise ZeroDivisionError("of all things")
        return load(self.spec).analyse(data)
"""


@pytest.fixture
def photos(tmp_path: Path, album: Path) -> Path:
    """Nine photos of the album in one folder, each of another size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(sorted((album / "Stage & screen").glob("*.jpg"))[:9]):
        shutil.copy(photo, folder / f"{number}.jpg")
    return folder


@pytest.fixture
def scan_folder(tmp_path, spec):
    """Scan a folder with two workers and an index that stays."""

    def scan_it(folder: Path, spec=spec, limits=None) -> ScanReport:
        with Index(tmp_path / "index.sqlite", spec.key, "here") as index:
            return scan(walk([folder]), index, spec, jobs=2, progress=NoProgress(), limits=limits)

    return scan_it


@pytest.fixture
def faulty_spec(tmp_path, monkeypatch, spec):
    """The default analyzer, but a photo that ends in "deadly" kills its worker, and "odd" raises an error."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    import faulty  # type: ignore[import-not-found]

    yield faulty.FaultySpec(spec.model, spec.min_face, spec.models, spec.key)
    get_reusable_executor().shutdown(kill_workers=True)


def append(photo: Path, ending: bytes) -> None:
    photo.write_bytes(photo.read_bytes() + ending)


def test_a_photo_that_kills_its_worker_is_left_out_named_and_not_opened_again_unless_asked_or_changed(
    photos, scan_folder, faulty_spec, tmp_path, spec
):
    append(photos / "4.jpg", b"deadly")
    for number in range(31):  # so many files that a worker takes several at once
        Image.new("RGB", (40 + number, 40)).save(photos / f"9 {number:02}.png")
    first = scan_folder(photos, faulty_spec)
    assert (first.photos, first.analysed) == (39, 39)
    assert first.problems == [(str(photos / "4.jpg"), LEFT_OUT.format(CRASH))]
    again = scan_folder(photos)  # by an analyzer that would not die of it
    assert (again.photos, again.analysed, again.problems) == (39, 0, first.problems)
    with Index(tmp_path / "index.sqlite", spec.key, "here") as index:
        [file] = [file for file in walk([photos]) if file.path.endswith("4.jpg")]
        Quarantine(index).clear()
        assert Quarantine(index).reason_for(file) is None
        Quarantine(index).add(file, CRASH)
    with Index(tmp_path / "index.sqlite", "another analyzer", "here") as index:
        assert Quarantine(index).reason_for(file) is None
    append(photos / "4.jpg", b", or so it was")
    changed = scan_folder(photos)
    assert (changed.photos, changed.analysed, changed.problems) == (40, 1, [])


def test_a_photo_that_takes_too_long_or_too_much_memory_is_left_out_and_named(photos, scan_folder, faulty_spec):
    append(photos / "2.jpg", b"endless")
    append(photos / "6.jpg", b"greedy")
    report = scan_folder(photos, faulty_spec, WorkerLimits(seconds=8, memory=1 << 30))
    assert (report.photos, report.analysed) == (7, 7)
    assert sorted(report.problems) == [
        (str(photos / "2.jpg"), LEFT_OUT.format("it takes longer than 8 seconds")),
        (str(photos / "6.jpg"), LEFT_OUT.format("it takes more than 1.1 GB of memory")),
    ]


def test_a_mistake_of_the_program_costs_one_photo(photos, scan_folder, faulty_spec):
    append(photos / "2.jpg", b"odd")
    report = scan_folder(photos, faulty_spec)
    assert (report.photos, report.analysed) == (8, 8)
    [(path, reason)] = report.problems
    assert path == str(photos / "2.jpg")
    assert "of all things" in reason


def test_workers_that_die_without_any_photo_end_the_run_with_advice(photos, scan_folder, faulty_spec):
    with pytest.raises(WorkerError, match="--jobs 1") as failure:
        scan_folder(photos, replace(faulty_spec, key="dead on arrival"))
    assert failure.value.exit_code == 8


@pytest.mark.parametrize("written", ["INTO content", "INTO analysis", "INTO face", "INTO place"])
def test_ctrl_c_while_a_photo_is_stored_keeps_those_before_it_and_nothing_of_this_one(
    photos, tmp_path, spec, monkeypatch, written
):
    for path in sorted(photos.iterdir())[3:]:
        path.unlink()
    rows = Index.rows

    def stopped_at_the_second_photo(self, statement, values=()):
        result = rows(self, statement, values)
        if written in statement and not statement.startswith("SELECT"):
            [(contents,)] = rows(self, "SELECT count(*) FROM content")
            if contents == 2:
                signal.raise_signal(signal.SIGINT)
        return result

    with Index(None, spec.key, "here") as index:
        undisturbed = scan(walk([photos]), index, spec, jobs=1, progress=NoProgress())
    with monkeypatch.context() as patch, Index(tmp_path / "index.sqlite", spec.key, "here") as index:
        patch.setattr(Index, "rows", stopped_at_the_second_photo)
        with pytest.raises(Interrupted, match=r"^Stopped\. 1 photos"):
            scan(walk([photos]), index, spec, jobs=1, progress=NoProgress())
    with Index(tmp_path / "index.sqlite", spec.key, "here") as index:
        again = scan(walk([photos]), index, spec, jobs=1, progress=NoProgress())
        assert (again.photos, again.analysed) == (3, 2)
        assert index.rows("SELECT count(*) FROM face") == [(undisturbed.faces,)]


def test_a_full_stick_ends_the_scan_and_is_named_as_the_reason(photos, tmp_path, spec):
    with Index(tmp_path / "index.sqlite", spec.key, "here") as index:
        [(pages,)] = index.rows("PRAGMA page_count")
        index.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(IndexFileError, match="is full"):
            scan(walk([photos]), index, spec, jobs=1, progress=NoProgress())


def test_a_photo_with_copies_is_analysed_once_also_among_many_of_one_size(tmp_path, scan_folder):
    """Bitmaps are all of one size, whatever they show."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(90):
        # Three contents among thirty others and thirty times each; they differ in one row of pixels.
        picture = Image.new("RGB", (64, 48), "white")
        picture.paste((number if number % 2 else number % 3, 200, 0), (0, 24, 64, 25))
        picture.save(folder / f"{number:02}.bmp")
    assert len({path.stat().st_size for path in folder.iterdir()}) == 1
    different = len({path.read_bytes() for path in folder.iterdir()})
    report = scan_folder(folder)
    assert (report.photos, report.analysed) == (90, different)
    assert different < 60
