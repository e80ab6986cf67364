"""Whether a worker's memory stays flat over many faces, whichever engine it runs.

    python3 tests/bench/steady.py [--faces 5000] [--engine deepface] [--model M] [--detector D] [--backend B]

A worker process of the kind that the program uses looks at the demonstration album's photos again and again, each time
at another size, until it has seen so many faces. A table shows its resident memory (megabytes of 10^6 bytes) on the
way; the last figure is how many times as much it holds at the end as at a fifth of the way. Runs on Linux.
"""

import argparse
import time
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import cv2
import numpy as np
from joblib import Parallel, delayed

from facefinder.faces.analyzer import AnalyzerSpec, load
from facefinder.find import spec_of
from facefinder.media.decode import open_photo
from facefinder.settings import read_settings

STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=5000, metavar="N")
    for name in ("engine", "model", "detector", "backend"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    wanted = {name: getattr(options, name) for name in ("engine", "model", "detector", "backend")}
    flags = [word for name, value in wanted.items() if value for word in (f"--{name}", value)]
    spec = spec_of(read_settings(["--no-index", *flags], common.ROOT))
    # Two jobs, one task: with one job joblib would run it in this process.
    [rows] = Parallel(n_jobs=2, backend="loky")([delayed(look)(spec, options.faces)])
    common.print_table(["faces", "photos", "resident MB", "seconds"], rows)
    growth = rows[-1][2] / rows[STEPS // 5][2]
    print(f"at the end over at a fifth: {growth:.3f}")
    common.print_figures({"key": spec.key, "faces": rows[-1][0], "resident": rows[-1][2], "growth": growth})


def look(spec: AnalyzerSpec, wanted: int) -> list[list[float]]:
    """What the worker does; (faces, photos, megabytes, seconds) before the first photo and at each tenth of the way."""
    analyzer, sizes, started = load(spec), np.random.default_rng(0), time.perf_counter()
    album = [open_photo(path.read_bytes()).pixels(1.0) for path in sorted((common.ROOT / "demo").rglob("*.jpg"))]
    faces = photos = 0
    rows: list[list[float]] = []
    while faces < wanted:
        for picture in album:
            if faces >= wanted * len(rows) / STEPS:
                rows.append([faces, photos, resident(), time.perf_counter() - started])
            scale = float(sizes.uniform(0.4, 1.0))
            resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            faces += len(analyzer.faces_in(resized))  # type: ignore[arg-type]
            photos += 1
    return [*rows[:STEPS], [faces, photos, resident(), time.perf_counter() - started]]


def resident() -> float:
    """What this process holds now, megabytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
