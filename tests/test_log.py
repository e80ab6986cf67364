"""Each run leaves a log on the stick that tells what was searched, found, and not read; nowhere else, nor for ever."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import face_finder
from facefinder import log as log_module
from facefinder.cli import main
from facefinder.log import RunLog
from facefinder.settings import read_settings


@pytest.fixture
def run(tmp_path: Path, refs: Path) -> Callable[..., int]:
    def run(*words: object) -> int:
        arguments = ["--refs", refs, "--index", tmp_path / "stick" / "index.sqlite", "--jobs", 1, *words]
        return main([str(word) for word in arguments], face_finder.HOME)

    (tmp_path / "stick").mkdir()
    return run


def logs(tmp_path: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted((tmp_path / "stick" / "logs").glob("*.txt"))]


def test_a_run_tells_what_was_searched_found_and_not_read(run, tmp_path, album):
    place = tmp_path / "Été"
    place.mkdir()
    shutil.copy(album / "Stage & screen" / "glasses.jpg", place)
    for number in range(9):
        (place / f"broken {number}.jpg").write_bytes(b"\xff\xd8\xff broken %d" % number)
    assert run("--copy", tmp_path / "out", place) == 1
    [text] = logs(tmp_path)
    assert f"--copy {tmp_path / 'out'} {place}\n" in text
    assert f"Searched:\n  {place}\n" in text
    assert re.search(rf"\n  Jerry Seinfeld  sure   0\.\d\d  {place / 'glasses.jpg'}\n", text)
    assert all(f"  {place / f'broken {number}.jpg'}: broken picture" in text for number in range(9))
    assert "looked at in" in text and "1 copy made" in text and "\nEnded on 2" in text
    [lines] = (tmp_path / "stick" / "logs").glob("*.jsonl")
    told = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert [line["matches"]["source"] for line in told if "matches" in line] == [str(place / "glasses.jpg")]
    assert sum("problems" in line for line in told) == 9
    assert (told[-1]["photos"], told[-1]["copies"]["copied"]) == (10, 1)


def test_a_run_of_groups_tells_the_same(tmp_path, album):
    (tmp_path / "stick").mkdir()
    place = album / "Family"
    words = ["groups", place, "--index", tmp_path / "stick" / "index.sqlite", "--groups", tmp_path / "groups"]
    assert main([str(word) for word in [*words, "--jobs", 1]], face_finder.HOME) == 0
    [text] = logs(tmp_path)
    assert f"Searched:\n  {place}\n" in text and "The faces are in:" in text


def test_a_run_that_cannot_go_on_tells_why_and_a_killed_one_that_it_has_no_end(run, tmp_path):
    assert run(tmp_path / "unplugged") == 4
    [text] = logs(tmp_path)
    assert "Is the disk plugged in" in text and "\nEnded on " in text
    RunLog(tmp_path / "stick" / "logs", ["--copy", "out"])
    texts = logs(tmp_path)
    assert len(texts) == 2, "of one minute or of two"
    [killed] = [text for text in texts if "Is the disk" not in text]
    assert "If no end is written below, the run was broken off." in killed and "Ended" not in killed


def test_the_last_runs_are_kept_and_what_the_user_put_there(tmp_path, monkeypatch):
    monkeypatch.setattr(log_module, "KEPT", 3)
    names = ["2019-01-02 03-04.txt", "2019-01-02 03-04.jsonl", "2019-01-02 03-04 (2).txt", "2020-05-06 07-08.txt"]
    for name in ("notes.txt", *names):
        (tmp_path / name).touch()
    RunLog(tmp_path, [])
    there = {path.name for path in tmp_path.iterdir()}
    assert {"notes.txt", *names} - there == {"2019-01-02 03-04.txt", "2019-01-02 03-04.jsonl"}
    assert len(there) == 4


def test_a_full_or_write_protected_stick_ends_no_run_and_what_is_remembered_nowhere_is_not_logged(
    tmp_path, monkeypatch, mount_small_disk
):
    disk = mount_small_disk(1 << 12)
    log = RunLog(disk / "logs", [])
    log.add("x" * 10_000, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert read_settings(["--no-index"], tmp_path).logs is None
    assert read_settings(["--index", "/media/stick/x.sqlite"], tmp_path).logs == Path("/media/stick/logs")
    (tmp_path / "index.sqlite").mkdir()  # as good as write-protected, for root too
    assert read_settings(["--copy", "/home/me/found"], tmp_path).logs is None
    (tmp_path / "logs").touch()
    RunLog(tmp_path / "logs", []).add("nowhere")
