"""Forgetting: no byte of what described a face, and no name, is left in any file; everything else stays."""

import os
import pty
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

import face_finder
from facefinder.errors import IndexFileError, UsageError
from facefinder.find import find
from facefinder.forget import Forgotten, forget, in_words
from facefinder.groups import groups
from facefinder.progress import NoProgress
from facefinder.report.page import GENERATOR
from facefinder.review.names import HELP
from facefinder.settings import read_settings

ROOT = face_finder.HOME
# Names that no path and no file of the program holds by chance.
OBAMA, SEINFELD = "Bärack-Zwölf", "Jérry-Elf"


class Stick:
    """A folder with an index, groups and refs; the program's commands run on it in this process."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tree, self.index = folder / "groups", folder / "index.sqlite"

    def settings(self, *words: object, command: str = ""):
        words = (*words, "--index", self.index, "--groups", self.tree, "--jobs", "1")
        return read_settings([*([command] if command else []), *map(str, words)], ROOT)

    def groups(self, *words: object):
        return groups(self.settings(*words, command="groups"), NoProgress())

    def find(self, *words: object):
        return find(self.settings(*words), NoProgress())

    def forget(self, *words: object, agree: bool = True) -> Forgotten:
        return forget(self.settings(*words, command="forget"), lambda question: agree)

    def rows(self, statement: str, *values: object) -> list:
        with closing(sqlite3.connect(self.index)) as database, database:
            return database.execute(statement, values).fetchall()

    def folder_of(self, photo: str) -> Path:
        """The folder in groups/ with most crops of those that show the face in a photo."""
        folders = [path for path in self.tree.iterdir() if list(path.glob(f"*{photo} ~*"))]
        return max(folders, key=lambda path: len(list(path.iterdir())))

    def vectors(self, where: str = "1", *values: object) -> set[bytes]:
        return {
            vector
            for (vector,) in self.rows(
                f"SELECT vector FROM face WHERE content IN (SELECT content FROM place WHERE {where})", *values
            )
        }

    def holds(self, traces: Iterable[bytes]) -> list[bytes]:
        """Those of the traces that stand in some file of the stick, or in a file's name."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        everything = [path.read_bytes() for path in files] + [os.fsencode(path) for path in self.folder.rglob("*")]
        return [trace for trace in traces if any(trace[:64] in data for data in everything)]


@pytest.fixture(scope="module")
def grouped(tmp_path_factory, album) -> Path:
    """The album grouped, two people with names, and a report."""
    stick = Stick(tmp_path_factory.mktemp("grouped") / "stick")
    stick.folder.mkdir()
    stick.groups(album)
    stick.folder_of("DSC_0101 left half").rename(stick.tree / OBAMA)
    stick.folder_of("1992 gala").rename(stick.tree / SEINFELD)
    stick.groups()
    (stick.folder / "report.html").write_text(f'<meta content="{GENERATOR}"><p>{OBAMA} and {SEINFELD}')
    (stick.folder / "logs").mkdir()
    for suffix in ("txt", "jsonl"):
        (stick.folder / "logs" / f"2026-11-27 21-30.{suffix}").write_text(OBAMA)
    return stick.folder


@pytest.fixture
def stick(grouped, tmp_path) -> Stick:
    shutil.copytree(grouped, tmp_path / "stick")
    return Stick(tmp_path / "stick")


def of_person(stick: Stick, name: str) -> set[bytes]:
    """The vectors of somebody's faces."""
    [(number,)] = stick.rows("SELECT DISTINCT person FROM naming WHERE name = ?", name)
    faces = stick.rows("SELECT vector FROM grouped JOIN face ON face.id = face WHERE person = ?", number)
    return {vector for (vector,) in faces}


def test_of_a_person_no_vector_no_crop_and_no_name_is_left_and_others_stay(stick):
    hers, others = of_person(stick, OBAMA), of_person(stick, SEINFELD)
    crops = len(list((stick.folder_of("DSC_0101 left half")).iterdir()))
    assert len(hers) == 4 and set(stick.holds([*hers, OBAMA.encode()])) == {*hers, OBAMA.encode()}
    [crop, *_] = stick.folder_of("DSC_0101 left half").iterdir()
    crop.rename(stick.folder_of("1992 gala") / crop.name)  # a step with both their names
    outcome = stick.forget("--person", OBAMA)
    assert stick.holds([*hers, OBAMA.encode()]) == []
    assert (outcome.faces >= 4, outcome.crops >= crops, outcome.reports) == (True, True, 3)
    assert set(stick.holds([*others, SEINFELD.encode()])) == {*others, SEINFELD.encode()}
    [named, moved] = [what for (what,) in stick.rows("SELECT what FROM step ORDER BY id")]
    assert SEINFELD in named
    assert moved == f"You moved 1 face from somebody to {SEINFELD}."


def test_the_groups_go_on_without_the_person_and_nothing_counts_as_deleted(stick):
    stick.forget("--person", OBAMA)
    outcome = stick.groups()
    assert (outcome.reading.steps, outcome.reading.notes) == ([], [])
    assert [person.name for person in outcome.people if person.name] == [SEINFELD]


def test_a_later_search_finds_the_forgotten_again(stick, refs, album):
    stick.forget("--person", OBAMA)
    outcome = stick.find("--refs", refs / "Barack Obama", album)
    assert len({match.sha256 for match in outcome.matches}) == 4
    assert 4 <= outcome.scan.analysed < 25


def test_of_somebody_known_by_reference_photos_alone_the_faces_go(stick, refs, album):
    found = stick.find("--refs", refs, album)
    hers = {
        vector
        for match in found.matches
        if match.person == "Jerry Seinfeld"
        for (vector,) in stick.rows(
            "SELECT vector FROM face JOIN content ON content.id = content WHERE sha256 = ? "
            "AND abs(x - ?) < 1 AND abs(y - ?) < 1",
            *(bytes.fromhex(match.sha256), match.box[0], match.box[1]),
        )
    } | stick.vectors("CAST(path AS TEXT) LIKE ?", f"{refs}/Jerry Seinfeld/%")
    assert len(hers) >= 7
    held = f"{refs}/Jerry Seinfeld/broken.jpg".encode()
    stick.rows("INSERT INTO quarantine VALUES ('here', ?, 1, 7, 7, 'it crashed')", held)
    outcome = stick.forget("--person", "jerry seinfeld", "--refs", refs)
    assert stick.holds(hers) == []
    assert b"broken.jpg" not in stick.index.read_bytes()
    assert outcome.remains == [str(refs / "Jerry Seinfeld")]
    assert str(refs / "Jerry Seinfeld") in in_words(outcome)


def test_the_leftovers_of_earlier_runs_go_too(stick):
    """SQLite leaves the bytes of what it deletes in the file, unless it is told not to."""
    left = stick.vectors("CAST(path AS TEXT) LIKE '%tracksuit%'")
    with closing(sqlite3.connect(stick.index)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE trash AS SELECT ? AS vector", (*left,))
        database.execute("DROP TABLE trash")
        database.execute("DELETE FROM face WHERE vector = ?", (*left,))
        database.commit()
    assert stick.holds(left)
    stick.forget("--person", OBAMA)
    assert not stick.holds(left)


def test_of_a_computer_goes_what_was_seen_there_alone(stick):
    computer = "PC-ÄNNA-9"
    only_there, both = "%/Family/%", "%/Washington/%"
    stick.rows("UPDATE place SET computer = ? WHERE CAST(path AS TEXT) LIKE ?", computer, only_there)
    stick.rows(
        "INSERT INTO place SELECT ?, 'C:\\' || path, bytes, modified_ns, content, run FROM place "
        "WHERE CAST(path AS TEXT) LIKE ?",
        *(computer, both),
    )
    stick.rows("INSERT INTO run (computer, started) VALUES (?, 1)", computer)
    stick.rows("INSERT INTO pile VALUES (?, ?)", computer, b"C:\\Users\\Anna")
    gone, stays = (
        stick.vectors("CAST(path AS TEXT) LIKE ?", only_there),
        stick.vectors("CAST(path AS TEXT) LIKE ?", both),
    )
    assert gone and stays
    outcome = stick.forget("--computer", computer)
    assert stick.holds([*gone, computer.encode(), b"C:\\Users"]) == []
    assert set(stick.holds(stays)) == stays
    assert outcome.faces == len(gone)
    assert stick.groups().reading.steps == []


def test_who_was_seen_on_that_computer_alone_is_forgotten_with_it(stick):
    stick.rows("UPDATE place SET computer = 'PC-ANNA'")
    stick.forget("--computer", "PC-ANNA")
    assert stick.holds([OBAMA.encode(), SEINFELD.encode()]) == []
    assert stick.rows("SELECT count(*) FROM face") == [(0,)]
    assert [path.name for path in stick.tree.iterdir()] == [HELP]


def test_all_is_all_but_what_the_user_put_there(stick):
    (stick.folder_of("1992 gala") / "my own.txt").write_text("mine")
    (stick.tree / "note.txt").write_text("mine")
    (stick.folder / "report.html").write_text("a page of the user's own")
    (stick.folder / "logs" / "captain.txt").write_text("mine")
    vectors = stick.vectors()
    outcome = stick.forget("--all")
    assert stick.holds(vectors) == []
    assert {path.name for path in stick.folder.rglob("*") if path.is_file()} == {
        *("note.txt", "my own.txt", "report.html", "captain.txt")
    }
    assert outcome.faces == len(vectors)
    with pytest.raises(IndexFileError, match="nothing is remembered"):
        stick.forget("--all")


def test_nothing_goes_without_a_yes(stick):
    before = {path: path.read_bytes() for path in stick.folder.rglob("*") if path.is_file() and path != stick.index}
    outcome = stick.forget("--all", agree=False)
    assert not outcome.done and in_words(outcome) == "Nothing was removed."
    assert {path: path.read_bytes() for path in before} == before
    assert stick.rows("SELECT count(*) FROM face") != [(0,)]


def test_who_and_what_is_not_known_is_told(stick):
    with pytest.raises(UsageError, match=f"no person called 'Mum'. There are: {OBAMA}, {SEINFELD}"):
        stick.forget("--person", "Mum")
    with pytest.raises(UsageError, match="No computer called 'PC'"):
        stick.forget("--computer", "PC")
    with pytest.raises(UsageError, match="Say what to forget"):
        stick.forget()


def test_the_command_asks_at_a_terminal_and_nowhere_else(stick, face_finder_command):
    words = ("forget", "--all", "--index", stick.index, "--groups", stick.tree)
    run = face_finder_command(*words)
    assert (run.returncode, run.stdout) == (2, "") and "--yes" in run.stderr
    process, terminal = pty.fork()
    if process == 0:
        os.execvp("bash", ["bash", str(ROOT / "run.sh"), *map(str, words)])
    os.write(terminal, b"n\n")
    written = b""
    while True:
        try:
            written += os.read(terminal, 1 << 16)
        except OSError:  # Linux's way to say that the other side is closed
            break
    assert os.waitpid(process, 0)[1] == 0
    assert b"The photos themselves stay. [y/N]" in written and b"Nothing was removed." in written
    assert stick.index.exists()
    run = face_finder_command(*words, "--yes")
    assert not (stick.folder / "logs").exists()
    assert (run.returncode, stick.index.exists()) == (0, False)
    assert "Forgotten: everybody." in run.stdout
