"""An encrypted index: nothing of it can be read in its file, and nothing is lost on the way there."""

import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import face_finder
from facefinder.errors import IndexFileError, UsageError
from facefinder.faces.analyzer import Face
from facefinder.find import find
from facefinder.forget import forget
from facefinder.index import Content, Index
from facefinder.media.walk import FoundFile
from facefinder.progress import NoProgress
from facefinder.settings import read_settings
from facefinder.storage.database import encrypt, is_plain
from facefinder.storage.passphrase import VARIABLE, passphrase_of

ROOT = face_finder.HOME
PASSPHRASE = "d'Artagnan & the 3 Mühlen"
VECTOR = np.linspace(-1, 1, 128, dtype=np.float32)
SILENCE_SECONDS = 120  # of a run that hangs
PHOTO = "/photos/Zwölfte Straße/a.jpg"


def fill(path: Path | None, passphrase: str | None = None) -> None:
    with Index(path, "model", "here", passphrase) as index:
        face = Face((1.0, 2.0, 3.0, 4.0), np.zeros((5, 2), np.float32), 0.9, 5.0, VECTOR)
        index.add_analysis(Content(b"\1" * 32, 7, 10, 10), [face], None)
        index.add_place(FoundFile(PHOTO, 7, 7), b"\1" * 32)


def vectors(path: Path, passphrase: str | None = None) -> list[np.ndarray]:
    with Index(path, "model", "here", passphrase) as index:
        return [np.frombuffer(vector, np.float32) for (vector,) in index.rows("SELECT vector FROM face")]


def traces(folder: Path) -> list[bytes]:
    """What can be read of the index in the files of a folder."""
    everything = b"".join(path.read_bytes() for path in folder.iterdir())
    return [text for text in (VECTOR.tobytes()[:64], PHOTO.encode(), b"CREATE TABLE", b"SQLite") if text in everything]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick" / "index.sqlite"


def test_nothing_can_be_read_without_the_passphrase_and_all_with_it(path):
    fill(path, PASSPHRASE)
    assert traces(path.parent) == []
    assert np.array_equal(vectors(path, PASSPHRASE), [VECTOR])
    for wrong in (PASSPHRASE.casefold(), "x" * 200):
        with pytest.raises(IndexFileError, match="passphrase is not that of the index"):
            vectors(path, wrong)
    with pytest.raises(IndexFileError, match="is damaged, or is no index"):
        vectors(path)


def test_while_it_is_written_its_journal_tells_nothing_either(path):
    fill(path, PASSPHRASE)
    with Index(path, "model", "here", PASSPHRASE) as index:
        index.rows("UPDATE face SET score = 0.1")
        index.rows("PRAGMA cache_spill = 1")
        index.rows("PRAGMA cache_size = 1")
        for number in range(300):
            index.rows("INSERT INTO analyzer (key) VALUES (?)", (f"{PHOTO} {number} {'x' * 500}",))
        journal = path.with_name("index.sqlite-journal")
        assert journal.stat().st_size > 0
        assert traces(path.parent) == []


def test_a_plain_index_becomes_an_encrypted_one_with_all_that_is_in_it(path):
    fill(path)
    assert len(traces(path.parent)) == 4
    encrypt(path, PASSPHRASE)
    assert traces(path.parent) == []
    assert not is_plain(path)
    assert np.array_equal(vectors(path, PASSPHRASE), [VECTOR])


def test_an_encryption_that_fails_leaves_the_plain_index_as_it_was(path, monkeypatch):
    fill(path)
    before = path.read_bytes()

    def fail(part: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(IndexFileError, match="could not be encrypted, and is as it was: .*No space left"):
        encrypt(path, PASSPHRASE)
    assert path.read_bytes() == before
    assert not path.with_name("index.sqlite.part").exists()


def test_another_programs_file_is_not_encrypted(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(IndexFileError, match="another program's file"):
        encrypt(path, PASSPHRASE)
    assert path.read_bytes() == before


def test_a_passphrase_is_the_same_however_a_system_spells_its_accents(path, monkeypatch):
    found = set()
    for form in ("NFC", "NFD"):
        monkeypatch.setenv(VARIABLE, unicodedata.normalize(form, PASSPHRASE))
        found.add(passphrase_of(path, is_new=True))
    assert found == {PASSPHRASE}


def test_forgetting_leaves_an_encrypted_index_encrypted(path, monkeypatch):
    settings = read_settings(["forget", "--computer", "there", "--index", str(path)], ROOT)
    with Index(path, "model", "there", PASSPHRASE):
        pass
    fill(path, PASSPHRASE)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert forget(settings, lambda question: True).done
    assert not is_plain(path) and traces(path.parent) == []
    assert np.array_equal(vectors(path, PASSPHRASE), [VECTOR])
    with Index(path, "model", "here", PASSPHRASE) as index:
        assert ("there",) not in index.rows("SELECT computer FROM run")


def test_a_search_encrypts_what_it_knew_and_costs_no_inference(path, refs, album, face_finder_command, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(album / "Washington", photos)
    words = ["--refs", refs / "Barack Obama", "--index", path, "--jobs", "1", photos]
    before = find(read_settings([str(word) for word in words], ROOT), NoProgress())
    assert before.scan.analysed > 0 and is_plain(path)
    environment = {VARIABLE: PASSPHRASE}
    for flags in (["--encrypt"], []):
        run = face_finder_command(*words, *flags, "--json", env=environment)
        assert run.returncode == 0, run.stderr
        result = json.loads(run.stdout)
        assert result["analysed"] == 0
        assert len(result["matches"]) == len(before.matches)
        assert not is_plain(path) and str(photos).encode() not in path.read_bytes()
    wrong = face_finder_command(*words, env={VARIABLE: "wrong"})
    assert (wrong.returncode, wrong.stdout) == (7, "")
    assert "The passphrase is not that of the index" in wrong.stderr and "ERROR" not in wrong.stderr
    nobody = face_finder_command(*words)
    assert (nobody.returncode, nobody.stdout) == (7, "") and VARIABLE in nobody.stderr


NEW, AGAIN, KNOWN = "New passphrase: ", "Once more: ", "(it is encrypted): "


def typed(words: list[object], *answers: tuple[str, str]) -> tuple[int, str]:
    """Exit code and screen of a run in which somebody types each answer when the program asks its question."""
    process, terminal = pty.fork()
    if process == 0:
        os.execvp("bash", ["bash", str(ROOT / "run.sh"), *map(str, words)])
    screen, waiting = "", list(answers)
    while select.select([terminal], [], [], SILENCE_SECONDS)[0]:
        try:
            screen += os.read(terminal, 1 << 16).decode()
        except OSError:  # Linux's way to say that the other side is closed
            break
        if waiting and screen.endswith(waiting[0][0]):
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    else:
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), screen


def test_at_a_terminal_a_new_passphrase_is_asked_for_twice_and_never_shown(path, refs, album, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(album / "Stage & screen" / "glasses.jpg", photos)
    words: list[object] = ["--refs", refs / "Jerry Seinfeld", "--index", path, "--jobs", "1", "--quiet", photos]
    code, screen = typed([*words, "--encrypt"], (NEW, "secret"), (AGAIN, "secrets"))
    assert code == 2 and "not the same" in screen and not path.exists()
    code, screen = typed([*words, "--encrypt"], (NEW, "secret"), (AGAIN, "secret"))
    assert code == 0 and not is_plain(path) and "secret" not in screen
    assert typed(words, (KNOWN, "secret"))[0] == 0
    assert typed(words, (KNOWN, "Secret"))[0] == 7


def test_an_empty_passphrase_is_none(path, monkeypatch):
    monkeypatch.setattr("sys.stdin", os.fdopen(os.open(os.devnull, os.O_RDONLY)))
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UsageError, match=VARIABLE):
        passphrase_of(path, is_new=True)
