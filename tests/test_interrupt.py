"""Runs that are stopped or killed in the middle: what they keep and leave behind, and how the next one goes on."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

import face_finder

ROOT = face_finder.HOME

if sys.platform != "linux":
    pytest.skip("looks at processes through Linux's /proc", allow_module_level=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, album: Path) -> Path:
    """312 different photos: those of the album at thirteen qualities."""
    folder = tmp_path_factory.mktemp("photos")
    for original in sorted(album.rglob("*.jpg")):
        if original.name == "IMG_2051 (1).jpg":
            continue  # a copy
        with Image.open(original) as image:
            picture = image.convert("RGB")
        picture.thumbnail((1000, 1000))
        for quality in range(40, 92, 4):
            picture.save(folder / f"{original.stem} {quality}.jpg", quality=quality)
    return folder


class Run:
    """A run with two workers, in a process group of its own and with its messages on a terminal."""

    def __init__(self, folder: Path, refs: Path, place: Path):
        self.index = folder / "index.sqlite"
        self._shown = b""
        self._terminal, other_side = pty.openpty()
        termios.tcsetwinsize(other_side, (24, 80))
        words = ["--json", "--jobs", "2", "--refs", str(refs), "--index", str(self.index), str(place)]
        self.process = subprocess.Popen(
            ["bash", str(ROOT / "run.sh"), *words],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=other_side,
            text=True,
        )
        os.close(other_side)
        # A daemon: where a test fails, the rest is not to wait for it for ever.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self._shown += os.read(self._terminal, 1 << 16)
            except OSError:  # Linux's way to say that the other side is closed
                os.close(self._terminal)
                return

    def done(self) -> int:
        """How many photos the bar says are done."""
        numbers = re.findall(rb"\| (\d+)/\d+, ", self._shown)
        return int(numbers[-1]) if numbers else 0

    def end(self, seconds: float) -> tuple[str, str]:
        """Wait for its end; returns its output and its messages, with the bar's states between carriage returns."""
        output, _ = self.process.communicate(timeout=seconds)
        self._reader.join(seconds)
        return output, self._shown.decode().replace("\r\n", "\n")

    def living(self) -> dict[int, str]:
        """Process id -> command line of all that belongs to the run and has not ended."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state not in "ZX":
                    found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def workers(self) -> list[int]:
        return [number for number, command in self.living().items() if "popen_loky" in command]

    def analysed(self) -> int:
        """How many photos and references the index holds for good."""
        try:
            # A run that is going on keeps others out; with immutable SQLite does not ask.
            how = "mode=rw" if self.process.poll() is not None else "immutable=1"
            with closing(sqlite3.connect(f"file:{self.index}?{how}", uri=True, timeout=30)) as index:
                return int(index.execute("SELECT count(*) FROM analysis").fetchone()[0])
        except sqlite3.DatabaseError:  # not there yet, or just being written
            return 0

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert self.process.poll() is None, f"it ended too early: {self._shown.decode()}"
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait_until_all_are_gone(self) -> None:
        deadline = time.monotonic() + 20
        while living := self.living():
            assert time.monotonic() < deadline, living
            time.sleep(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the index that the runs of this module share: each goes on where the one before it was stopped."""
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def stopped(folder, refs, photos) -> tuple[Run, str]:
    """A run that Ctrl-C has stopped in the middle, and what it said."""
    run = Run(folder, refs, photos)
    run.wait_for(lambda: run.done() > 10)
    os.killpg(run.process.pid, signal.SIGINT)
    output, said = run.end(60)
    assert output == ""
    return run, said


@pytest.fixture(scope="module")
def killed(stopped, folder, refs, photos) -> Run:
    """A second run, killed in the middle."""
    before = stopped[0].analysed()
    run = Run(folder, refs, photos)
    run.wait_for(lambda: run.analysed() > before)
    run.process.kill()
    return run


def test_ctrl_c_stops_soon_and_says_how_to_go_on(stopped):
    run, said = stopped
    assert run.process.returncode == 130
    done = re.search(
        r"\r *\r\nStopped\. (\d+) photos are done and kept; the same command goes on from there\.\n$", said
    )
    assert done and "Traceback" not in said, said
    # The five references are in the index too; and Ctrl-C may come when a photo is kept but not counted yet.
    assert run.analysed() - 5 - int(done[1]) in (0, 1)
    assert run.analysed() < 312


def test_ctrl_c_leaves_no_process_behind(stopped):
    stopped[0].wait_until_all_are_gone()


def test_ctrl_c_while_the_workers_start_is_answered_by_the_program_alone(tmp_path, refs, photos):
    run = Run(tmp_path, refs, photos)
    run.wait_for(lambda: len(run.workers()) == 2)
    for worker in run.workers():
        # From their first moment on: a traceback of each is what a user would see otherwise.
        masks = dict(re.findall(r"(Sig\w+):\s*(\w+)", Path(f"/proc/{worker}/status").read_text()))
        assert (int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)) >> (signal.SIGINT - 1) & 1
    os.killpg(run.process.pid, signal.SIGINT)
    output, said = run.end(60)
    assert re.search(r"\nStopped\. .* the same command goes on from there\.\n$", said)
    assert output == "" and "Traceback" not in said
    run.wait_until_all_are_gone()


# Ctrl-C at the very moment at which a worker is started, which any thread of the program may receive.
PRESSED_AT_THE_START = """
import os, signal, sys
import face_finder
face_finder.use_bundle()
from joblib.externals.loky.backend.process import LokyProcess
from facefinder.cli import main

def start_and_press(self):
    start(self)
    os.kill(os.getpid(), signal.SIGINT)

start, LokyProcess.start = LokyProcess.start, start_and_press
sys.exit(main(sys.argv[1:], face_finder.HOME))
"""


def test_ctrl_c_at_the_moment_at_which_a_worker_starts_leaves_none_half_started(tmp_path, refs, photos):
    words = ["--json", "--jobs", "2", "--refs", refs, "--index", tmp_path / "index.sqlite", photos]
    done = subprocess.run(
        [sys.executable, "-c", PRESSED_AT_THE_START, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert re.search(r"\nStopped\. .* the same command goes on from there\.\n$", done.stderr)
    assert "Traceback" not in done.stderr


def test_ctrl_c_while_libraries_load_brings_no_errors_of_theirs(tmp_path, refs, photos):
    run = Run(tmp_path, refs, photos)
    # NumPy's first library is there; the program's own lines are reached only on a busy machine.
    run.wait_for(lambda: "_multiarray_umath" in Path(f"/proc/{run.process.pid}/maps").read_text())
    os.killpg(run.process.pid, signal.SIGINT)
    output, said = run.end(20)
    assert output == ""
    assert (run.process.returncode, said) == (-signal.SIGINT, "") or said.endswith("goes on from there.\n"), said
    assert "Error" not in said


def test_the_workers_of_a_killed_run_end_by_themselves(killed):
    killed.wait_until_all_are_gone()


def test_after_a_stop_a_kill_and_the_death_of_a_worker_all_photos_are_analysed_and_none_twice(
    killed, folder, refs, photos
):
    killed.wait_until_all_are_gone()
    before = killed.analysed()
    run = Run(folder, refs, photos)
    run.wait_for(lambda: run.done() > 10)
    os.kill(run.workers()[0], signal.SIGKILL)
    output, said = run.end(120)
    assert run.process.returncode == 0, said
    result = json.loads(output)
    assert result["photos"] == len(list(photos.iterdir())) == 312
    assert result["problems"] == []
    assert result["analysed"] == run.analysed() - before
    assert f"Photos known from before: {before - 5}. New files: {312 + 5 - before}." in said
    run.wait_until_all_are_gone()
