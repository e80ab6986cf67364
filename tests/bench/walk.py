"""How fast a disk is walked, and in how much memory: `python3 tests/bench/walk.py [--files N] [--photos PERCENT]`.

Makes N files (default 200,000, one in twenty named like a photo) in folders of 100, and one folder of N more, in a
temporary folder, and walks them with a warm cache: once with os.walk, which only lists them, and with the program's own
walk with its rules; in turns, each in a process of its own. Limits: 20,000 files a second, 20 MB of memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import print_figures, print_table
from facefinder.media.rules import Rules
from facefinder.media.walk import walk

FILES_LIMIT, MEMORY_LIMIT = 20_000, 20.0
TURNS = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--photos", type=int, default=5, help="of 100 files")
    parser.add_argument("--walk", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.walk:
        print(json.dumps(measure(*given.walk)))
        return
    rows: list[tuple[str, float, float, float, float]] = []
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="face-finder-walk-") as folder:
        for name, per_folder in (("many folders", 100), ("one folder", given.files)):
            disk = make(Path(folder) / name, given.files, given.photos, per_folder)
            runs: dict[str, list[dict[str, float]]] = {"os.walk": [], "ours": []}
            for _ in range(TURNS):
                for how, measured in runs.items():
                    command = [sys.executable, __file__, "--walk", how, str(disk)]
                    measured.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            plain, ours = (statistics.median(run["seconds"] for run in measured) for measured in runs.values())
            memory = max(run["megabytes"] for run in runs["ours"])
            rows.append((name, given.files / plain, given.files / ours, ours / plain, memory))
            key = name.replace(" ", "_")
            figures |= {f"{key}_files_per_second": round(given.files / ours), f"{key}_megabytes": round(memory, 1)}
            figures[f"{key}_times_os_walk"] = round(ours / plain, 2)
            figures[f"{key}_photos"] = runs["ours"][0]["photos"]
    print_table(("files in", "os.walk files/s", "files/s", "times as long", "MB"), rows)
    print_figures(figures)
    sys.exit(any(files < FILES_LIMIT or memory > MEMORY_LIMIT for _, _, files, _, memory in rows))


def make(disk: Path, files: int, photos: int, per_folder: int) -> Path:
    """Make empty files, so many of a hundred named like photos."""
    for number in range(files):
        folder = disk / f"{number // per_folder // 100:03}" / f"{number // per_folder % 100:02}"
        if number % per_folder == 0:
            folder.mkdir(parents=True, exist_ok=True)
        suffix = "jpg" if number % 100 < photos else ("txt", "docx", "mp3", "dll")[number % 4]
        (folder / f"file {number:07}.{suffix}").touch()
    return disk


def measure(how: str, disk: str) -> dict[str, float]:
    """Walk it twice; the second time counts. Memory: how much more the process needs than before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_megabytes()
    for _ in range(2):
        started = time.perf_counter()
        found = sum(1 for _ in walk([Path(disk)], Rules())) if how == "ours" else plain_walk(disk)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "photos": found, "megabytes": peak_megabytes() - before}


def peak_megabytes() -> float:
    """The most memory that this process has needed."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def plain_walk(disk: str) -> int:
    """Only list the files, and look at their names."""

    return sum(name.endswith(".jpg") for _, _, names in os.walk(disk) for name in names)


if __name__ == "__main__":
    main()
