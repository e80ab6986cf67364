"""A disk that is pulled out while it is searched: the run says so in its own way, and the next one finishes the job."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import face_finder
from facefinder import cli
from facefinder.progress import NoProgress

PHOTOS = ("1992 gala", "glasses", "monologue", "piano", "stand-up", "what")  # Jerry Seinfeld is on five


@pytest.fixture
def disk(tmp_path: Path, album: Path) -> Path:
    """A disk's photos, in the order in which they are searched."""
    disk = tmp_path / "photos of the disk"
    disk.mkdir()
    for name in PHOTOS:
        shutil.copy(album / "Stage & screen" / f"{name}.jpg", disk)
    (disk / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return disk


def search(monkeypatch, capsys, *words: object, pull: Callable[[], None] = lambda: None, after: int = 0) -> tuple:
    """Exit code and result of a run in this process. pull: what happens in the world after so many files."""

    class World(NoProgress):
        done = 0

        def advance(self, note: str = "") -> None:
            self.done += 1
            if self.done == after:
                pull()

    monkeypatch.setattr(cli, "choose_progress", lambda quiet: World())
    code = cli.main([*map(str, words), "--jobs", "1"], face_finder.HOME)
    return code, capsys.readouterr().out


@pytest.mark.parametrize("command", ["find", "groups"])
def test_a_disk_pulled_out_during_the_search(disk, refs, tmp_path, monkeypatch, capsys, command):
    place, words = tmp_path / "disk", ["--index", tmp_path / "index.sqlite", "--groups", tmp_path / "groups"]
    disk.rename(place)
    words = ["groups", *words, place] if command == "groups" else [*words, "--refs", refs, place]
    code, said = search(monkeypatch, capsys, *words, pull=lambda: place.rename(disk), after=3)
    assert code == 4
    assert f"{place} went away while it was searched." in said and "start the same command again" in said
    assert "could not be read" not in said
    disk.rename(place)
    code, said = search(monkeypatch, capsys, *words)
    assert code == 1, "for the broken photo"
    assert "went away" not in said and "4 of them for the first time" in said
    assert f"{place / 'broken.jpg'}: broken picture" in said


def test_a_disk_pulled_out_before_all_is_copied(disk, refs, tmp_path, monkeypatch, capsys):
    place, out = tmp_path / "disk", tmp_path / "out"
    disk.rename(place)
    words = ["--json", "--index", tmp_path / "index.sqlite", "--refs", refs, "--copy", out, place]
    code, said = search(monkeypatch, capsys, *words, pull=lambda: place.rename(disk), after=len(PHOTOS) + 1 + 2)
    first = json.loads(said)
    assert (code, first["gone"], first["copies"]["copied"]) == (4, [str(place)], 2)
    assert len(first["copies"]["failures"]) == 3
    disk.rename(place)
    code, said = search(monkeypatch, capsys, *words)
    second = json.loads(said)
    assert (code, second["gone"], second["analysed"]) == (1, [], 0)
    assert (second["copies"]["copied"], second["copies"]["already_there"]) == (3, 2)
    copies = sorted(path.read_bytes() for path in (out / "Jerry Seinfeld").iterdir())
    assert copies == sorted((place / f"{name}.jpg").read_bytes() for name in PHOTOS if name != "piano")


def test_a_disk_pulled_out_below_the_searched_place(disk, refs, tmp_path, mount_small_disk, monkeypatch, capsys):
    mounted = mount_small_disk(16 << 20)
    shutil.copytree(disk, mounted, dirs_exist_ok=True)

    def pull() -> None:
        subprocess.run(["umount", "--lazy", mounted], check=True)

    words = ["--json", "--index", tmp_path / "index.sqlite", "--refs", refs, mounted.parent]
    code, said = search(monkeypatch, capsys, *words, pull=pull, after=2)
    result = json.loads(said)
    assert (code, result["gone"]) == (4, [str(mounted)])
    assert list(mounted.iterdir()) == [], "an empty folder comes to light"
    subprocess.run(["mount", "-t", "tmpfs", "none", mounted], check=True)  # for the fixture to unmount


def test_a_destination_that_goes_before_all_is_copied(disk, refs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    words = ["--json", "--index", tmp_path / "index.sqlite", "--refs", refs, "--copy", out, disk]

    def pull() -> None:
        out.rename(tmp_path / "pulled out")

    code, said = search(monkeypatch, capsys, *words, pull=pull, after=len(PHOTOS) + 1 + 2)
    assert (code, out.exists()) == (6, False)
    told = json.loads(said)
    assert len(told["matches"]) == 5 and told["copies"] is None, "what was found is told all the same"
    assert Path(told["report"]).is_file()
    (tmp_path / "pulled out").rename(out)
    code, said = search(monkeypatch, capsys, *words)
    result = json.loads(said)
    assert (code, result["analysed"]) == (1, 0)
    copies = sorted(path.read_bytes() for path in (out / "Jerry Seinfeld").iterdir())
    assert copies == sorted((disk / f"{name}.jpg").read_bytes() for name in PHOTOS if name != "piano")
    assert len(json.loads((out / "manifest.json").read_text())) == 5
