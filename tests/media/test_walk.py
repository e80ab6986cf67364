"""Which files of a disk are opened, in which order, and that opening leaves no mark."""

import os
from pathlib import Path

import pytest

from facefinder.media.files import open_untouched
from facefinder.media.walk import outermost, walk


def make(folder: Path, *names: str) -> Path:
    """Create files, and the folders above them; each holds its own name."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(name))
    return folder


def found(*roots: Path, **options) -> list[str]:
    """What walk() yields, relative to the first root."""
    return [os.path.relpath(file.path, roots[0]) for file in walk(roots, **options)]


def test_every_folder_is_searched_and_files_come_in_the_order_of_their_names(tmp_path):
    make(tmp_path, "b.jpg", "a.jpg", "2020/z.heic", "2019/trip/d.png", "2019/y.tiff", "2019/c.webp", "letter.docx")
    assert found(tmp_path) == ["a.jpg", "b.jpg", "2019/c.webp", "2019/y.tiff", "2019/trip/d.png", "2020/z.heic"]


def test_capital_suffixes_every_format_and_files_without_suffix_are_found(tmp_path):
    names = ["A.JPG", "a.jpeg", "b.png", "c.WebP", "d.HEIC", "e.heif", "f.avif", "g.tif", "h.bmp", "i.gif", "IMG_1"]
    make(tmp_path, *names, "video.mp4", "song.mp3", "program.exe")
    assert sorted(found(tmp_path)) == sorted(names)
    assert [Path(file.path).name for file in walk([tmp_path]) if not file.has_photo_suffix] == ["IMG_1"]


def test_names_in_any_script_are_found_and_can_be_opened(tmp_path):
    names = [
        "Фото 1.jpg",
        "写真.jpg",
        "صورة.jpg",
        "ภาพ.jpg",
        "é.jpg",
        "e\u0301.jpg",
        "👪.jpg",
        "new\nline.jpg",
        "'\".jpg",
    ]
    names.append(os.fsdecode(b"caf\xe9.jpg"))  # from a disk of the time before Unicode
    make(tmp_path, *names)
    assert sorted(found(tmp_path)) == sorted(names)
    for file in walk([tmp_path]):
        with open_untouched(file.path) as opened:
            assert opened.read() == os.fsencode(Path(file.path).name)


def test_links_and_link_loops_are_not_followed(tmp_path):
    make(tmp_path, "disk/a/photo.jpg", "elsewhere/other.jpg")
    disk = tmp_path / "disk"
    (disk / "a" / "loop").symlink_to(disk)
    (disk / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (disk / "link.jpg").symlink_to(tmp_path / "elsewhere" / "other.jpg")
    (disk / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert found(disk) == ["a/photo.jpg"]


def test_the_stick_and_the_destination_are_passed_over_under_any_name(tmp_path):
    make(tmp_path, "disk/photo.jpg", "disk/out/copy.jpg", "disk/out/Ann/copy.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "disk" / "out")
    assert found(tmp_path / "disk", never=[tmp_path / "alias", tmp_path / "not there"]) == ["photo.jpg"]


def test_trash_caches_and_the_shadow_files_of_macos_are_passed_over(tmp_path):
    make(
        tmp_path,
        *("$RECYCLE.BIN/a.jpg", ".Trash-1000/files/a.jpg", ".Trashes/a.jpg", ".Trash/a.jpg", ".thumbnails/a.png"),
        *("System Volume Information/a.jpg", "code/.git/a.png", "code/node_modules/a.png", "._IMG_1.JPG", ".DS_Store"),
        *(".private/kept.jpg", "Trash talk/kept.jpg"),
    )
    assert found(tmp_path) == [".private/kept.jpg", "Trash talk/kept.jpg"]


def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_is_searched(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "locked/2.jpg", "z/3.jpg")
    list_folder = os.scandir

    def refuse(folder):  # removing permissions does not stop root, as whom tests often run
        if os.path.basename(folder) == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    problems: list[tuple[str, str]] = []
    assert found(tmp_path, on_problem=lambda *problem: problems.append(problem)) == ["a/1.jpg", "z/3.jpg"]
    assert problems == [(str(tmp_path / "locked"), "folder cannot be opened: Permission denied")]


def test_what_vanishes_during_the_search_is_reported_and_the_rest_is_searched(tmp_path):
    make(tmp_path, "1.jpg", "2.jpg", "3.jpg", "gone/4.jpg", "here/5.jpg")
    problems: list[str] = []
    files = walk([tmp_path], on_problem=lambda path, why: problems.append(Path(path).name))
    names = [Path(next(files).path).name]
    (tmp_path / "2.jpg").unlink()
    (tmp_path / "gone" / "4.jpg").unlink()
    (tmp_path / "gone").rmdir()
    names += [Path(file.path).name for file in files]
    assert names == ["1.jpg", "3.jpg", "5.jpg"]
    assert problems == ["2.jpg", "gone"]


def test_a_place_can_be_a_single_file(tmp_path):
    make(tmp_path, "photo.jpg", "other.jpg")
    assert [file.path for file in walk([tmp_path / "photo.jpg"])] == [str(tmp_path / "photo.jpg")]


def test_a_place_named_twice_is_searched_once(tmp_path):
    make(tmp_path, "disk/trip/photo.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "disk")
    disk = tmp_path / "disk"
    places = outermost([disk / "trip", disk, tmp_path / "alias", disk, disk / "trip" / "photo.jpg"])
    assert found(*places) == ["trip/photo.jpg"]


def test_reading_a_photo_leaves_its_access_time_as_it_was(tmp_path):
    file = make(tmp_path, "photo.jpg") / "photo.jpg"
    long_ago = 1_000_000_000

    def access_time_after(open_it) -> int:
        os.utime(file, ns=(long_ago, 2 * long_ago))
        with open_it(str(file)) as opened:
            opened.read()
        return file.stat().st_atime_ns

    if access_time_after(lambda path: open(path, "rb")) == long_ago:  # noqa: SIM115 - access_time_after closes it
        pytest.skip("this file system is mounted so that reading never changes an access time")
    assert access_time_after(open_untouched) == long_ago
