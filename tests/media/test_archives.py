"""Photos in ZIP archives are files like others: found, read, copied; and no archive can do harm."""

import io
import os
import struct
import time
import zipfile
from pathlib import Path

import pytest

from facefinder.media import archives
from facefinder.media.archives import BOMB, DAMAGED, LEADS_OUT, TOO_LARGE, bytes_at, members, open_found, times_of
from facefinder.media.rules import Reason, Rules
from facefinder.media.walk import walk

PHOTO = b"\xff\xd8\xff a photo " * 1000
CHANGED = (2009, 8, 7, 6, 5, 4)


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, CHANGED), data, method)
    return path


class Walked:
    """What a walk finds, passes over and cannot read, by paths in the folder."""

    def __init__(self, folder: Path, rules: Rules):
        def inside(path: str) -> str:
            return path.removeprefix(f"{folder}{os.sep}")

        self.skipped: dict[str, Reason] = {}
        self.problems: dict[str, str] = {}
        self.found = {
            inside(file.path): file
            for file in walk(
                [folder],
                rules,
                on_skip=lambda path, reason: self.skipped.update({inside(path): reason}),
                on_problem=lambda path, why: self.problems.update({inside(path): why}),
            )
        }


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_photo_in_an_archive_is_a_file_with_a_path_a_size_and_a_time(tmp_path, method):
    files = {"Été/日本 1.JPG": PHOTO, "no suffix": b"x", "notes.txt": b"x", ".hidden.jpg": b"x", "inner.zip": b"x"}
    archive = pack(tmp_path / "Backup" / "phone.ZIP", files, method)
    walked = Walked(tmp_path, Rules(archives=True))
    assert set(walked.found) == {"Backup/phone.ZIP/Été/日本 1.JPG", "Backup/phone.ZIP/no suffix"}
    file = walked.found["Backup/phone.ZIP/Été/日本 1.JPG"]
    assert (file.bytes, file.modified_ns) == (len(PHOTO), archive.stat().st_mtime_ns)
    with open_found(file.path) as opened:
        assert opened.read() == PHOTO
        assert times_of(opened)[1] == time.mktime((*CHANGED, 0, 0, -1)) * 10**9
    assert (bytes_at(file.path), bytes_at(str(archive)), bytes_at(file.path + "x")) == (
        len(PHOTO),
        archive.stat().st_size,
        None,
    )
    with pytest.raises(FileNotFoundError):
        open_found(f"{archive}/gone.jpg")
    with pytest.raises(FileNotFoundError):
        open_found(str(tmp_path / "gone.zip" / "1.jpg"))


def test_archives_are_counted_and_left_alone_unless_they_are_asked_for_or_named(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.jpg": PHOTO, "Backup/2.jpg": PHOTO})
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "folder.zip" / "3.jpg").touch()
    walked = Walked(tmp_path, Rules())
    assert (set(walked.found), walked.skipped) == ({"folder.zip/3.jpg"}, {"a.zip": Reason.ARCHIVE})
    walked = Walked(tmp_path, Rules(archives=True, exclude=("Backup/2.jpg",)))
    assert set(walked.found) == {"folder.zip/3.jpg", "a.zip/1.jpg"}
    assert walked.skipped == {"a.zip/Backup/2.jpg": Reason.EXCLUDED}
    assert [file.path for file in walk([archive])] == [f"{archive}/1.jpg", f"{archive}/Backup/2.jpg"]


def test_a_file_with_a_password_is_counted(tmp_path):
    archive = pack(tmp_path / "a.zip", {"secret.jpg": PHOTO})
    data = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + flags] |= 1
    archive.write_bytes(data)
    walked = Walked(tmp_path, Rules(archives=True))
    assert (walked.found, walked.skipped) == ({}, {"a.zip/secret.jpg": Reason.PASSWORD})
    with pytest.raises(OSError, match=DAMAGED):
        open_found(f"{archive}/secret.jpg")


def test_what_is_damaged_is_named_and_the_rest_is_read(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.jpg": PHOTO, "2.jpg": PHOTO[::-1]}, zipfile.ZIP_STORED)
    data = archive.read_bytes()
    archive.write_bytes(data.replace(PHOTO, PHOTO[:-1] + b"?"))
    with pytest.raises(OSError, match=DAMAGED):
        open_found(f"{archive}/1.jpg")
    with open_found(f"{archive}/2.jpg") as opened:
        assert opened.read() == PHOTO[::-1]
    for name, broken in (("cut.zip", data[:-30]), ("no.zip", b"Dear diary"), ("empty.zip", b"")):
        (tmp_path / name).write_bytes(broken)
    (tmp_path / "a.zip").unlink()
    walked = Walked(tmp_path, Rules(archives=True))
    assert walked.found == {}
    assert walked.problems == dict.fromkeys(("cut.zip", "no.zip", "empty.zip"), f"cannot be opened: {DAMAGED}")


def test_what_would_fill_the_memory_or_leads_out_is_named_and_not_read(tmp_path, monkeypatch):
    pack(tmp_path / "bomb.zip", {"1.jpg": bytes(1 << 25), "icon.bmp": bytes(1 << 20)})
    pack(tmp_path / "out.zip", {"../../etc/1.jpg": PHOTO, "a\\..\\1.jpg": PHOTO, "/2.jpg": PHOTO, "a..jpg": PHOTO})
    walked = Walked(tmp_path, Rules(archives=True))
    assert set(walked.found) == {"bomb.zip/icon.bmp", "out.zip/a..jpg"}
    assert sorted(walked.problems.values()) == sorted([BOMB, *[LEADS_OUT] * 3])
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    [large, *_] = members(str(tmp_path / "out.zip"))
    assert (large.bytes, large.problem) == (len(PHOTO), LEADS_OUT)
    with pytest.raises(OSError, match=TOO_LARGE):
        open_found(f"{tmp_path}/out.zip/a..jpg")


def test_a_size_that_is_a_lie_costs_no_memory(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.jpg": bytes(1 << 24)})
    data = bytearray(archive.read_bytes())
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)
    archive.write_bytes(data)
    with pytest.raises(OSError, match=DAMAGED):
        open_found(f"{archive}/1.jpg")


def test_a_list_without_end_and_files_on_top_of_each_other_are_refused(tmp_path, monkeypatch):
    many = pack(tmp_path / "many.zip", {f"{number}.jpg": b"" for number in range(100)})
    monkeypatch.setattr(archives, "MOST_LISTED", 2000)
    with pytest.raises(OSError, match=DAMAGED):
        list(members(str(many)))
    monkeypatch.undo()
    assert len(list(members(str(many)))) == 100
    data = bytearray(many.read_bytes())
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 20 : at + 24] = struct.pack("<I", 1000)  # each says that it is most of the archive
    many.write_bytes(data)
    os.utime(many, (1, 1))
    with pytest.raises(OSError, match=DAMAGED):
        list(members(str(many)))


def test_an_archive_that_was_changed_meanwhile_is_read_anew(tmp_path):
    archive = pack(tmp_path / "a.zip", {"1.jpg": PHOTO})
    assert bytes_at(f"{archive}/2.jpg") is None
    pack(archive, {"1.jpg": PHOTO[:-1], "2.jpg": PHOTO})
    assert (bytes_at(f"{archive}/1.jpg"), bytes_at(f"{archive}/2.jpg")) == (len(PHOTO) - 1, len(PHOTO))
    assert isinstance(open_found(f"{archive}/1.jpg"), io.BytesIO)
