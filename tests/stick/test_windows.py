"""The Windows build, run for real under Wine: run.bat finds people, from any place, and says what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from layout import ROOT

EVERYTHING = ("python/windows-x86_64", "lib", "models", "demo/refs", "demo/album", "refs", "face_finder.py", "run.bat")


@pytest.fixture
def windows_stick(master: Path, wine) -> Path:
    """What Windows needs of the stick, in C:\\Fotos é 日本\\."""
    to: Path = wine.drive_c / "Fotos é 日本"
    shutil.rmtree(to, ignore_errors=True)
    for name in EVERYTHING:
        source = master / name
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("linux-*", "macos-*")
            shutil.copytree(source, to / name, copy_function=os.link, ignore=ignored)
        else:
            os.link(source, to / name)
    return to


def test_run_bat_finds_the_people_in_the_album_with_two_workers_from_a_path_that_is_not_ascii(wine, windows_stick):
    result = wine([r"C:\Fotos é 日本\run.bat", "--demo", "--jobs", "2", "--quiet"], wine.drive_c)
    assert result.returncode == 0, result.stdout
    photos = json.loads((ROOT / "bootstrap" / "demo.json").read_text("utf-8"))["photos"]
    expected = {
        (person, Path(path).name) for path, entry in photos.items() if "album/" in path for person in entry["people"]
    }
    found = {(path.parent.name, path.name) for path in (windows_stick / "demo" / "found").glob("*/*.*")}
    assert len(found) >= 10 and found <= expected, found ^ expected
    assert (windows_stick / "index.sqlite").is_file()


def test_the_exit_codes_come_out_of_run_bat(wine, windows_stick):
    result = wine("run.bat --nonsense", windows_stick)
    assert result.returncode == 2
    assert "run.bat -h" in result.stdout
    assert wine(r"run.bat --refs demo\refs Q:\nowhere", windows_stick).returncode == 4
    shutil.rmtree(windows_stick / "models")
    (windows_stick / "models").mkdir()
    (windows_stick / "models" / ".complete").touch()
    assert wine(r"run.bat --refs demo\refs demo\album", windows_stick).returncode == 5


def test_a_double_click_looks_for_everyone_in_refs_and_copies_to_found_on_the_stick(wine, windows_stick):
    for person in (windows_stick / "demo" / "refs").iterdir():
        shutil.copytree(person, windows_stick / "refs" / person.name)
    [user] = [path for path in (wine.drive_c / "users").iterdir() if path.name != "Public"]
    pictures = user / "Pictures"
    if pictures.is_symlink():
        pictures.unlink()
    shutil.copytree(windows_stick / "demo" / "album", pictures / "Fotos ü", dirs_exist_ok=True)
    before = {path for path in user.rglob("*") if path.is_file()}
    result = wine("run.bat", windows_stick)
    assert result.returncode == 0, result.stdout
    assert "close this window" in result.stdout
    [computer] = (windows_stick / "found").iterdir()
    assert len(list(computer.glob("*/*.jpg"))) >= 10
    assert {path for path in user.rglob("*") if path.is_file()} == before


def test_with_nobody_in_refs_it_says_what_to_put_there(wine, windows_stick):
    result = wine("run.bat", windows_stick)
    assert result.returncode == 3
    assert "There are no photos in" in result.stdout and "Make a folder with the person's name" in result.stdout


def test_where_the_stick_cannot_be_written_to_it_says_where_the_index_is_kept(wine, windows_stick):
    # Root may write anywhere; a folder in the index's place may not be written to by anybody.
    (windows_stick / "index.sqlite").mkdir()
    result = wine(r"run.bat --refs demo\refs demo\album --jobs 1 --quiet", windows_stick)
    assert result.returncode == 0, result.stdout
    assert "cannot be written to" in result.stdout and "index.sqlite" in result.stdout


def test_settings_of_another_python_have_no_influence(wine, windows_stick):
    (windows_stick / "poison").mkdir()
    (windows_stick / "poison" / "json.py").write_text("raise SystemExit(77)")
    line = r"set PYTHONPATH=C:\Fotos é 日本\poison& set PYTHONHOME=Q:\nowhere& run.bat --version"
    result = wine(line, windows_stick)
    assert result.returncode == 0 and "Face Finder" in result.stdout


def test_run_bat_is_plain_text_of_windows_and_pins_the_python_that_builds():
    data = (ROOT / "run.bat").read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == data.count(b"\r\n") > 30
    text = data.decode()
    assert re.search(r'"SHA256=[0-9a-f]{64}"', text)
    for word in ("&&", "||", "powershell", "timeout"):
        assert word not in text.lower()
    labels = set(re.findall(r"^:(\w+)", text, re.M))
    assert set(re.findall(r"goto (\w+)", text)) <= labels


def test_a_file_taken_out_of_the_zip_alone_says_so(wine, tmp_path):
    shutil.copyfile(ROOT / "run.bat", tmp_path / "run.bat")
    result = wine("run.bat x", tmp_path)
    assert result.returncode == 9 and "unpack the whole ZIP" in result.stdout


def test_a_fresh_clone_that_cannot_fetch_says_so_and_can_be_started_again(wine, tmp_path):
    """Wine has no curl.exe: that is a network that does not answer."""
    (tmp_path / "bootstrap").mkdir()
    (tmp_path / "bootstrap" / "build.py").touch()
    shutil.copyfile(ROOT / "run.bat", tmp_path / "run.bat")
    for _ in range(2):
        result = wine("run.bat --demo", tmp_path)
        assert result.returncode == 9, result.stdout
        assert "Setting up, this once" in result.stdout and "network does not answer" in result.stdout


def test_a_stick_that_was_made_without_windows_says_so(wine, tmp_path):
    (tmp_path / "MANIFEST.sha256").touch()
    shutil.copyfile(ROOT / "run.bat", tmp_path / "run.bat")
    result = wine("run.bat", tmp_path)
    assert result.returncode == 9 and "made without the parts for Windows" in result.stdout
