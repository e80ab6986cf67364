"""A user who has searched the album once and now looks at the page."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import face_finder
from facefinder.find import Outcome, find
from facefinder.progress import NoProgress
from facefinder.report.write import report_on
from facefinder.settings import Settings, read_settings

# A small black-and-white copy of one photo is a poor reference: other photos of the same man are only `maybe`.
POOR_REFERENCE = "Stage & screen/what.jpg"


class Stick:
    """The folder of a user: references, index, page; and the search, run in this process."""

    def __init__(self, folder: Path, place: Path):
        self.folder, self.place, self.refs = folder, place, folder / "refs"
        self.page = folder / "report.html"

    def settings(self, *words: object) -> Settings:
        index = ["--index", self.folder / "index.sqlite", "--jobs", "1"]
        return read_settings([*map(str, ["--refs", self.refs, self.place, *words, *index])], face_finder.HOME)

    def find(self, *words: object) -> Outcome:
        return find(self.settings(*words), NoProgress())

    def report(self, *words: object) -> Outcome:
        """Search, and write the page."""
        outcome = self.find(*words)
        assert report_on(outcome, self.settings(*words), NoProgress()) == self.page
        return outcome


@pytest.fixture(scope="session")
def make_stick(album: Path, refs: Path) -> Callable[[Path], Stick]:
    """Makes a stick whose references are good ones of one man and a poor one of another."""

    def make(folder: Path) -> Stick:
        shutil.copytree(refs / "Barack Obama", folder / "refs" / "Barack Obama")
        (folder / "refs" / "Jerry Seinfeld").mkdir()
        with Image.open(album / POOR_REFERENCE) as photo:
            photo.convert("L").save(folder / "refs" / "Jerry Seinfeld" / "old.png")
        (folder / "refs" / "Jerry Seinfeld" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
        return Stick(folder, album)

    return make


@pytest.fixture(scope="session")
def looked_at(make_stick, tmp_path_factory) -> tuple[Stick, Outcome]:
    """A page for many tests, which change nothing."""
    stick = make_stick(tmp_path_factory.mktemp("looked at"))
    return stick, stick.report()


@pytest.fixture
def stick(looked_at, tmp_path) -> Stick:
    """A copy of that stick for one test."""
    shutil.copytree(looked_at[0].folder, tmp_path / "stick")
    return Stick(tmp_path / "stick", looked_at[0].place)
