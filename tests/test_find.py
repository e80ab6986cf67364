"""Whole runs through `bash run.sh`, as a user starts it."""

import hashlib
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import termios
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

import face_finder
from facefinder.index import Index

ROOT = face_finder.HOME


def result_of(run: subprocess.CompletedProcess[str], code: int = 0) -> dict:
    """The one JSON object that is all of the standard output."""
    assert run.returncode == code, run.stderr
    result: dict = json.loads(run.stdout)
    return result


def found_in(result: dict, folder: Path) -> dict[str, set[str]]:
    """person -> the photos that are surely theirs, as paths inside `folder`."""
    found: dict[str, set[str]] = defaultdict(set)
    for match in result["matches"]:
        if match["verdict"] == "sure":
            found[match["person"]] |= {
                Path(path).relative_to(folder).as_posix() for path in (match["source"], *match["also_at"])
            }
    return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def start(
    home: Path, *words: object, program: Path = ROOT, before: tuple[str, ...] = (), **options
) -> subprocess.CompletedProcess[str]:
    """Start a program folder's run.sh in a bare environment, perhaps through another command."""
    home.mkdir(exist_ok=True)
    command = [*before, "bash", str(program / "run.sh"), *map(str, words)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **options
    )


def unshared(*flags: str) -> tuple[str, ...]:
    """The command that runs another one with namespaces of its own, as root or as anybody else."""
    for command in (("unshare", *flags), ("unshare", "--map-root-user", *flags)):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    pytest.skip(f"`unshare {' '.join(flags)}` is not permitted here")


@pytest.fixture(scope="module")
def people(people_in_album) -> dict[str, set[str]]:
    """person -> the photos of the album that show them."""
    photos: dict[str, set[str]] = defaultdict(set)
    for path, names in people_in_album.items():
        for name in names:
            photos[name].add(path)
    return photos


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`--demo` run once, and the folder that holds its copies (out) and its index (index.sqlite)."""
    folder = tmp_path_factory.mktemp("demo")
    words = ("--demo", "--json", "--copy", folder / "out", "--index", folder / "index.sqlite")
    return start(folder / "home", *words), folder


@pytest.fixture
def searched_before(demo, tmp_path: Path) -> Path:
    """An index that knows the album, at the place where face_finder_command looks for it."""
    shutil.copy(demo[1] / "index.sqlite", tmp_path)
    return tmp_path / "index.sqlite"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """The program on a stick: its small files copied, packages, models and album linked."""
    stick = tmp_path / "my stick é"
    stick.mkdir()
    for name in ("face_finder.py", "run.sh"):
        shutil.copy(ROOT / name, stick)
    for name in ("lib", "bootstrap", "python", "models/*", "demo/refs"):
        for original in ROOT.glob(name):
            link = stick / original.relative_to(ROOT)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(original)
    return stick


def test_the_demo_finds_every_photo_of_the_two_people_and_nobody_else(demo, album, people):
    result = result_of(demo[0])
    assert found_in(result, album) == people
    assert len(result["matches"]) == len({(match["person"], match["sha256"]) for match in result["matches"]})
    assert result["problems"] == []


def test_the_demos_copies_are_verified_and_listed(demo, album, people):
    out = demo[1] / "out"
    rows = json.loads((out / "manifest.json").read_text("utf-8"))
    copies = {path for path in out.rglob("*") if path.is_file() and not path.name.startswith("manifest.")}
    assert {out / row["copy"] for row in rows} == copies
    for row in rows:
        copy, source = out / row["copy"], Path(row["source"])
        assert sha256(copy) == sha256(source) == row["sha256"]
        assert (copy.name, copy.stat().st_mtime_ns) == (source.name, source.stat().st_mtime_ns)
        assert copy.parent.name == row["person"]
    assert {name: len({sha256(album / path) for path in paths}) for name, paths in people.items()} == {
        name: sum(row["person"] == name for row in rows) for name in people
    }


def test_the_demo_works_with_the_network_cut_off(tmp_path, album, people):
    words = ("--demo", "--json", "--dry-run", "--no-index")
    run = start(tmp_path / "home", *words, before=unshared("--net"))
    assert found_in(result_of(run), album) == people


def test_a_second_run_costs_no_inference(searched_before, face_finder_command, album, refs, people):
    result = result_of(face_finder_command("--json", "--refs", refs, album))
    assert result["analysed"] == 0
    assert found_in(result, album) == people


def test_another_person_costs_no_inference(searched_before, face_finder_command, album, tmp_path):
    person = tmp_path / "refs" / "Mindy Kaling"
    person.mkdir(parents=True)
    shutil.copy(album / "From phone" / "IMG_0048.jpg", person)
    result = result_of(face_finder_command("--json", "--refs", person, album))
    assert result["analysed"] == 0
    assert found_in(result, album) == {
        "Mindy Kaling": {"From phone/IMG_0048.jpg", "Stage & screen/portrait 1.jpg"},
    }


def test_a_moved_folder_a_renamed_photo_and_a_copy_cost_no_inference(
    searched_before, face_finder_command, album, refs, people, tmp_path
):
    moved = tmp_path / "new disk"
    shutil.copytree(album, moved)
    (moved / "Family").rename(moved / "Семья")
    street = moved / "Sommer é 2019" / "from Ann" / "street.jpg"
    street.rename(street.with_name("by night.jpg"))
    shutil.copy(moved / "Stage & screen" / "glasses.jpg", moved / "glasses (2).jpg")
    result = result_of(face_finder_command("--json", "--refs", refs, moved))
    assert result["analysed"] == 0
    assert found_in(result, moved) == {
        "Barack Obama": people["Barack Obama"],
        "Jerry Seinfeld": people["Jerry Seinfeld"] - {"Sommer é 2019/from Ann/street.jpg"}
        | {"Sommer é 2019/from Ann/by night.jpg", "glasses (2).jpg"},
    }


def test_the_stick_in_another_computer_costs_no_inference(searched_before, tmp_path, album, refs, people):
    run = start(
        tmp_path / "home",
        *("--json", "--refs", refs, "--index", searched_before, album),
        before=(*unshared("--uts"), "sh", "-c", 'hostname another-computer && exec "$@"', "sh"),
    )
    result = result_of(run)
    assert result["analysed"] == 0
    assert found_in(result, album) == people
    with sqlite3.connect(searched_before) as index:
        assert "another-computer" in {name for (name,) in index.execute("SELECT computer FROM run")}


def test_a_changed_photo_and_other_settings_are_analysed_again(face_finder_command, album, refs, tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    for name in ("glasses", "what"):
        shutil.copy(album / "Stage & screen" / f"{name}.jpg", place)
    search = ("--json", "--jobs", 1, "--refs", refs, place)
    assert result_of(face_finder_command(*search))["analysed"] == 2
    shutil.copy(album / "Stage & screen" / "piano.jpg", place / "what.jpg")
    changed = result_of(face_finder_command(*search))
    assert changed["analysed"] == 1
    assert found_in(changed, place) == {"Jerry Seinfeld": {"glasses.jpg"}}
    assert result_of(face_finder_command(*search, "--min-face", 40))["analysed"] == 2


def test_other_pictures_of_a_file_count_when_they_are_asked_for(face_finder_command, album, refs, tmp_path):
    (tmp_path / "photos").mkdir()
    with Image.open(album / "Stage & screen" / "glasses.jpg") as photo:
        Image.new("RGB", photo.size).save(tmp_path / "photos" / "two.tiff", save_all=True, append_images=[photo])
    search = ("--json", "--jobs", 1, "--refs", refs, tmp_path / "photos")
    assert result_of(face_finder_command(*search))["matches"] == []
    [match] = result_of(face_finder_command(*search, "--all-pictures"))["matches"]
    assert (match["person"], match["verdict"], match["moment"]) == ("Jerry Seinfeld", "sure", 1)


def test_photos_in_archives_are_found_copied_once_and_remembered(face_finder_command, album, refs, tmp_path):
    place, out = tmp_path / "photos", tmp_path / "out"
    place.mkdir()
    shutil.copy(album / "Stage & screen" / "glasses.jpg", place)
    with zipfile.ZipFile(place / "Backup.zip", "w") as archive:
        for name in ("glasses", "what", "piano"):
            archive.write(album / "Stage & screen" / f"{name}.jpg", f"DCIM/{name} of the phone.jpg")
    search = ("--json", "--jobs", 2, "--refs", refs, "--copy", out, place)
    plain = result_of(face_finder_command(*search, "--dry-run"))
    assert (plain["photos"], plain["not_searched"]["counts"]) == (1, {"ZIP archive": 1})
    result = result_of(face_finder_command(*search, "--zip"))
    assert (result["photos"], result["analysed"], result["copies"]["copied"]) == (4, 2, 2)
    inside = f"{place}/Backup.zip/DCIM/"
    assert {(match["source"], *match["also_at"]) for match in result["matches"]} == {
        (f"{inside}glasses of the phone.jpg", str(place / "glasses.jpg")),
        (f"{inside}what of the phone.jpg",),
    }
    copy = out / "Jerry Seinfeld" / "what of the phone.jpg"
    assert copy.read_bytes() == (album / "Stage & screen" / "what.jpg").read_bytes()
    assert abs(copy.stat().st_mtime - (album / "Stage & screen" / "what.jpg").stat().st_mtime) <= 2
    assert {row["source"] for row in json.loads((out / "manifest.json").read_text())} >= {
        f"{inside}what of the phone.jpg"
    }
    again = result_of(face_finder_command(*search, "--zip"))
    assert (again["photos"], again["analysed"], again["copies"]["already_there"]) == (4, 0, 2)


def test_no_index_and_a_dry_run_leave_nothing_behind(stick, tmp_path, album):
    def everything() -> set[Path]:
        return set(tmp_path.rglob("*"))

    home = tmp_path / "home"
    home.mkdir()
    words = ("--json", "--jobs", 1, "--refs", stick / "demo" / "refs", album / "Stage & screen")
    before = everything()
    run = start(home, *words, "--no-index", "--dry-run", "--copy", tmp_path / "out", program=stick)
    assert result_of(run)["to_copy"] == 5
    assert everything() == before
    assert "5 photos would be copied" in start(home, *words[1:], "--dry-run", "--copy", "out", program=stick).stdout
    there = {path.relative_to(stick) for path in everything() - before if path.suffix != ".txt"}
    assert {str(path) for path in there if path.suffix != ".jsonl"} == {
        "index.sqlite",
        "index.sqlite-journal",
        "logs",
        "report.html",
    }


def test_one_job_finds_the_same_and_starts_no_process(searched_before, tmp_path, album, refs):
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    search = ("--json", "--no-index", "--refs", refs, album / "Stage & screen")
    trace = tmp_path / "trace"
    watch = ("strace", "-f", "--seccomp-bpf", "-e", "trace=execve", "-e", "status=successful", "-o", str(trace))
    one = result_of(start(tmp_path / "home", *search, "--jobs", 1, before=watch))
    assert re.findall(r'execve\("[^"]*/([a-z]+)', trace.read_text()) == ["bash", "python"]
    two = result_of(start(tmp_path / "home", *search, "--jobs", 2))
    assert one["analysed"] > 0
    found_by_one, found_by_two = (
        {(match["person"], match["source"], match["verdict"]): match["distance"] for match in result["matches"]}
        for result in (one, two)
    )
    assert found_by_one == pytest.approx(found_by_two, abs=1e-5)


def test_without_a_place_the_home_folders_are_searched_and_neither_the_stick_nor_the_copies(stick, album, tmp_path):
    """Pictures is called Bilder here, and the stick and the copies lie in it."""
    home, photos = tmp_path / "home", album / "Stage & screen"
    for folder in (".config", "Bilder", "Documents", "Music"):
        (home / folder).mkdir(parents=True)
    (home / ".config" / "user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/Bilder"\n')
    shutil.copy(photos / "glasses.jpg", home / "Bilder" / "one.jpg")
    shutil.copy(photos / "what.jpg", home / "Documents" / "two.jpg")
    shutil.copy(photos / "monologue.jpg", home / "Music" / "not searched.jpg")
    stick = stick.rename(home / "Bilder" / "stick")
    shutil.copy(photos / "stand-up.jpg", stick / "on the stick.jpg")
    words = ("--json", "--jobs", 1, "--refs", stick / "demo" / "refs", "--copy", home / "Bilder" / "found")
    for _ in range(2):
        result = result_of(start(home, *words, program=stick))
        assert found_in(result, home) == {"Jerry Seinfeld": {"Bilder/one.jpg", "Documents/two.jpg"}}
        assert result["photos"] == 2


def test_an_unreadable_photo_among_good_ones_is_code_1_and_named(face_finder_command, album, refs, tmp_path):
    place = tmp_path / "photos"
    place.mkdir()
    shutil.copy(album / "Stage & screen" / "glasses.jpg", place)
    (place / "broken.jpg").write_bytes((place / "glasses.jpg").read_bytes()[:200])
    run = face_finder_command("--json", "--jobs", 1, "--refs", refs, place)
    result = result_of(run, code=1)
    assert [path for path, _ in result["problems"]] == [str(place / "broken.jpg")]
    assert found_in(result, place) == {"Jerry Seinfeld": {"glasses.jpg"}}
    again = face_finder_command("--refs", refs, place)
    assert again.returncode == 1
    assert re.search(r"1 file could not be read:\n  .*broken\.jpg: .*picture", again.stdout)


def test_each_failure_has_its_exit_code_and_names_the_remedy(stick, album, refs, tmp_path):
    (tmp_path / "faceless").mkdir()
    Image.new("RGB", (300, 300), "green").save(tmp_path / "faceless" / "green.png")
    (tmp_path / "no index").write_text("This is a text and no index. " * 40)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{")
    home, place = tmp_path / "home", album / "Family"
    failures = [
        (2, ("--copi", "out"), "run.sh -h"),
        (2, ("--min-face", "huge"), "--min-face"),
        (3, ("--refs", tmp_path / "nobody", place), "refs/Mom/photo1.jpg"),
        (3, ("--refs", tmp_path / "faceless", place), "green.png: no face found"),
        (4, ("--refs", refs, tmp_path / "unplugged"), "Is the disk plugged in"),
        (4, ("--refs", refs), "Name the folders to search"),
        (5, ("--refs", refs, "--model", "edgeface", place), "bootstrap/build.py --with edgeface"),
        (6, ("--refs", refs, "--copy", tmp_path / "out", place), "--copy"),
        (6, ("--refs", refs, "--copy", album, place), "Name another folder with --copy"),
        (7, ("--refs", refs, "--index", tmp_path / "no index", place), "--index FILE"),
    ]
    (stick / "models" / "edgeface.onnx").unlink(missing_ok=True)
    for code, words, remedy in failures:
        run = start(home, *words, program=stick)
        assert (run.returncode, run.stdout) == (code, ""), (words, run.stderr)
        assert remedy in run.stderr
        assert "Traceback" not in run.stderr


def test_a_full_stick_and_a_full_destination_end_with_a_remedy(searched_before, tmp_path, album, refs):
    small = tmp_path / "small"
    small.mkdir()
    before = (*unshared("--mount"), "sh", "-c", 'mount -t tmpfs -o size=60k none "$0" && exec "$@"', str(small))
    home = tmp_path / "home"
    index = start(home, "--refs", refs, "--index", small / "index.sqlite", album, before=before)
    assert (index.returncode, index.stdout) == (7, "")
    assert "is full" in index.stderr and "--index FILE" in index.stderr
    copies = start(home, "--refs", refs, "--index", searched_before, "--copy", small / "out", album, before=before)
    assert copies.returncode == 6
    assert "Jerry Seinfeld  7 photos" in copies.stdout and "report.html" in copies.stdout, "what was found is said"
    assert "Nothing was copied" not in copies.stdout
    assert "not enough room" in copies.stderr and "--copy" in copies.stderr
    assert "Warning" not in index.stderr + copies.stderr


def test_into_a_pipe_go_plain_lines(searched_before, tmp_path, album, refs):
    words = ("--refs", refs, "--index", searched_before, "--copy", tmp_path / "out", album)
    run = subprocess.run(["bash", ROOT / "run.sh", *words], capture_output=True)
    assert b"Photos known from before: 25" in run.stderr
    assert b"Barack Obama" in run.stdout
    assert b"\r" not in run.stdout + run.stderr


def run_on_a_terminal(*words: object) -> list[str]:
    """What a run writes to a terminal of 80 columns, as the lines that follow or replace each other."""
    process, terminal = pty.fork()
    if process == 0:
        termios.tcsetwinsize(0, (24, 80))
        os.execvp("bash", ["bash", str(ROOT / "run.sh"), *map(str, words)])
    written = b""
    while True:
        try:
            written += os.read(terminal, 1 << 16)
        except OSError:  # Linux's way to say that the other side is closed
            break
    os.close(terminal)
    assert os.waitpid(process, 0)[1] == 0, written
    return written.decode().replace("\r\n", "\n").replace("\n", "\n\r").split("\r")


def test_a_terminal_shows_a_bar_of_80_columns_with_rate_time_left_matches_and_faces(album, refs):
    lines = run_on_a_terminal("--no-index", "--refs", refs, album)
    bars = [line for line in lines if "|" in line]
    assert max(map(len, bars)) < 80
    assert re.fullmatch(r" *\d+% \|.+\| \d+/25, +[\d.]+ photos/s, \d\d:\d\d left, \d+ matches, \d+ faces", bars[-1])
    # The bar is gone at the end.
    assert lines[lines.index(bars[-1]) + 1].strip() == ""


def test_quiet_shows_plain_lines_on_a_terminal_too(searched_before, album, refs):
    lines = run_on_a_terminal("--quiet", "--index", searched_before, "--refs", refs, album)
    assert all(line.endswith("\n") for line in lines if line)
    assert not [line for line in lines if "|" in line or "\x1b" in line]


def test_names_in_any_script_and_in_no_encoding_go_through_a_whole_run(album, refs, tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux has file names that are no text")
    place, out = tmp_path / "Фото 日本", tmp_path / "найдено"
    strange = os.fsdecode(b"caf\xe9.jpg")
    place.mkdir()
    shutil.copy(album / "Stage & screen" / "glasses.jpg", place / strange)
    shutil.copy(album / "Stage & screen" / "what.jpg", place / "Омар é 日本.jpg")
    (place / os.fsdecode(b"broken \xff.jpg")).write_bytes(b"no photo")
    shutil.copytree(refs / "Jerry Seinfeld", tmp_path / "Джерри")
    words = ("--refs", tmp_path / "Джерри", "--copy", out, "--index", tmp_path / "индекс", "--verbose", place)
    run = start(tmp_path / "дом", *words)
    assert run.returncode == 1, run.stderr
    assert {path.name for path in (out / "Джерри").iterdir()} == {"caf\ufffd.jpg", "Омар é 日本.jpg"}
    rows = json.loads((out / "manifest.json").read_text("utf-8"))
    assert {row["source"] for row in rows} == {str(place / strange), str(place / "Омар é 日本.jpg")}
    result = result_of(start(tmp_path / "дом", *words, "--json"), code=1)
    assert found_in(result, place) == {"Джерри": {strange, "Омар é 日本.jpg"}}
    # A terminal that can show little: most locales refuse what is no text in them.
    plain = subprocess.run(
        [sys.executable, "-s", "-P", "-B", str(ROOT / "face_finder.py"), *map(str, words)],
        env={"PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        text=True,
    )
    assert plain.returncode == 1, plain.stderr
    assert r"caf\udce9.jpg" in plain.stdout


def test_modules_of_the_computer_and_of_the_current_folder_have_no_influence(album, refs, tmp_path):
    current, home = tmp_path / "current", tmp_path / "home"
    user_site = home / ".local" / "lib" / "python3.11" / "site-packages"
    for folder in (current, user_site):
        folder.mkdir(parents=True)
        for name in ("numpy", "joblib", "usercustomize", "sitecustomize"):
            (folder / f"{name}.py").write_text(f"raise SystemExit('taken from {folder}')\n")
    words = ("--json", "--no-index", "--refs", refs, album / "Family")
    before = ("env", f"PYTHONPATH={user_site}", "PYTHONSTARTUP=numpy.py")
    result = result_of(start(home, *words, before=before, cwd=current))
    assert result["analysed"] == 2


def test_version_is_printed(face_finder_command):
    run = face_finder_command("--version")
    assert re.fullmatch(r"Face Finder \d+\.\d+(\.\d+)?\n", run.stdout)


def test_two_commands_on_one_stick_at_once(searched_before, tmp_path, album, refs, spec):
    with Index(searched_before, spec.key, "laptop"):  # as a run, or the review page, has it open
        for command in (["--refs", refs, album], ["groups", album], ["review", "--refs", refs]):
            run = start(tmp_path / "home", *command, "--index", searched_before)
            assert (run.returncode, run.stdout) == (7, "")
            assert "is this program running twice" in run.stderr
