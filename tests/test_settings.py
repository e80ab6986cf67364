"""Settings: a flag beats the file, and whatever is wrong is told with its name and what would be right."""

import argparse
import os
import platform
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from facefinder.errors import UsageError
from facefinder.flags import find_parser
from facefinder.settings import Settings, read_settings


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Settings]:
    def read(*flags: str, toml: str | bytes = "") -> Settings:
        (tmp_path / "face_finder.toml").write_bytes(toml.encode() if isinstance(toml, str) else toml)
        return read_settings(flags, tmp_path)

    return read


def test_every_setting_can_stand_in_the_file(read, tmp_path):
    assert read() == Settings(
        home=tmp_path,
        places=(),
        refs=tmp_path / "refs",
        copy=tmp_path / "found" / platform.node(),
        dry_run=False,
        threshold=None,
        model="sface",
        min_face=20,
        jobs=max(2, os.cpu_count() or 1),
        index=tmp_path / "index.sqlite",
        json=False,
        quiet=False,
        verbose=False,
        report=tmp_path / "report.html",
        logs=tmp_path / "logs",
    )
    toml = """
        refs = 'Mom'
        copy = '/media/stick/out'
        dry_run = true
        threshold = 0.4
        model = "edgeface"
        min-face = 40
        jobs = "auto"
        index = "other.sqlite"
        json = true
        quiet = true
        verbose = false
    """
    given = read(toml=toml)
    assert given == Settings(
        tmp_path,
        (),
        tmp_path / "Mom",
        Path("/media/stick/out"),
        True,
        0.4,
        "edgeface",
        40,
        os.cpu_count() or 1,
        tmp_path / "other.sqlite",
        True,
        True,
        False,
        report=tmp_path / "report.html",
        logs=tmp_path / "logs",
    )


def test_a_flag_beats_the_file(read):
    toml = "refs = 'Mom'\nthreshold = 0.4\nmodel = 'edgeface'\nmin_face = 40\njobs = 3\n"
    given = read(
        "--refs", "Dad", "--threshold", "0.3", "--model", "sface", "--min-face", "20", "--jobs", "1", toml=toml
    )
    assert (given.refs, given.threshold, given.model, given.min_face, given.jobs) == (Path("Dad"), 0.3, "sface", 20, 1)


@pytest.mark.parametrize(
    "switch", ["dry_run", "all_pictures", "include_system", "follow_links", "zip", "json", "quiet", "verbose"]
)
def test_what_the_file_turns_on_a_flag_turns_off(read, switch):
    flag = f"--no-{switch.replace('_', '-')}"
    assert getattr(read(toml=f"{switch} = true"), switch) is True
    assert getattr(read(flag, toml=f"{switch} = true"), switch) is False
    assert getattr(read(flag, flag.replace("no-", "")), switch) is True


def test_patterns_of_the_file_and_of_the_flags_both_exclude(read):
    assert read(toml="exclude = ['*.png', 'Backup']\n").exclude == ("*.png", "Backup")
    assert read("--exclude", "old", toml="exclude = '*.png'").exclude == ("*.png", "old")
    assert read("--exclude", "a", "--exclude", "b/c").exclude == ("a", "b/c")
    for bad in ("exclude = ['']", "exclude = '/'"):
        with pytest.raises(UsageError, match="exclude = '/?' is not possible. Allowed: a name or the end of a path"):
            read(toml=bad)


def test_a_flag_about_the_index_beats_the_other_one_in_the_file(read, tmp_path):
    assert read("--no-index", toml="index = 'x.sqlite'").index is None
    assert read("--index", "y.sqlite", toml="no_index = true").index == Path("y.sqlite")
    assert read(toml="no_index = true").index is None
    assert read(toml="no_index = false").index == tmp_path / "index.sqlite"
    assert read(toml="no_index = false\nindex = 'x'").index == tmp_path / "x"
    with pytest.raises(UsageError, match="index and no_index exclude each other"):
        read(toml="no_index = true\nindex = 'x'")
    with pytest.raises(UsageError, match="--no-index: not allowed with argument --index"):
        read("--index", "x", "--no-index")


def test_the_report_lies_beside_the_index_or_else_with_the_copies(read, tmp_path, monkeypatch):
    assert read("--index", "/media/stick/x.sqlite").report == Path("/media/stick/report.html")
    assert read("--no-index", "--copy", "out").report == Path("out/report.html")
    assert read("--no-index", "--copy", "out", "--dry-run").report is None
    assert read("--no-index").report is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "index.sqlite").mkdir()  # as good as write-protected, for root too
    assert read().report is None
    assert read("--copy", "/media/disk").report == Path("/media/disk/report.html")


def test_the_file_may_come_from_a_windows_editor(read):
    assert read(toml=b"\xef\xbb\xbfmin_face = 40\r\n").min_face == 40


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            "tresh = 0.4",
            "there is no setting called 'tresh'. Settings: .*copy, .*groups, .*index, .*verbose",
        ),
        ("[copy]\nto = 'x'", r"copy = \{'to': 'x'\} is not possible"),
        ("places = ['x']", "there is no setting called 'places'"),
        ("demo = true", "there is no setting called 'demo'"),
        ("threshold = 4", "threshold = '4' is not possible. Allowed: a distance between 0 and 1"),
        ("threshold = nan", "threshold = 'nan' is not possible. Allowed: a distance between 0 and 1"),
        ("threshold = true", "threshold = 'True' is not possible. Allowed: a distance"),
        ("min_face = 5", "min_face = '5' is not possible. Allowed: a number of pixels from 10 to 1000"),
        ("min_face = 20.5", "min_face = '20.5' is not possible. Allowed: a number of pixels from 10 to 1000"),
        ("jobs = 'many'", "jobs = 'many' is not possible. Allowed: a number of processes"),
        ("jobs = true", "jobs = 'True' is not possible. Allowed: a number of processes"),
        ("engine = 'deep'", "engine = 'deep' is not possible. Allowed: native, deepface"),
        ("distance = 1", "distance = 1 is not possible. Allowed: cosine, euclidean_l2, angular"),
        ("quiet = 1", "quiet = 1 is not possible. Allowed: true, false"),
        ("copy = 7", "copy = 7 is not possible. Allowed: the name of a file or folder, in quotes"),
        ("refs = ['a', 'b']", "is not possible. Allowed: the name of a file or folder, in quotes"),
        ("copy = ''", "copy = '' is not possible. Allowed: the name of a file or folder"),
        ('copy = "C:\\Users\\me"', "cannot be read: .*single quotes"),
        ("copy = C:", "cannot be read: "),
        (b"copy = '\xff'", "cannot be read: "),
    ],
)
def test_whatever_is_wrong_in_the_file_is_told_with_key_file_and_what_is_allowed(read, toml, told):
    with pytest.raises(UsageError, match=rf"face_finder\.toml(:| )(?s:.)*{told}"):
        read(toml=toml)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--tresh", "0.4"], "Unrecognized arguments: --tresh"),
        (["--thresh", "0.4"], "Unrecognized arguments: --thresh"),
        (["--threshold", "4"], "--threshold: '4' is not possible. Allowed: a distance between 0 and 1"),
        (["--min-face", "big"], "--min-face: 'big' is not possible. Allowed: a number of pixels from 10 to 1000"),
        (["--jobs", "0"], "--jobs: '0' is not possible. Allowed: a number of processes"),
        (["--engine", "deep"], "--engine: invalid choice: 'deep' .choose from 'native', 'deepface'"),
        (["--copy", ""], "--copy: '' is not possible. Allowed: the name of a file or folder"),
        (["--refs"], "--refs: expected one argument"),
        ([""], "PLACE: '' is not possible"),
    ],
)
def test_a_wrong_flag_is_told_with_its_name_and_the_remedy(read, flags, told):
    with pytest.raises(UsageError, match=rf"{told}.* See run\.sh -h for all flags\.$"):
        read(*flags)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--detector", "yunet"], "--detector goes with --engine deepface: add that, or leave --detector out."),
        (["--backend", "onnx"], "--backend goes with --engine deepface: add that, or leave --backend out."),
        (["--model", "VGG-Face"], "--model vgg-face is one of DeepFace: add --engine deepface."),
        (["--threshold", "1.2"], "--threshold 1.2 is not possible with --distance cosine. Allowed: .* 0 and 1.00."),
        (["--threshold", "0.6", "--distance", "angular"], "with --distance angular. Allowed: .* between 0 and 0.50."),
        (["--engine", "deepface", "--device", "cuda"], "--device cuda does not go with --engine deepface"),
    ],
)
def test_flags_that_do_not_go_together_are_told_with_the_remedy(read, flags, told):
    with pytest.raises(UsageError, match=told):
        read(*flags)


def test_each_engine_has_its_own_model_and_smallest_face_unless_they_are_named(read):
    assert (read().model, read().min_face) == ("sface", 20)
    theirs = read("--engine", "deepface")
    assert (theirs.model, theirs.detector, theirs.backend, theirs.min_face) == ("Facenet512", None, "onnx", 0)
    assert read("--model", "SFace", "--min-face", "40").model == "sface"
    assert read("--engine", "deepface", "--min-face", "40").min_face == 40
    assert read("--distance", "euclidean_l2", "--threshold", "1.2").threshold == 1.2


def test_a_wrong_flag_ends_the_program_with_code_2(face_finder_command):
    done = face_finder_command("--colour")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == "Unrecognized arguments: --colour. See run.sh -h for all flags."


def test_the_help_is_grouped_names_every_flag_and_gives_examples(face_finder_command):
    parser = find_parser()
    for action in parser._actions:
        assert action.help
        assert action.help != argparse.SUPPRESS
    done: subprocess.CompletedProcess[str] = face_finder_command("-h")
    assert done.returncode == 0
    for title in ("who and where", "how strictly, how fast", "what is remembered", "what is said", "examples"):
        assert f"\n{title}:\n" in done.stdout
    for flag in (
        *("--refs", "--copy", "--dry-run", "--demo", "--threshold", "--model", "--min-face", "--jobs"),
        *("--index", "--no-index", "--json", "--quiet", "--verbose", "--version"),
    ):
        assert re.search(rf"\n  {flag}[ ,]", done.stdout)
    examples = [line.split("   ")[0].split() for line in done.stdout.splitlines() if line.startswith("  run.sh")]
    assert len(examples) >= 3
    for _, *flags in examples:
        read_settings(flags, Path("/"))
