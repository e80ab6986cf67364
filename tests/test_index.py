"""The index: what was stored comes back, nothing is lost, and a file that cannot be used is told with a remedy."""

import dataclasses
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facefinder.errors import IndexFileError
from facefinder.faces.analyzer import Face
from facefinder.index import Content, Index
from facefinder.media.walk import FoundFile
from facefinder.storage.schema import VERSION

TESTS = Path(__file__).parent


def a_face(seed: int = 0) -> Face:
    numbers = np.random.default_rng(seed)
    vector = numbers.normal(size=128).astype(np.float32)
    landmarks = numbers.uniform(0, 4000, (5, 2)).astype(np.float32)
    return Face((0.1, 2.5, 30.25, 41.0), landmarks, 0.9, 312.5, vector / np.linalg.norm(vector))


def a_content(name: str = "photo", **details: Any) -> Content:
    data = name.encode()
    return dataclasses.replace(Content(hashlib.sha256(data).digest(), len(data), 4000, 3000), **details)


def a_file(path: str, content: Content, modified_ns: int = 1_500_000_000_000_000_001) -> FoundFile:
    return FoundFile(path, content.bytes, modified_ns)


def add(index: Index, path: str, content: Content, *faces: Face, problem: str | None = None) -> FoundFile:
    file = a_file(path, content)
    with index.whole():
        index.add_analysis(content, faces, problem)
        index.add_place(file, content.sha256)
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def small_disk(mount_small_disk):
    return mount_small_disk(1 << 20)


def test_faces_of_a_real_photo_come_back_exactly(path, album, analyzer):
    photo = album / "Family" / "Christmas.jpg"
    analysis = analyzer.analyse(photo.read_bytes())
    assert len(analysis.faces) == 4
    content = a_content(taken="2019:12:24 18:30:00")
    with Index(path, "key", "laptop") as index:
        add(index, str(photo), content, *analysis.faces)
    with Index(path, "key", "laptop") as index:
        assert index.see_again(a_file(str(photo), content))
        faces = index.faces_at(str(photo))
        [stored] = index.faces_seen()
        assert index.content(int(stored.contents[0])) == content
    for face, original in zip(faces, analysis.faces, strict=True):
        assert (face.box, face.score, face.sharpness) == (original.box, original.score, original.sharpness)
        np.testing.assert_array_equal(face.landmarks, original.landmarks)
        np.testing.assert_array_equal(face.vector, original.vector)
    np.testing.assert_array_equal(stored.vectors, [face.vector for face in analysis.faces])
    np.testing.assert_array_equal(stored.boxes, np.array([face.box for face in analysis.faces], np.float32))


def test_a_path_that_is_not_valid_unicode_comes_back(path):
    strange = os.fsdecode(b"/photos/caf\xe9 \xff/\xf0\x9f\x98\x80.jpg")
    with Index(path, "key", "laptop") as index:
        file = add(index, strange, a_content(), problem="broken")
    with Index(path, "key", "laptop") as index:
        assert index.see_again(file)
        assert index.problems_seen() == [(strange, "broken")]


def test_a_moved_or_copied_photo_is_known_by_its_content_and_a_changed_one_is_not(path):
    content, changed = a_content("photo"), a_content("other")
    assert content.bytes == changed.bytes
    with Index(path, "key", "laptop") as index:
        file = add(index, "/a/photo.jpg", content, a_face())
        assert index.analysed_of_size(content.bytes) == {content.sha256}
        assert not index.see_again(a_file("/b/photo.jpg", content))
        assert not index.see_again(a_file("/a/photo.jpg", content, modified_ns=file.modified_ns + 1))
        assert not index.see_again(dataclasses.replace(file, bytes=file.bytes + 1))
        index.add_place(a_file("/b/photo.jpg", content), content.sha256)
        [stored] = index.faces_seen()
        assert len(stored.contents) == 1, "a content is compared once, wherever it lies"
        assert index.places_seen(int(stored.contents[0])) == ["/a/photo.jpg", "/b/photo.jpg"]
        add(index, "/a/photo.jpg", changed, a_face(1))
        assert index.places_seen(int(stored.contents[0])) == ["/b/photo.jpg"]
    with Index(path, "key", "desktop") as index:
        assert not index.see_again(a_file("/b/photo.jpg", content)), "the same path on another computer"


def test_only_what_this_run_saw_is_found(path):
    with Index(path, "key", "laptop") as index:
        file = add(index, "/a.jpg", a_content("a"), a_face())
        add(index, "/gone.jpg", a_content("b"), a_face(1))
    with Index(path, "key", "laptop") as index:
        assert list(index.faces_seen()) == []
        index.see_again(file)
        assert [len(stored.contents) for stored in index.faces_seen()] == [1]
        assert index.faces_at("/gone.jpg") == []


def test_another_analyzer_sees_nothing_of_the_first(path):
    content, broken = a_content("good"), a_content("broken")
    with Index(path, "sface", "laptop") as index:
        good_file = add(index, "/good.jpg", content, a_face(1), a_face(2))
        broken_file = add(index, "/broken.jpg", broken, problem="broken")
    with Index(path, "edgeface", "laptop") as index:
        assert not index.see_again(good_file)
        assert not index.see_again(broken_file)
        assert index.analysed_of_size(content.bytes) == frozenset()
        add(index, "/good.jpg", content, a_face(3))
        add(index, "/broken.jpg", dataclasses.replace(broken, taken="2019:12:24 18:30:00"), a_face(4))
        assert index.problems_seen() == []
        [stored] = index.faces_seen()
        np.testing.assert_array_equal(stored.vectors, [a_face(3).vector, a_face(4).vector])
        assert index.content(int(stored.contents[1])).taken, "known since somebody could open the photo"
    with Index(path, "sface", "laptop") as index:
        assert index.see_again(good_file)
        assert index.see_again(broken_file)
        assert index.problems_seen() == [("/broken.jpg", "broken")]
        [stored] = index.faces_seen()
        np.testing.assert_array_equal(stored.vectors, [a_face(1).vector, a_face(2).vector])
        np.testing.assert_array_equal([face.vector for face in index.faces_at("/good.jpg")], stored.vectors)


KILLED_WHILE_WRITING = """
import sys, time
sys.path.insert(0, sys.argv[1])
import test_index
from facefinder import index
index.COMMIT_SECONDS = 1000
database = index.Index(test_index.Path(sys.argv[2]), "key", "laptop")
for number in range(1_000_000):
    content = test_index.a_content(str(number))
    test_index.add(database, f"/{number}.jpg", content, *[test_index.a_face(number)] * 4)
    if number == 999:
        database.commit()
    if number == 5000:
        print("ready", flush=True)
"""


def test_a_killed_run_keeps_others_out_no_longer_than_it_lives_and_all_that_was_committed(path, monkeypatch):
    monkeypatch.setattr("facefinder.storage.database.LOCK_SECONDS", 0.05)
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, TESTS, path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
        assert writer.stdout and writer.stdout.readline() == b"ready\n"
        with pytest.raises(IndexFileError, match="is in use"):
            Index(path, "key", "laptop")
        writer.send_signal(signal.SIGKILL)
    assert path.with_name("index.sqlite-journal").stat().st_size > 0, "it was killed in the middle of a change"
    with Index(path, "key", "laptop") as index:
        for number in (0, 500, 999):
            assert index.see_again(a_file(f"/{number}.jpg", a_content(str(number))))
        assert not index.see_again(a_file("/1000.jpg", a_content("1000")))
        add(index, "/new.jpg", a_content("new"), a_face())
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) FROM face").fetchone() == (4001,)
    database.close()


def use_everything(path: Path) -> None:
    with Index(path, "key", "laptop") as index:
        for number in range(300):
            index.see_again(a_file(f"/{number}.jpg", a_content(str(number))))
            index.faces_at(f"/{number}.jpg")
            index.analysed_of_size(number)
        for stored in index.faces_seen():
            for number in stored.contents:
                index.content(int(number))
                index.places_seen(int(number))
        index.problems_seen()


@pytest.mark.parametrize("start", [0, 100, 4096, 8 * 4096, 16 * 4096])
def test_a_damaged_index_is_told_with_the_remedy(path, start):
    with Index(path, "key", "laptop") as index:
        for number in range(300):
            add(index, f"/{number}.jpg", a_content(str(number)), a_face(number))
    use_everything(path)
    damaged = bytearray(path.read_bytes())
    damaged[start:] = b"\xa5" * (len(damaged) - start)
    path.write_bytes(damaged)
    with pytest.raises(IndexFileError, match=r"index\.sqlite is damaged.* Move it away .* --index FILE"):
        use_everything(path)


def test_another_programs_file_is_refused_and_left_as_it_is(path, tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff" + bytes(5000))
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE bookmark (address TEXT)")
    database.close()
    for file in (path, photo):
        before = file.read_bytes()
        with pytest.raises(IndexFileError, match="(?s)(another program's file|is no index).*--index FILE"):
            Index(file, "key", "laptop")
        assert file.read_bytes() == before


def test_an_index_of_another_version_is_refused_with_the_remedy(path):
    Index(path, "key", "laptop").__exit__(None, None, None)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(IndexFileError, match=r"another version of this program\. Move it away"):
        Index(path, "key", "laptop")


@pytest.mark.parametrize("place", ["missing/index.sqlite", ""])
def test_a_place_where_no_index_can_be_is_told_with_the_remedy(tmp_path, place):
    with pytest.raises(IndexFileError, match="--index FILE, or go without one with --no-index"):
        Index(tmp_path / place, "key", "laptop")


def test_a_write_protected_stick_is_told_with_the_remedy(small_disk):
    path = small_disk / "index.sqlite"
    for there_already in (False, True):
        if there_already:
            Index(path, "key", "laptop").__exit__(None, None, None)
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(IndexFileError, match=r"write-protected.*--no-index"):
            Index(path, "key", "laptop")
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)


def test_a_full_stick_is_told_with_the_remedy_and_keeps_what_was_committed(small_disk):
    path = small_disk / "index.sqlite"
    with pytest.raises(IndexFileError, match=r"stick full.*--no-index"), Index(path, "key", "laptop") as index:
        for number in range(5000):
            add(index, f"/{number}.jpg", a_content(str(number)), a_face(number))
            if number == 99:
                index.commit()
    with Index(path, "key", "laptop") as index:
        assert index.see_again(a_file("/99.jpg", a_content("99")))


def test_a_second_run_at_the_same_time_is_told_that_the_first_is_at_work(path, monkeypatch):
    monkeypatch.setattr("facefinder.storage.database.LOCK_SECONDS", 0.05)
    with Index(path, "key", "laptop") as index:
        for commit in (False, True):
            if commit:
                index.commit()
            with pytest.raises(IndexFileError, match="is in use: is this program running twice, or its page"):
                Index(path, "key", "laptop")
        add(index, "/photo.jpg", a_content(), a_face())
        index.commit()


def test_a_clock_that_was_set_back_hides_no_search(path, monkeypatch):
    content, face = a_content(), a_face()
    for now, name in ((2e9, "/before.jpg"), (1e9, "/after.jpg")):
        monkeypatch.setattr("facefinder.index.time.time", lambda now=now: now)
        with Index(path, "key", "laptop") as index:
            index.begin_search()
            add(index, name, content, face)
    with Index(path, "key", "laptop") as index:
        assert index.back_to_last_search()
        assert index.places_seen(1) == ["/after.jpg"]


def test_the_index_holds_plain_numbers_and_texts_and_no_pickles(path):
    content, face = a_content(), a_face()
    with Index(path, "key", "laptop") as index:
        add(index, "/photo.jpg", content, face)
    with sqlite3.connect(path) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [value for table in tables for row in database.execute(f"SELECT * FROM {table}") for value in row]
    database.close()
    binary = {value for value in values if isinstance(value, bytes)}
    assert binary == {content.sha256, b"/photo.jpg", face.landmarks.tobytes(), face.vector.tobytes()}


def test_an_index_of_100000_faces_is_searched_within_300_megabytes():
    command = [sys.executable, "-s", "-B", str(TESTS / "bench" / "memory.py"), "--no-photos"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])["index"]
    assert (measured["faces"], measured["matches"]) == (100_000, 10_000)
    assert measured["megabytes"] < 300
