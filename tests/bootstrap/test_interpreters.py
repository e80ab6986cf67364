"""Interpreters: unpacked without links, without needless parts, and known by what they hold."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from archives import unpack
from interpreters import given_interpreters, needed_files
from layout import SetupError

ELF = b"\x7fELF" + bytes(14) + bytes([62, 0])
MACHO = bytes.fromhex("cffaedfe0c000001") + bytes(12)


def archive(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"python/{name}")
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(f"python/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            packed.addfile(entry)
    return path


def test_links_become_the_files_that_they_point_at_and_those_that_lead_outside_are_left_out(tmp_path):
    links = {"bin/python3": "python3.11", "bin/python": "python3", "lib/out": "../../../etc/passwd", "lib/loop": "loop"}
    files = unpack(archive(tmp_path / "a.tar.gz", {"bin/python3.11": ELF}, links))
    assert files == {"bin/python3.11": ELF, "bin/python3": ELF, "bin/python": ELF}


def test_a_file_that_would_land_outside_is_refused(tmp_path):
    with pytest.raises(SetupError, match="no honest archive"):
        unpack(archive(tmp_path / "a.tar.gz", {"../../evil": b""}))


def test_the_platform_is_read_from_the_interpreter(tmp_path):
    linux = archive(tmp_path / "l.tar.gz", {"bin/python3.11": ELF})
    macos = archive(tmp_path / "m.tar.gz", {"bin/python3.11": MACHO})
    windows = tmp_path / "w.zip"
    with zipfile.ZipFile(windows, "w") as packed:
        packed.writestr("python.exe", b"MZ")
        packed.writestr("python311.dll", b"MZ")
    given = given_interpreters([linux, macos, windows])
    assert {platform: each.path for platform, each in given.items()} == {
        "linux-x86_64": linux,
        "macos-arm64": macos,
        "windows-x86_64": windows,
    }


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"nowhere\.zip cannot be read"):
        given_interpreters([tmp_path / "nowhere.zip"])


def test_what_no_program_needs_is_left_out():
    kept = {
        "bin/python3.11": ELF,
        "lib/python3.11/json/__init__.py": b"",
        "lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so": b"",
        "lib/python3.11/LICENSE.txt": b"",
    }
    dropped = {
        "bin/pip": b"",
        "include/python3.11/Python.h": b"",
        "lib/libpython3.11.so.1.0": b"",
        "lib/tcl8.6/init.tcl": b"",
        "lib/python3.11/test/test_json.py": b"",
        "lib/python3.11/idlelib/run.py": b"",
        "lib/python3.11/tkinter/__init__.py": b"",
        "lib/python3.11/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so": b"",
        "lib/python3.11/site-packages/pip/__init__.py": b"",
        "lib/python3.11/__pycache__/os.cpython-311.pyc": b"",
        "share/man/man1/python3.1": b"",
    }
    assert needed_files(kept | dropped) == kept


def test_the_shared_library_stays_where_the_program_asks_for_it():
    files = {"bin/python3.11": ELF + b"libpython3.11.so.1.0", "lib/libpython3.11.so.1.0": b"", "lib/libz.so.1": b""}
    assert needed_files(files) == files
