"""Whether the memory of a long run stays flat: of the program, and of its worker processes.

    python3 tests/bench/soak.py [--minutes 60]

The demonstration album, a video, and whole and damaged files of every format are searched again and again with two
workers, each time with a fresh index on the disk, for so many minutes. A table shows at each tenth of the way how many
files were looked at, and what the program and its larger worker hold (resident, megabytes of 10^6 bytes; the most since
the row before it). The last figures are how many times as much that is in the last row as in the third. New workers are
started when one has grown much or died; how many there were is counted.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import psutil

from facefinder.faces.analyzer import specify
from facefinder.index import Index
from facefinder.media.walk import walk
from facefinder.progress import NoProgress
from facefinder.scan import scan
from mutations import make_pile

STEPS = 10
DAMAGED = 70  # files, five of each format


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pile = make_pile(Path(folder), DAMAGED, seed=0)
        rows, workers = soak([common.ROOT / "demo" / "album", pile], Path(folder), 60 * options.minutes)
    common.print_table(["minutes", "files", "program MB", "worker MB"], rows)
    program, worker = (rows[-1][column] / rows[2][column] for column in (2, 3))
    print(f"last row over third: program {program:.3f}, worker {worker:.3f}; {workers} workers were started")
    common.print_figures(
        {"minutes": options.minutes, "files": rows[-1][1], "program": program, "worker": worker, "workers": workers}
    )


def soak(places: Sequence[Path], folder: Path, seconds: float) -> tuple[list[list[float]], int]:
    """Search the places again and again; returns the table's rows and how many workers there were."""
    spec = specify("sface", 20, common.ROOT / "models")
    rows: list[list[float]] = []
    over, memory = threading.Event(), Memory()
    watcher = threading.Thread(target=memory.watch, args=(over,))
    watcher.start()
    started, files = time.monotonic(), 0
    try:
        while len(rows) < STEPS:
            with Index(folder / f"index {files}.sqlite", spec.key, "bench") as index:
                scan(walk(places), index, spec, 2, (counted := Counted()))
            files += counted.files
            passed = time.monotonic() - started
            if passed >= seconds * (len(rows) + 1) / STEPS:
                rows.append([passed / 60, files, *memory.peaks()])
    finally:
        over.set()
        watcher.join()
    return rows, len(memory.workers)


class Counted(NoProgress):
    """Counts the files."""

    files = 0

    def advance(self, note: str = "") -> None:
        self.files += 1


class Memory:
    """The most that this process and one of its workers held since it was last asked for."""

    def __init__(self) -> None:
        self.workers: set[int] = set()
        self._program = self._worker = 0.0

    def peaks(self) -> tuple[float, float]:
        peaks = self._program, self._worker
        self._program = self._worker = 0.0
        return peaks

    def watch(self, over: threading.Event) -> None:
        this = psutil.Process()
        while not over.wait(0.5):
            self._program = max(self._program, this.memory_info().rss / 1e6)
            for worker in this.children():
                try:
                    if any("popen_loky" in word for word in worker.cmdline()):
                        self.workers.add(worker.pid)
                        self._worker = max(self._worker, worker.memory_info().rss / 1e6)
                except psutil.Error:
                    continue  # it has just ended


if __name__ == "__main__":
    main()
