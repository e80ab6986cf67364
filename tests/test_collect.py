"""Copies: complete and checked, under their own names, in the manifest; and never over something that lies there."""

import csv
import dataclasses
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facefinder import collect
from facefinder.collect import COLUMNS, PART, SPARE_BYTES, Collector, CopyReport
from facefinder.errors import DestinationError
from facefinder.match import PhotoMatch, Verdict
from facefinder.progress import NoProgress

TAKEN = 1_236_600_000_123_456_700  # nanoseconds, as file systems keep them


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The computer that is searched."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def small_disk(mount_small_disk):
    return mount_small_disk(SPARE_BYTES + (2 << 20))


def found(path: Path, data: bytes | None = None, person: str = "Mom", **details: Any) -> PhotoMatch:
    """A photo of a person; it is written to `path` where data is given."""
    if data is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    data = path.read_bytes()
    os.utime(path, ns=(TAKEN + 10**9, TAKEN))
    digest = hashlib.sha256(data).hexdigest()
    match = PhotoMatch(
        person, str(path), (), digest, len(data), 0.31234567, Verdict.SURE, (10.4, 20.6, 30.0, 40.0), None
    )
    return dataclasses.replace(match, **details)


def copy(out: Path, *matches: PhotoMatch, each: Callable[[], None] = lambda: None) -> CopyReport:
    """One run. each: what happens in the world after each photo."""

    class World(NoProgress):
        def advance(self, note: str = "") -> None:
            each()

    return Collector(out).copy(matches, World())


def tree(folder: Path) -> dict[str, bytes]:
    """What lies in the destination, without the manifest: path -> content."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("manifest."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def manifest(out: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((out / "manifest.json").read_text("utf-8"))
    with (out / "manifest.csv").open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        table = list(csv.DictReader(file))
    flat = [row | {"box": " ".join(map(str, row["box"])), "also_at": " | ".join(row["also_at"])} for row in rows]  # type: ignore[call-overload,arg-type]
    assert table == [{key: "" if value is None else str(value) for key, value in row.items()} for row in flat]
    return rows


def test_a_copy_keeps_its_name_its_bytes_and_its_times(disk, out):
    report = copy(out, found(disk / "Été 1999" / "Oma & 奶奶 (1).JPG", b"sure"))
    copied = out / "Mom" / "Oma & 奶奶 (1).JPG"
    assert (copied.stat().st_mtime_ns, copied.stat().st_atime_ns) == (TAKEN, TAKEN + 10**9)
    assert copied.read_bytes() == b"sure"
    assert (report.copied, report.bytes, report.already_there, report.failures) == (1, 4, 0, [])


def test_what_is_not_sure_lies_in_a_folder_of_its_own(disk, out):
    copy(out, found(disk / "a.jpg", b"a"), found(disk / "b.jpg", b"b", verdict=Verdict.MAYBE))
    assert tree(out) == {"Mom/a.jpg": b"a", "Mom/maybe/b.jpg": b"b"}


def test_a_photo_of_two_people_is_copied_for_both(disk, out):
    copy(out, found(disk / "a.jpg", b"a"), found(disk / "a.jpg", person="Dad"))
    assert tree(out) == {"Mom/a.jpg": b"a", "Dad/a.jpg": b"a"}
    assert [row["copy"] for row in manifest(out)] == ["Dad/a.jpg", "Mom/a.jpg"]


def test_other_contents_of_one_name_get_numbers_and_what_lay_there_stays(disk, out):
    (out / "Mom").mkdir(parents=True)
    (out / "Mom" / "a.jpg").write_bytes(b"the user's own")
    (out / "Mom" / "a (2).jpg").symlink_to(out / "nowhere")
    copy(out, found(disk / "1" / "a.jpg", b"one"), found(disk / "2" / "a.jpg", b"two"))
    assert tree(out) == {
        "Mom/a.jpg": b"the user's own",
        "Mom/a (3).jpg": b"one",
        "Mom/a (4).jpg": b"two",
    }
    assert (out / "Mom" / "a (2).jpg").is_symlink()


def test_a_file_put_there_during_the_copying_is_not_overwritten(disk, out, monkeypatch):
    photo = found(disk / "a.jpg", b"photo")

    def slow_open(path: str):
        (out / "Mom" / "a.jpg").write_bytes(b"the user's own")
        return open(path, "rb")

    monkeypatch.setattr(collect, "open_found", slow_open)
    with pytest.raises(DestinationError, match=r"another program has just put a\.jpg there"):
        copy(out, photo)
    assert tree(out) == {"Mom/a.jpg": b"the user's own"}


def test_a_second_run_copies_nothing_twice_also_from_another_place_under_another_name(disk, out):
    first = found(disk / "a.jpg", b"photo"), found(disk / "b.jpg", b"b")
    copy(out, *first)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")}
    moved = found(disk / "moved" / "holiday.jpg", b"photo")
    assert Collector(out).missing([moved, first[1]]) == []
    report = copy(out, moved, first[1])
    assert (report.copied, report.already_there) == (0, 2)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.jpg")} == before


def test_copies_whose_manifest_was_lost_are_recognised_by_their_content(disk, out):
    photos = found(disk / "1" / "a.jpg", b"one"), found(disk / "2" / "a.jpg", b"two")
    copy(out, *photos)
    rows = manifest(out)
    (out / "manifest.json").unlink()
    (out / "manifest.csv").unlink()
    report = copy(out, *photos)
    assert (report.copied, report.already_there) == (0, 2)
    assert tree(out) == {"Mom/a.jpg": b"one", "Mom/a (2).jpg": b"two"}
    assert manifest(out) == rows


def test_a_manifest_whose_second_file_was_never_written_is_completed_by_the_next_run(disk, out, monkeypatch):
    first = found(disk / "a.jpg", b"a")
    copy(out, first)
    second = found(disk / "b.jpg", b"b")
    replace = collect._replace

    def killed_at_the_table(path: Path, data: bytes) -> None:
        if path.suffix == ".csv":
            raise KeyboardInterrupt
        replace(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(collect, "_replace", killed_at_the_table)
        with pytest.raises(KeyboardInterrupt):
            copy(out, first, second)
    for _ in range(2):
        assert copy(out, first, second).already_there == 2
        assert [row["copy"] for row in manifest(out)] == ["Mom/a.jpg", "Mom/b.jpg"]
        (out / "manifest.csv").unlink()


def test_a_copy_that_was_taken_away_is_made_again_and_stands_in_the_manifest_once(disk, out):
    photo = found(disk / "a.jpg", b"photo")
    copy(out, photo)
    (out / "Mom" / "a.jpg").write_bytes(b"another one, under its name")
    assert Collector(out).missing([photo]) == [photo]
    assert copy(out, photo).copied == 1
    assert [row["copy"] for row in manifest(out)] == ["Mom/a (2).jpg"]


def test_a_source_that_changed_or_went_is_told_and_not_copied(disk, out):
    changed, gone, good = (found(disk / f"{name}.jpg", name.encode()) for name in ("changed", "gone", "good"))
    (disk / "changed.jpg").write_bytes(b"CHANGED")
    (disk / "gone.jpg").unlink()
    report = copy(out, changed, gone, good)
    assert tree(out) == {"Mom/good.jpg": b"good"}
    assert dict(report.failures) == {
        str(disk / "changed.jpg"): "was changed while the program ran; run it again",
        str(disk / "gone.jpg"): "cannot be opened any more: No such file or directory",
    }
    assert [row["copy"] for row in manifest(out)] == ["Mom/good.jpg"]


def test_a_source_that_breaks_off_is_told_and_leaves_nothing(disk, out, monkeypatch):
    photo, good = found(disk / "a.jpg", b"photo"), found(disk / "good.jpg", b"good")

    class Scratched:
        def __init__(self, path: str):
            self._file = Path(path).open("rb")  # noqa: SIM115 - closed by __exit__
            self._blocks = iter([b"pho"])

        def read(self, size: int) -> bytes:
            if not self._file.name.endswith("a.jpg"):
                return self._file.read(size)
            if block := next(self._blocks, b""):
                return block
            raise OSError(5, "Input/output error")

        def fileno(self) -> int:
            return self._file.fileno()

        def __enter__(self):
            return self

        def __exit__(self, *error: object) -> None:
            self._file.close()

    monkeypatch.setattr(collect, "open_found", Scratched)
    report = copy(out, photo, good)
    assert report.failures == [(photo.source, "cannot be read any more: Input/output error")]
    assert tree(out) == {"Mom/good.jpg": b"good"}


def test_a_copy_that_reads_back_differently_is_not_kept(disk, out, monkeypatch):
    photo = found(disk / "a.jpg", b"photo")
    real_fsync = os.fsync

    def failing_drive(number: int) -> None:
        real_fsync(number)
        if Path(f"/proc/self/fd/{number}").readlink().name == PART and os.fstat(number).st_size == 5:
            (out / "Mom" / PART).write_bytes(b"phot0")

    monkeypatch.setattr(os, "fsync", failing_drive)
    with pytest.raises(DestinationError, match="the drive may be failing"):
        copy(out, photo)
    assert tree(out) == {}


def test_a_disk_that_fills_up_stops_cleanly_and_the_next_run_finishes(disk, small_disk):
    # Room for all at first; then another program fills the disk.
    photos = [found(disk / f"{number}.jpg", bytes([number]) * 200_000) for number in range(8)]
    out, filler = small_disk / "out", small_disk / "filler"

    def fill() -> None:
        with filler.open("ab") as file:
            free = os.statvfs(small_disk)
            file.write(bytes(max(0, free.f_bavail * free.f_frsize - 450_000)))

    with pytest.raises(DestinationError, match="It is full") as caught:
        copy(out, *photos, each=fill)
    assert caught.value.exit_code == 6
    copied = tree(out)
    assert 1 <= len(copied) < 8
    assert all(Path(disk, Path(name).name).read_bytes() == data for name, data in copied.items())
    filler.unlink()
    report = copy(out, *photos)
    assert (report.copied, report.already_there) == (8 - len(copied), len(copied))
    assert tree(out) == {f"Mom/{number}.jpg": bytes([number]) * 200_000 for number in range(8)}
    assert len(manifest(out)) == 8


def test_too_little_room_is_told_before_anything_is_copied(disk, small_disk):
    photos = [found(disk / f"{number}.jpg", bytes([number]) * 1_000_000) for number in range(4)]
    with pytest.raises(DestinationError, match=r"not enough room .* need 21 MB, 19 MB are free\. Free 2 MB or"):
        copy(small_disk / "out", *photos)
    assert tree(small_disk) == {}


def test_a_write_protected_destination_is_told_before_the_search(small_disk):
    (small_disk / "out").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for place in ("out", "not there yet/out"):
        with pytest.raises(DestinationError, match=r"write-protected\? Or name another folder with --copy"):
            Collector(small_disk / place)


@pytest.mark.parametrize("place", ["photo.jpg", "photo.jpg/out"])
def test_a_file_in_the_place_of_the_destination_is_told_before_the_search(tmp_path, place):
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    with pytest.raises(DestinationError, match=r"photo\.jpg is no folder\. Name another place with --copy"):
        Collector(tmp_path / place)
    assert (tmp_path / "photo.jpg").read_bytes() == b"photo"


def test_a_stick_pulled_during_the_copying_ends_the_run_and_the_computer_stays_untouched(disk, small_disk):
    photos = [found(disk / f"{number}.jpg", bytes([number])) for number in range(3)]

    def pull() -> None:
        subprocess.run(["umount", "--lazy", small_disk], check=True)

    with pytest.raises(DestinationError, match="Is it still there"):
        copy(small_disk, *photos, each=pull)
    assert list(small_disk.iterdir()) == [], "the empty folder on which the stick was mounted"
    subprocess.run(["mount", "-t", "tmpfs", "none", small_disk], check=True)  # for the fixture to unmount


def test_a_destination_removed_during_the_copying_ends_the_run(disk, out, tmp_path):
    photos = [found(disk / f"{number}.jpg", bytes([number])) for number in range(3)]
    with pytest.raises(DestinationError, match="Is it still there"):
        copy(out, *photos, each=lambda: out.rename(tmp_path / "elsewhere"))
    assert not out.exists()
    assert tree(tmp_path / "elsewhere") == {"Mom/0.jpg": b"\x00"}


def test_names_that_another_file_system_refuses_are_made_fit_and_stay_apart(disk, out):
    long = "é" * 124 + ".jpg"  # 252 bytes: legal, but too long with a number
    hostile = [b'a:b?"<c>|*.jpg', b"two\nlines\\.jpg", b"NUL.jpg", b"caf\xe9.jpg", long.encode()]
    photos = [found(disk / os.fsdecode(name), name) for name in hostile]
    photos += [found(disk / "2" / long, b"other"), found(disk / "plain.jpg", b"1", person="Who? Jr.")]
    photos += [found(disk / "plain.jpg", person="Who: Jr. ")]
    report = copy(out, *photos)
    assert (report.copied, report.failures) == (len(photos) - 1, [])
    names = sorted(tree(out))
    assert set(tree(out).values()) == {*hostile, b"other", b"1"}
    for name in names:
        assert not set(name) & set('\\:*?"<>|\n'), name
        assert len(Path(name).name.encode()) <= 255
        assert name.endswith(".jpg")
        assert Path(name).stem != "NUL"
        assert not Path(name).parent.name.endswith((".", " ")), name
    assert len(names) == len(photos) - 1
    # Two people whose names are the same on such a disk share a folder, but not a row.
    assert len(manifest(out)) == len(photos)
    assert Collector(out).missing(photos) == []
    assert {row["source"] for row in manifest(out)} == {photo.source for photo in photos}


def test_the_manifest_says_all_about_each_copy_and_grows_from_run_to_run(disk, out):
    first = found(
        disk / "b.jpg", b"b", taken="1999:08:11 12:35:00", also_at=(f"{disk}/again, b.jpg", f'{disk}/"x" é.jpg')
    )
    copy(out, first)
    second = found(disk / "a.jpg", b"a", person="Dad", verdict=Verdict.MAYBE, distance=0.5)
    copy(out, second)
    dad, mom = manifest(out)
    assert tuple(dad) == COLUMNS
    assert mom == {
        "source": str(disk / "b.jpg"),
        "copy": "Mom/b.jpg",
        "person": "Mom",
        "verdict": "sure",
        "distance": 0.3123,
        "box": [10, 21, 30, 40],
        "taken": "1999:08:11 12:35:00",
        "seen_at": "",
        "sha256": hashlib.sha256(b"b").hexdigest(),
        "also_at": [f"{disk}/again, b.jpg", f'{disk}/"x" é.jpg'],
    }
    assert (dad["copy"], dad["verdict"], dad["taken"]) == ("Dad/maybe/a.jpg", "maybe", None)
    assert (out / "manifest.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,copy,person,"), "as spreadsheets like it"


def test_a_manifest_from_before_videos_is_read_on(disk, out):
    first, second = found(disk / "a.jpg", b"a"), found(disk / "b.jpg", b"b")
    copy(out, first)
    [old] = manifest(out)
    del old["seen_at"]
    (out / "manifest.json").write_text(json.dumps([old]))
    report = copy(out, first, second)
    assert (report.copied, report.already_there) == (1, 1)
    assert [row["seen_at"] for row in manifest(out)] == ["", ""]


@pytest.mark.parametrize(
    "text", ["", "[{", "{}x", '{"name": "a web page"}', "[1]", "null", '[{"copy": "Mom/a.jpg"}]'], ids=repr
)
def test_a_manifest_that_is_damaged_or_not_ours_is_refused_with_the_remedy(out, text):
    out.mkdir()
    (out / "manifest.json").write_text(text)
    with pytest.raises(DestinationError, match=r"manifest\.json is damaged or .* Move it away or name another folder"):
        Collector(out)
    assert (out / "manifest.json").read_text() == text


def test_somebody_elses_manifest_csv_is_not_overwritten(out):
    out.mkdir()
    (out / "manifest.csv").write_text("my list of photos")
    with pytest.raises(DestinationError, match=r"manifest\.csv .* was not written by this program"):
        Collector(out)


def test_nothing_to_copy_makes_no_folder(out):
    assert copy(out) == CopyReport()
    assert not out.exists()
