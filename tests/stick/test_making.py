"""Making a stick: small, plain files; updated, gone on with, refused and verified."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import namedtuple

import pytest

from layout import ROOT, host_platform
from manifest import MANIFEST, read_manifest
from tests.stick.conftest import WINDOWS
from verify import verify_stick


def test_each_platform_stays_within_its_limits(master):
    names = read_manifest(master)
    for platform in (host_platform(), WINDOWS):
        others = tuple(
            f"{folder}/{other}"
            for folder in ("python", "lib/vendor")
            for other in {host_platform(), WINDOWS} - {platform}
        )
        files = [master / name for name in names if not name.startswith((*others, "demo/"))]
        assert len(files) <= 4000
        assert sum(path.stat().st_size for path in files) <= 540_000_000, platform


def test_no_links_no_long_paths_and_no_names_that_windows_takes_for_one(master):
    paths = [path for path in master.rglob("*") if not path.is_dir()]
    names = [path.relative_to(master).as_posix() for path in paths]
    assert not [path for path in paths if path.is_symlink()]
    assert max(map(len, names)) <= 140
    assert len({name.lower() for name in names}) == len(names)
    assert not [name for name in names if re.search(r'[<>:"\\|?*]|[. ](/|$)', name)]


def test_bytecode_is_never_compared_with_the_time_of_its_source(master):
    bytecode = list(master.rglob("*.pyc"))
    assert len(bytecode) > 500
    for path in bytecode:
        with path.open("rb") as file:
            assert file.read(8)[4:] == b"\x01\0\0\0", path
    for source in (master / "lib" / "facefinder").rglob("*.py"):
        assert (source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc").is_file()


def test_no_tests_headers_or_stubs_travel(master):
    unneeded = re.compile(r"/(tests?|include)/|\.(pyi|pyx|pxd|h|hpp|c|a|lib)$")
    assert not [name for name in read_manifest(master) if unneeded.search(name)]


def test_the_manifest_is_one_that_sha256sum_reads_and_names_every_file(master):
    result = subprocess.run(["sha256sum", "--check", "--quiet", "--strict", MANIFEST], cwd=master, check=False)
    assert result.returncode == 0
    there = {path.relative_to(master).as_posix() for path in master.rglob("*") if path.is_file()}
    assert there - {MANIFEST} == read_manifest(master).keys()


def test_verify_finds_what_is_missing_changed_and_added_and_leaves_the_users_own_files_alone(stick):
    files = ("index.sqlite", "report.html", "face_finder.toml")
    for own in ("refs/Mom/1.jpg", "found/PC/Mom/1.jpg", *files, "Holidays/x.txt"):
        (stick / own).parent.mkdir(parents=True, exist_ok=True)
        (stick / own).touch()
    assert verify_stick(stick) == []
    missing, changed, added = stick / "run.sh", stick / "models" / "yunet.onnx", stick / "lib" / "evil.py"
    missing.unlink()
    data = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(b"x" + data[1:])
    added.touch()
    assert set(verify_stick(stick)) == {f"missing: {missing}", f"changed: {changed}", f"added:   {added}"}


def test_a_broken_off_build_goes_on_where_it_was_and_an_obsolete_file_goes(stick, maker, capsys):
    for name in ("run.sh", "models/yunet.onnx"):
        (stick / name).unlink()
    mine = stick / "refs" / "Mom" / "1.jpg"
    mine.parent.mkdir()
    mine.touch()
    manifest = stick / MANIFEST
    text = manifest.read_text()
    manifest.unlink()
    manifest.write_text(text + f"{'0' * 64}  lib/vendor/{WINDOWS}/old package/old.py\n")
    obsolete = stick / f"lib/vendor/{WINDOWS}/old package/old.py"
    obsolete.parent.mkdir()
    obsolete.touch()
    capsys.readouterr()
    assert maker.run(stick, "--demo", "--from-cache") == 0
    assert "Copying 2 files" in capsys.readouterr().out
    assert not obsolete.parent.exists() and mine.exists()
    assert verify_stick(stick) == []


def test_another_platform_that_is_on_the_stick_stays(stick, maker):
    assert maker.run(stick, "--demo", platforms=host_platform()) == 0
    assert (stick / "python" / WINDOWS / "python.exe").is_file()
    assert verify_stick(stick) == []


def test_too_little_room_is_told_before_anything_is_copied(tmp_path, maker, monkeypatch, capsys):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 50_000_000))
    assert maker.run(tmp_path / "full") == 1
    assert re.search(
        r"too little room .* are needed and 50.0 MB are free. Make \d+ MB more room", capsys.readouterr().err
    )
    assert not (tmp_path / "full").exists()


def test_without_a_network_and_a_cache_it_says_what_is_missing(tmp_path, maker, capsys):
    assert maker.run(tmp_path / "to", "--from-cache", "--cache", str(tmp_path / "empty")) == 1
    assert "--from-cache forbids to download" in capsys.readouterr().err


def test_a_runtime_that_is_none_is_refused(tmp_path, maker, capsys):
    wrong = tmp_path / "wrong.tar.gz"
    subprocess.run(["tar", "czf", wrong, "-C", ROOT, "LICENSE"], check=True)
    assert maker.run(tmp_path / "to", "--runtime", str(wrong)) == 1
    assert "holds no Python 3.11" in capsys.readouterr().err


def test_the_python_that_run_bat_fetches_is_pinned_at_the_same_release_as_the_others():
    text = (ROOT / "run.bat").read_text()
    [url] = re.findall(r'"URL=(https://\S+)"', text)
    pinned = json.loads((ROOT / "bootstrap" / "interpreters.json").read_text())["linux-x86_64"]["archives"][0]
    expected = pinned["sources"][0]["url"].replace("x86_64-unknown-linux-gnu", "x86_64-pc-windows-msvc")
    assert url.replace("%%", "%") == expected


@pytest.mark.parametrize("entry", ["linux-x86_64", "linux-aarch64", "macos-arm64", "windows-x86_64"])
def test_every_interpreter_is_pinned_with_its_official_source_first(entry):
    archives = json.loads((ROOT / "bootstrap" / "interpreters.json").read_text())[entry]["archives"]
    for archive in archives:
        assert re.fullmatch("[0-9a-f]{64}", archive["sha256"])
    assert re.match(r"https://(www\.python\.org|github\.com/astral-sh)/", archives[0]["sources"][0]["url"])


def test_the_program_on_the_stick_is_the_checkouts(master):
    for path in (ROOT / "lib" / "facefinder").rglob("*.py"):
        assert (master / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    assert shutil.which("bash") and os.access(master / "run.sh", os.R_OK)
