"""How long a start takes and how many files it opens before the first photo: `python3 tests/bench/start.py [FOLDER]`.

FOLDER is a stick or a checkout that is set up (default: this one). Counted by strace: every file that the program's
own process opens, or looks for in vain, before it opens the first photo of the album. Limits: 900 files, and 2 s with
all files in the system's memory.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, print_figures, print_table

FILES_LIMIT, SECONDS_LIMIT = 900, 2.0
RUNS = 5
# One line of strace -f -ttt: process, time, call, path, result.
OPENED = re.compile(
    r'^(?P<process>\d+) +(?P<time>[\d.]+) open(?:at)?\((?:AT_FDCWD, )?"(?P<path>[^"]*)".*= (?P<result>-?\d+)'
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT)
    folder = parser.parse_args().folder.resolve()
    command = ["bash", str(folder / "run.sh"), "--refs", str(folder / "demo/refs"), str(folder / "demo/album")]
    command += ["--jobs", "1", "--quiet", "--no-index"]
    runs = [trace(command) for _ in range(RUNS)]
    # The last: what the first run wrote or warmed does not count.
    traced, seconds = runs[-1], sorted(run["seconds"] for run in runs)
    help_seconds = sorted(timed(["bash", str(folder / "run.sh"), "--version"]) for _ in range(RUNS))
    rows = [
        ("files opened before the first photo", traced["opened"], f"< {FILES_LIMIT}"),
        ("files looked for in vain", traced["missed"], ""),
        ("seconds to the first photo, under strace (median)", seconds[RUNS // 2], f"< {SECONDS_LIMIT}"),
        ("seconds of run.sh --version (median)", help_seconds[RUNS // 2], ""),
    ]
    print_table(("start", "measured", "limit"), rows)
    print_figures(
        {
            "files_before_first_photo": int(traced["opened"]),
            "files_missed": int(traced["missed"]),
            "seconds_to_first_photo": round(seconds[RUNS // 2], 3),
            "seconds_of_version": round(help_seconds[RUNS // 2], 3),
        }
    )
    sys.exit(traced["opened"] >= FILES_LIMIT or seconds[RUNS // 2] >= SECONDS_LIMIT)


def timed(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def trace(command: list[str]) -> dict[str, float]:
    """Run a command under strace; return files opened and missed, and seconds, until a photo is opened."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "strace.txt"
        watched = [
            "strace",
            "-f",
            "-ttt",
            "-qq",
            "-s",
            "4096",
            "-e",
            "trace=open,openat,execve",
            "--seccomp-bpf",
            "-o",
            str(log),
        ]
        subprocess.run([*watched, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = log.read_text(errors="replace").splitlines()
    started = float(lines[0].split()[1])
    opened = missed = 0
    for line in lines:
        found = OPENED.match(line)
        if not found:
            continue
        if "/demo/album/" in found["path"] and found["path"].lower().endswith((".jpg", ".png", ".heic")):
            return {"opened": opened, "missed": missed, "seconds": float(found["time"]) - started}
        opened += int(found["result"]) >= 0
        missed += int(found["result"]) < 0
    raise SystemExit("No photo was opened: is the demo album there (run.sh --demo)?")


if __name__ == "__main__":
    main()
