"""The end of a run: right numbers in words that fit a terminal, and JSON that a program can read."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from facefinder import summary
from facefinder.collect import CopyReport
from facefinder.faces.analyzer import Face
from facefinder.find import Outcome
from facefinder.match import Limits, PhotoMatch, Verdict
from facefinder.media.rules import EXAMPLES, Reason
from facefinder.people import Person, Reference
from facefinder.scan import ScanReport
from facefinder.settings import Settings, read_settings

LONG = "/media/somebody/old disk/" + "a folder/" * 20
STRANGE = os.fsdecode(b"/photos/caf\xe9.jpg")


def a_person(name: str, *problems: tuple[str, str]) -> Person:
    vector = np.ones(1, np.float32)
    face = Face((0, 0, 99, 99), np.zeros((5, 2), np.float32), 0.9, 300.0, vector)
    return Person(name, (Reference(f"/refs/{name}/1.jpg", face),), vector, problems)


def a_match(person: str, verdict: Verdict, source: str) -> PhotoMatch:
    return PhotoMatch(person, source, (), "ab" * 32, 4_000_000, 0.31, verdict, (1.0, 2.0, 3.0, 4.0), None)


def an_outcome(copies: CopyReport | None = None, seconds: float = 754_321.0) -> Outcome:
    matches = [
        *(a_match("Mom", Verdict.SURE, f"{LONG}{n}.jpg") for n in range(12_345)),
        *(a_match("Mom", Verdict.MAYBE, f"{LONG}m{n}.jpg") for n in range(678)),
        a_match("Grandfather Maximilian", Verdict.SURE, STRANGE),
    ]
    people = [
        a_person("Grandfather Maximilian", (f"{LONG}ref.jpg", "no face found in it")),
        a_person("Mom"),
        a_person("Dad"),
    ]
    problems = [(f"{LONG}{n}.jpg", "broken picture: image file is truncated (0 bytes not processed)") for n in range(7)]
    scan = ScanReport(1_234_567, 1_234_560, 99, [(STRANGE, "empty file"), *problems])
    return Outcome(people, matches, [Path(LONG)], Limits(0.45, 0.55), scan, copies, 13_024, seconds)


def settings(*flags: str) -> Settings:
    return read_settings(flags, Path("/stick"))


CASES = [
    (an_outcome(), settings()),
    (an_outcome(), settings("--verbose")),
    (an_outcome(), settings("--copy", LONG, "--dry-run")),
    (an_outcome(CopyReport(13_000, 10**12, 24, [(LONG, "was changed")])), settings("--copy", LONG)),
]


@pytest.mark.parametrize(("outcome", "given"), CASES)
def test_every_line_without_a_path_fits_80_columns(outcome, given):
    lines = summary.in_words(outcome, given).splitlines()
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []


def test_the_words_count_each_person_the_files_that_failed_and_the_time():
    words = summary.in_words(an_outcome(CopyReport(13_000, 10**12, 24)), settings("--copy", "/out"))
    lines = [" ".join(line.split()) for line in words.splitlines()]
    assert lines[0] == "1234567 photos looked at in 209 h 32 min, 1234560 of them for the first time."
    assert "Mom 12345 photos, and 678 maybe" in lines
    assert "Grandfather Maximilian 1 photo" in lines
    assert "Dad 0 photos" in lines
    assert "13000 copies made (24 lay there already). They are in:" in lines
    assert "/out" in lines
    assert "8 files could not be read:" in lines
    assert "/photos/caf\udce9.jpg: empty file" in words
    assert "and 3 more; --verbose names them all." in lines
    assert any(line.endswith("ref.jpg: no face found in it") for line in lines)


def test_what_was_passed_over_is_one_line_and_by_path_for_those_who_ask():
    outcome = an_outcome()
    assert "Not looked into" not in summary.in_words(outcome, settings())
    for number in range(EXAMPLES + 2):
        outcome.not_searched.add(f"/cloud/{number}.jpg", Reason.CLOUD)
    outcome.not_searched.add("/disk/$RECYCLE.BIN", Reason.TRASH)
    outcome.not_searched.add("/stick", Reason.OWN)
    line = f"Not looked into: {EXAMPLES + 2} files that are only in the cloud, 1 recycle bin."
    words = summary.in_words(outcome, settings())
    assert line in words.splitlines()
    assert "/cloud" not in words
    verbose = summary.in_words(outcome, settings("--verbose"))
    assert "  /disk/$RECYCLE.BIN: recycle bin\n" in verbose
    assert "  and 2 more: only in the cloud\n" in verbose
    told = json.loads(summary.as_json(outcome, settings()))["not_searched"]
    assert told["counts"] == {"only in the cloud": EXAMPLES + 2, "recycle bin": 1, "the program's own": 1}


def test_verbose_names_every_match_and_every_problem():
    words = summary.in_words(an_outcome(), settings("--verbose", "--copy", "/out"))
    assert words.count(LONG) == 12_345 + 678 + 7 + 1
    assert "more; --verbose" not in words


def test_one_of_each_is_said_in_the_singular():
    scan = ScanReport(1, 1, 1, [("/a.jpg", "empty file")])
    outcome = Outcome(
        [a_person("Mom")], [a_match("Mom", Verdict.SURE, "/b.jpg")], [], Limits(0.4, 0.5), scan, CopyReport(1), 1, 1.0
    )
    words = summary.in_words(outcome, settings("--copy", "/out"))
    for part in ("1 photo looked at in 1.0 seconds,", "Mom  1 photo\n", "1 copy made.", "1 file could not be read:"):
        assert part in words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 seconds"),
        (59.4, "59.4 seconds"),
        (59.98, "1 minute"),
        (61, "1 minute"),
        (90 * 60, "1 h 30 min"),
        (3599, "1 h 00 min"),
    ],
)
def test_the_time_is_said_as_people_say_it(seconds, said):
    assert f"looked at in {said}," in summary.in_words(an_outcome(seconds=seconds), settings())


def test_json_says_the_same_with_names_that_are_not_valid_unicode():
    text = summary.as_json(an_outcome(CopyReport(13_000, 10**12, 24)), settings("--copy", "/out"))
    text.encode("ascii")
    read = json.loads(text)
    assert [person["name"] for person in read["people"]] == ["Grandfather Maximilian", "Mom", "Dad"]
    assert read["people"][0]["reference_problems"] == [[f"{LONG}ref.jpg", "no face found in it"]]
    assert len(read["matches"]) == 13_024
    assert os.fsencode(read["matches"][-1]["source"]) == b"/photos/caf\xe9.jpg"
    assert read["matches"][0] | {"source": ""} == {
        "person": "Mom",
        "source": "",
        "also_at": [],
        "sha256": "ab" * 32,
        "bytes": 4_000_000,
        "distance": 0.31,
        "verdict": "sure",
        "box": [1.0, 2.0, 3.0, 4.0],
        "taken": None,
        "width": None,
        "height": None,
        "moment": None,
        "appearances": [],
        "modified_ns": None,
        "taken_from": None,
    }
    assert read["copies"]["copied"] == 13_000
    assert (read["photos"], len(read["problems"]), read["destination"]) == (1_234_567, 8, "/out")


def test_names_that_are_not_valid_unicode_get_through_a_whole_run(tmp_path, album, refs, face_finder_command):
    place = tmp_path / "place"
    place.mkdir()
    shutil.copy(album / "Stage & screen" / "what.jpg", os.fsencode(place) + b"/caf\xe9.jpg")
    (place / os.fsdecode(b"broken\xff.jpg")).touch()
    common = ("--refs", refs, "--copy", tmp_path / "out", "--jobs", "1", place)
    utf8 = {"PYTHONIOENCODING": "utf-8:strict"}  # as on a desktop; the C locale forgives more
    said = face_finder_command("--verbose", *common, env=utf8)
    assert said.returncode == 1, said.stderr
    assert "1 copy made" in said.stdout
    assert "empty file" in said.stdout
    printed = json.loads(face_finder_command("--json", *common, env=utf8).stdout)
    [match] = printed["matches"]
    assert os.fsencode(match["source"]) == os.fsencode(place) + b"/caf\xe9.jpg"
    [row] = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert row["source"] == match["source"]
    assert row["copy"] == "Jerry Seinfeld/caf\ufffd.jpg"
    assert os.fsencode(place) + b"/caf\xe9.jpg" in (tmp_path / "out" / "manifest.csv").read_bytes()
