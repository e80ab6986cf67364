"""Whether a run that is killed again and again ends with what an undisturbed one finds, and loses nothing on the way.

    python3 tests/bench/kills.py [--kills 200] [--photos 300] [--seed 0]

Runs go through a pile of small photos with two workers and copy two people's photos. At random moments SIGKILL goes to
the program, to one of its workers, or to both, or the program is stopped with Ctrl-C; then the same command is given
again. Each time that a run comes to its end, its index and its copies are compared with those of an undisturbed run,
and it all begins anew, until there were so many kills. After each kill of the program, what the index held before is
still there. Runs on Linux and macOS.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import psutil
from PIL import Image

LONG_SIDE = 400  # pixels of a photo: small ones, so that kills come between all steps
PROGRAM, WORKER, BOTH, CTRL_C = "program", "worker", "both", "Ctrl-C"
MOST_WORKERS = 2  # killed in one run: a file that a worker dies of three times is left out, and rightly so
LONGEST = 600.0  # seconds for a run that is not killed any more, on a busy machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--photos", type=int, default=300, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # Started in the background by a shell, this and what it starts would ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder:
        place = make_photos(Path(folder) / "photos", options.photos)
        done = kill_runs(Path(folder), place, options.kills, options.seed, partial(print, flush=True))
    common.print_table(["", "kills"], list(done["kills"].items()))  # type: ignore[attr-defined]
    common.print_figures(done)


def make_photos(folder: Path, number: int) -> Path:
    """So many different small photos, made of the demonstration album's."""
    folder.mkdir()
    originals = sorted((common.ROOT / "demo" / "album").rglob("*.jpg"))
    for count in range(number):
        original = originals[count % len(originals)]
        with Image.open(original) as picture:
            small = picture.convert("RGB")
        small.thumbnail((LONG_SIDE, LONG_SIDE))
        small.save(folder / f"{original.stem} {count:03}.jpg", quality=60 + count // len(originals))
    return folder


def kill_runs(
    folder: Path, place: Path, kills: int, seed: int, say: Callable[[str], object] = lambda line: None
) -> dict[str, object]:
    """Kill so many times, compare at each end of a run. Raises AssertionError with what differs.

    Returns the figures: kills by their aim, runs started, runs that came to their end, seconds.
    """
    chance = random.Random(seed)
    undisturbed = Run(folder / "undisturbed", place)
    started = time.monotonic()
    undisturbed.start()
    undisturbed.wait(LONGEST)
    usual = time.monotonic() - started
    expected = undisturbed.result()
    killed: Counter[str] = Counter()

    def comes_to_its_end(run: Run) -> bool:
        workers = 0
        while killed.total() < kills:
            if run.wait(chance.uniform(0, usual / 4)):
                return True
            aim = chance.choice((PROGRAM, BOTH, CTRL_C, WORKER) if workers < MOST_WORKERS else (PROGRAM, BOTH, CTRL_C))
            if aim == CTRL_C:
                killed[aim] += 1
                return run.interrupt()
            killed[aim] += run.kill(aim, chance)
            workers += aim == WORKER
            if aim != WORKER:
                return False
        return run.wait(LONGEST)

    starts = ends = 0
    while killed.total() < kills or ends == 0:
        run = Run(folder / f"killed {ends}", place)
        before: set[object] = set()
        ended = False
        while not ended:
            run.start()
            starts += 1
            ended = comes_to_its_end(run)
            now = run.analysed()
            assert now >= before, f"{len(before - now)} photos that were stored are lost"
            before = now
            say(f"{killed.total()} kills, {starts} starts, {ends + ended} ends, {len(now)} photos stored")
        result = run.result()
        assert result.keys() == expected.keys()
        for what in expected:
            assert result[what] == expected[what], f"{what} differs after {killed.total()} kills (seed {seed})"
        ends += 1
        shutil.rmtree(run.folder)
    seconds = round(time.monotonic() - started, 1)
    return {"kills": dict(killed), "starts": starts, "ends": ends, "seconds": seconds, "undisturbed": round(usual, 1)}


class Run:
    """The program's runs with one index and one destination."""

    def __init__(self, folder: Path, place: Path):
        self.folder = folder
        self.index, self.copies = folder / "index.sqlite", folder / "copies"
        folder.mkdir()
        words = ["--json", "--jobs", "2", "--refs", str(common.ROOT / "demo" / "refs"), "--copy", str(self.copies)]
        self._command = ["bash", str(common.ROOT / "run.sh"), *words, "--index", str(self.index), str(place)]

    def start(self) -> None:
        # One for each start: those that were killed may still have workers that complain.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the run is over
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT
        )

    def wait(self, seconds: float) -> bool:
        """Whether the run comes to a good end in so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        if self._process.returncode is None:
            assert seconds < LONGEST, f"the run hangs: {self._status()}"
            return False
        with self._said as said:
            said.seek(0)
            assert self._process.returncode == 0, said.read().decode()
        return True

    def interrupt(self) -> bool:
        """Press Ctrl-C once the program has its index open; returns whether it had just come to a good end."""
        while self._process.poll() is None and not self._has_index_open():
            time.sleep(0.01)
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(LONGEST)
        with self._said as said:
            said.seek(0)
            text = said.read().decode()
        assert code in (0, 130, -signal.SIGINT) and "Traceback" not in text, f"{code}: {text}"
        return code == 0

    def kill(self, aim: str, chance: random.Random) -> bool:
        """Whether there was something to kill."""
        workers = self._workers()
        if aim != PROGRAM and workers:
            with suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
        if aim == WORKER:
            return bool(workers)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._said.close()
        return True

    def _has_index_open(self) -> bool:
        with suppress(psutil.Error):
            return str(self.index) in [file.path for file in psutil.Process(self._process.pid).open_files()]
        return False

    def _workers(self) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if any("popen_loky" in word for word in process.cmdline()):
                    found.append(process)
        return found

    def _status(self) -> str:
        states = [f"{worker.pid} {worker.status()}" for worker in self._workers()]
        return f"workers {states or 'none'}, {len(self.analysed())} photos stored"

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.index, timeout=30)) as index:
            return index.execute(query).fetchall()

    def analysed(self) -> set[object]:
        """The SHA-256 of the photos that the index holds for good."""
        try:
            return {sha256 for (sha256,) in self._rows("SELECT sha256 FROM content JOIN analysis ON content = id")}
        except sqlite3.OperationalError as error:
            assert "no such table" in str(error), error
            return set()

    def result(self) -> dict[str, object]:
        """All that the index and the copies hold, in an order that does not depend on when it came in."""
        assert self._rows("PRAGMA integrity_check") == [("ok",)]
        queries = {
            "contents": "SELECT sha256, bytes, width, height, taken FROM content",
            "places": "SELECT path, place.bytes, modified_ns, sha256 FROM place JOIN content ON content = content.id",
            "analyses": "SELECT sha256, problem FROM analysis JOIN content ON content = content.id",
            "faces": "SELECT sha256, x, y, face.width, face.height, score, sharpness, landmarks, vector, moment "
            "FROM face JOIN content ON content = content.id",
            "quarantine": "SELECT path, reason FROM quarantine",
        }
        files = sorted(path for path in self.copies.rglob("*") if path.is_file())
        manifest = json.loads((self.copies / "manifest.json").read_text("utf-8"))
        return {what: sorted(self._rows(query), key=repr) for what, query in queries.items()} | {
            "copies": [
                (
                    str(file.relative_to(self.copies)),
                    hashlib.sha256(file.read_bytes()).hexdigest(),
                    file.stat().st_mtime_ns,
                )
                for file in files
                if not file.name.startswith("manifest.")
            ],
            "manifest": manifest,
            "table": (self.copies / "manifest.csv").read_bytes(),
        }


if __name__ == "__main__":
    if os.name != "posix":
        sys.exit("needs SIGKILL: run it on Linux or macOS")
    main()
