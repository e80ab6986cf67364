"""A user who has searched and grouped the album once, and now opens the review page."""

import platform
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from PIL import Image

import face_finder
from facefinder.find import Outcome, find, spec_of
from facefinder.groups import GroupsOutcome, bring_up_to_date, groups
from facefinder.index import Index
from facefinder.match import Verdict
from facefinder.progress import NoProgress
from facefinder.review_page.server import Sitting, pages, serve
from facefinder.review_page.session import Session
from facefinder.settings import Settings, read_settings

# A black-and-white copy of one photo is a poor reference: four photos of the same man are only `maybe`.
POOR_REFERENCE = "Stage & screen/what.jpg"
MAYBE = {"glasses", "IMG_0047", "monologue", "street"}


class Stick:
    """The folder of a user: references, index, groups folder; and the commands, run in this process."""

    def __init__(self, folder: Path, place: Path):
        self.folder, self.place = folder, place
        self.refs, self.tree = folder / "refs", folder / "groups"
        self._words = ["--index", str(folder / "index.sqlite"), "--groups", str(self.tree), "--jobs", "1"]

    def settings(self, *words: object) -> Settings:
        return read_settings([*map(str, words), *self._words], face_finder.HOME)

    def find(self, *words: object) -> Outcome:
        return find(self.settings("--refs", self.refs, self.place, *words), NoProgress())

    def groups(self, *words: object) -> GroupsOutcome:
        return groups(self.settings("groups", *words), NoProgress())

    def found(self, person: str) -> dict[str, Verdict]:
        """Photo -> verdict, as the next search says."""
        return {Path(match.source).stem: match.verdict for match in self.find().matches if match.person == person}

    @contextmanager
    def index(self) -> Iterator[tuple[Index, Session]]:
        """A sitting without a server."""
        settings = self.settings("review", "--refs", self.refs)
        spec = spec_of(settings)
        with Index(settings.index, spec.key, platform.node()) as index:
            yield index, Session(index, spec, settings)

    def bring_up_to_date(self, index: Index) -> None:
        bring_up_to_date(self.settings("review", "--refs", self.refs), index, NoProgress())


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory, album: Path, refs: Path) -> Path:
    """The album searched and grouped once, and nothing said."""
    folder = tmp_path_factory.mktemp("searched")
    stick = Stick(folder, album)
    shutil.copytree(refs / "Barack Obama", stick.refs / "Barack Obama")
    (stick.refs / "Jerry Seinfeld").mkdir()
    with Image.open(album / POOR_REFERENCE) as photo:
        photo.convert("L").save(stick.refs / "Jerry Seinfeld" / "old.png")
    stick.groups(album)
    stick.find()
    return folder


@pytest.fixture
def stick(searched: Path, album: Path, tmp_path: Path) -> Stick:
    """A copy of it for one test."""
    shutil.copytree(searched, tmp_path / "stick")
    return Stick(tmp_path / "stick", album)


class Served:
    """The page while it is open: its address (works once), and where it lies. close() is the user's Done."""

    def __init__(self, stick: Stick, index: Index, session: Session):
        self.session, self.sitting = session, Sitting(600)
        started = threading.Event()
        gate = pages(index, session, self.sitting, "run.sh")

        def on_start(port: int) -> None:
            self.address = gate.opens_at(port)
            started.set()

        # A daemon: where a test fails, the rest is not to wait for it for ever.
        self._thread = threading.Thread(target=serve, args=(gate, self.sitting.is_over, on_start), daemon=True)
        self._thread.start()
        assert started.wait(10)
        self.base, _, self.token = self.address.partition("/open?token=")

    def wait(self, seconds: float = 10) -> bool:
        """Whether the server has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


@contextmanager
def opened(stick: Stick) -> Iterator[Served]:
    """The page of a stick, open for a while."""
    with stick.index() as (index, session):
        served = Served(stick, index, session)
        try:
            yield served
        finally:
            served.sitting.finish()
            assert served.wait()


@pytest.fixture
def open_page(stick: Stick) -> Iterator[Callable[[], Served]]:
    """Opens the page of the test's own stick; it is closed after the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened(stick))


@pytest.fixture(scope="module")
def looked_at(searched: Path, album: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page that is open for many tests, which change nothing."""
    folder = tmp_path_factory.mktemp("looked at") / "stick"
    shutil.copytree(searched, folder)
    with opened(Stick(folder, album)) as served:
        yield served
