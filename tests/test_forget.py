"""Forgetting: no byte of what described a face, and no name, is left in any file; everything else stays."""

import json
import os
import pty
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import face_finder
from facefinder.errors import IndexFileError, IndexInUse, UsageError
from facefinder.find import find
from facefinder.forget import Forgotten, forget, in_words
from facefinder.groups import groups
from facefinder.progress import NoProgress
from facefinder.report.page import GENERATOR
from facefinder.report.write import report_on
from facefinder.review.names import HELP
from facefinder.settings import read_settings
from facefinder.storage.database import encrypt

ROOT = face_finder.HOME
# Names that no path and no file of the program holds by chance.
OBAMA, SEINFELD = "Bärack-Zwölf", "Jérry-Elf"


class Stick:
    """A folder with an index, groups and refs; the program's commands run on it in this process."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tree, self.index = folder / "groups", folder / "index.sqlite"

    def settings(self, *words: object, command: str = ""):
        words = (
            *words,
            "--index",
            self.index,
            "--groups",
            self.tree,
            *(() if command == "forget" else ("--jobs", "1")),
        )
        return read_settings([*([command] if command else []), *map(str, words)], ROOT)

    def groups(self, *words: object):
        return groups(self.settings(*words, command="groups"), NoProgress())

    def find(self, *words: object):
        return find(self.settings(*words), NoProgress())

    def forget(self, *words: object, agree: bool = True) -> Forgotten:
        settings = replace(self.settings(*words, command="forget"), home=self.folder)
        return forget(settings, lambda question: agree)

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
        "INSERT INTO place SELECT ?, 'C:\\' || path, bytes, modified_ns, content, run, search FROM place "
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


def test_faces_found_with_other_settings_go_too(stick, refs, album):
    """Nobody remembers with which flags a computer was searched."""
    stick.find("--refs", refs, album, "--min-face", "40")
    in_both = stick.rows("SELECT count(DISTINCT analyzer) FROM face")
    hers = {
        vector
        for vector, _ in stick.rows("SELECT vector, content FROM face WHERE analyzer = (SELECT max(id) FROM analyzer)")
    } & of_person_anywhere(stick, OBAMA)
    assert in_both == [(2,)] and hers
    stick.forget("--person", OBAMA)
    assert stick.holds(hers) == []
    assert stick.rows("SELECT count(DISTINCT analyzer) FROM face") == [(2,)], "the others stay"


def of_person_anywhere(stick: Stick, name: str) -> set[bytes]:
    """The vectors of somebody's faces, whatever analyzer found them: those at the boxes of the grouped ones."""
    [(number,)] = stick.rows("SELECT DISTINCT person FROM naming WHERE name = ?", name)
    found = stick.rows(
        "SELECT face.vector FROM grouped JOIN face AS known ON known.id = grouped.face "
        "JOIN face ON face.content = known.content AND abs(face.x - known.x) < 2 AND abs(face.y - known.y) < 2 "
        "WHERE person = ?",
        number,
    )
    return {vector for (vector,) in found}


@pytest.mark.parametrize("broken_off", ["erase_contents", "erase_people", "os.replace"])
def test_whatever_breaks_it_off_the_same_command_does_the_rest(stick, monkeypatch, broken_off):
    hers = of_person(stick, OBAMA)

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"facefinder.forget.{broken_off}", stop)
        with pytest.raises(KeyboardInterrupt):
            stick.forget("--person", OBAMA)
    assert of_person(stick, OBAMA) == hers, "the index is whole until it is exchanged"
    assert list(stick.folder.glob("index.sqlite.*")) == []
    outcome = stick.forget("--person", OBAMA)
    assert outcome.faces >= len(hers)
    assert stick.holds([*hers, OBAMA.encode()]) == []
    # Of the photos that also show others nothing is missing that they would have deleted.
    assert stick.groups().reading.steps == []
    assert stick.rows("SELECT count(*) FROM word WHERE verdict = 'not'") == [(0,)]


def test_what_a_killed_run_left_beside_the_index_goes_with_the_next_run(stick, album):
    for name in ("index.sqlite.part", "index.sqlite.part-journal"):
        shutil.copy(stick.index, stick.folder / name)
    stick.groups(album)
    assert {path.name for path in stick.folder.glob("index.sqlite*")} <= {"index.sqlite", "index.sqlite-journal"}
    shutil.copy(stick.index, stick.folder / "index.sqlite.part")
    vectors = stick.vectors()
    stick.forget("--all")
    assert stick.holds(vectors) == []


@pytest.mark.parametrize("state", ["passphrase lost", "damaged", "of a later version", "gone", "gone, and its groups"])
def test_all_goes_also_where_the_index_cannot_be_read(stick, state):
    vectors = stick.vectors()
    match state:
        case "passphrase lost":
            encrypt(stick.index, "which nobody knows any more")
        case "damaged":
            stick.index.write_bytes(os.urandom(20_000))
        case "of a later version":
            stick.rows("PRAGMA user_version = 999")
        case "gone, and its groups":
            stick.index.unlink()
            shutil.rmtree(stick.tree)
        case _:
            stick.index.unlink()
    outcome = stick.forget("--all")
    assert outcome.done and outcome.reports == 3
    assert (outcome.crops > 0) == (state != "gone, and its groups")
    assert ("goes all the same" in in_words(outcome)) == (not state.startswith("gone"))
    assert stick.holds([*vectors, OBAMA.encode()]) == []
    assert [path for path in stick.folder.rglob("*") if path.is_file()] == []


def test_a_file_that_is_no_index_is_not_removed(stick):
    photo = stick.folder / "holiday.jpg"
    photo.write_bytes(os.urandom(5000))
    other = stick.folder / "notes.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE note (text)")
    for path in (photo, other):
        words = replace(stick.settings("--all", command="forget"), home=stick.folder, index=path)
        with pytest.raises(IndexFileError):
            forget(words, lambda question: True)
        assert path.exists()


def test_an_index_in_use_is_left_alone(stick):
    with closing(sqlite3.connect(stick.index, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(IndexInUse, match="in use"):
            stick.forget("--all")
        part = stick.folder / "index.sqlite.part"
        part.touch()
        with pytest.raises(IndexInUse, match="in use"):
            stick.forget("--person", OBAMA)
        assert part.exists(), "it is the other run's"
    assert (stick.folder / "report.html").exists() and stick.index.exists()


def test_somebody_known_by_names_in_the_photos_alone_can_be_forgotten(stick, refs, album, tmp_path):
    photos = tmp_path / "tagged"
    stick.find("--refs", refs, "--copy", photos, "--tag", "xmp", album)
    sidecars = list((photos / "Jerry Seinfeld").glob("*.xmp"))
    for sidecar in sidecars:
        sidecar.write_text(sidecar.read_text("utf-8").replace("Jerry Seinfeld", "Tante Anna"), "utf-8")
    stick.forget("--all")
    stick.find("--refs-from-tags", photos)
    known = len(stick.vectors())
    with pytest.raises(UsageError, match="--refs-from-tags"):
        stick.forget("--person", "Tante Anna")
    outcome = stick.forget("--person", "tante anna", "--refs-from-tags")
    assert outcome.photos >= len(sidecars) >= 6
    assert len(stick.vectors()) == known - outcome.faces


def test_reference_photos_of_one_person_in_a_folder_of_their_own_say_who_is_meant(stick, refs, album, tmp_path):
    own = tmp_path / "people" / "Jerry Seinfeld"
    shutil.copytree(refs / "Jerry Seinfeld", own)
    found = stick.find("--refs", own, album).matches
    outcome = stick.forget("--person", "Jerry Seinfeld", "--refs", own)
    assert outcome.photos >= len(found) >= 7
    assert str(own) in outcome.remains


def test_a_name_that_was_taken_back_can_be_forgotten_and_a_new_one_is_told(stick):
    stick.folder_of("1992 gala").rename(stick.tree / "Jérry-Zwölf")
    stick.groups()
    with pytest.raises(UsageError, match=f"{SEINFELD} is called Jérry-Zwölf now"):
        stick.forget("--person", SEINFELD)
    stick.groups("--undo")
    stick.forget("--person", "Jérry-Zwölf")
    assert stick.holds(["Jérry-Zwölf".encode()]) == []
    assert of_person(stick, SEINFELD)
    stick.forget("--person", SEINFELD)
    assert stick.holds([SEINFELD.encode()]) == []


def test_what_remains_is_named_whole(tmp_path, refs, album):
    stick = Stick(tmp_path / "fresh")
    stick.folder.mkdir()
    found = stick.folder / "found" / "PC-ANNA"
    shutil.copytree(refs, stick.folder / "refs")
    outcome = stick.find("--refs", refs, "--copy", found, "--tag", "xmp", album)
    stick.find("--refs", refs, "--copy", stick.folder / "by hand", album)
    (stick.folder / "face_finder.toml").write_text("refs = 'refs/Jerry Seinfeld'")
    by_person: dict[str, set[str]] = {}
    for match in outcome.matches:
        by_person.setdefault(match.sha256, set()).add(match.person)
    assert all(len(people) == 1 for people in by_person.values())
    # A photo of both that went to the other's folder alone.
    manifest = json.loads((found / "manifest.json").read_text("utf-8"))
    [his, *_] = [row for row in manifest if row["person"] == "Barack Obama"]
    hers = next(row for row in manifest if row["person"] == "Jerry Seinfeld")
    (found / "manifest.json").write_text(json.dumps([*manifest, his | {"sha256": hers["sha256"]}]), "utf-8")
    remains = stick.forget("--person", "jerry seinfeld", "--refs", stick.folder / "refs").remains
    for path in (
        *("refs/Jerry Seinfeld", "found/PC-ANNA/Jerry Seinfeld", "by hand/Jerry Seinfeld", "face_finder.toml"),
        *("found/PC-ANNA/manifest.csv", "found/PC-ANNA/manifest.json", "by hand/manifest.json"),
        *(f"found/PC-ANNA/{his['copy']}", f"found/PC-ANNA/{his['copy']}.xmp"),
    ):
        assert str(stick.folder / path) in remains, path
        assert (stick.folder / path).exists()
    assert not any("Washington" in path for path in remains)
    remains = stick.forget("--all", "--refs", stick.folder / "refs").remains
    for path in ("refs/Barack Obama", "refs/Jerry Seinfeld", "found/PC-ANNA", "by hand"):
        assert str(stick.folder / path) in remains, path


def test_a_page_among_the_copies_goes_too(stick, refs, album):
    copies = stick.folder / "found"
    settings = read_settings(
        ["--refs", str(refs), "--copy", str(copies), "--no-index", "--jobs", "1", str(album)], ROOT
    )
    assert report_on(find(settings, NoProgress()), settings, NoProgress()) == copies / "report.html"
    stick.forget("--person", OBAMA)
    assert not (copies / "report.html").exists()
    assert (copies / "manifest.csv").exists()


def test_groups_that_were_moved_away_are_asked_for(stick):
    moved = stick.folder / "my faces"
    stick.tree.rename(moved)
    outcome = stick.forget("--person", OBAMA)
    assert "--groups DIR" in in_words(outcome) and str(stick.tree) in in_words(outcome)
    assert list(moved.rglob("*.jpg")), "nobody said where"
    forget(replace(stick.settings("--all", command="forget"), home=stick.folder, groups=moved), lambda question: True)
    assert list(stick.folder.rglob("*.jpg")) == []


def test_a_folder_with_the_persons_name_that_holds_something_else_is_named(stick):
    folder = stick.folder_of("DSC_0101 left half")
    (folder / "my own.txt").write_text("mine")
    assert str(folder) in stick.forget("--person", OBAMA).remains
    assert [path.name for path in folder.iterdir()] == ["my own.txt"]


def test_on_a_write_protected_stick_the_index_on_the_computer_is_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = tmp_path / "stick"
    home.mkdir()
    own = read_settings(["forget", "--all"], home)
    assert own.index == home / "index.sqlite"
    assert not (tmp_path / "cache").exists(), "nothing is made on the computer"
    (tmp_path / "cache" / "face-finder").mkdir(parents=True)
    (tmp_path / "cache" / "face-finder" / "index.sqlite").touch()
    assert read_settings(["forget", "--all"], home).index == tmp_path / "cache" / "face-finder" / "index.sqlite"
