"""What --encrypt costs: writing an index of made faces, opening it, and reading all vectors, plain and encrypted.

    python3 tests/bench/encryption.py [--photos 20000]

Each is done three times, the two in turns; the best counts. The photos have two faces each.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from common import print_figures, print_table
from facefinder.faces.analyzer import Face
from facefinder.index import Content, Index
from facefinder.media.walk import FoundFile

ROUNDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    photos = parser.parse_args().photos
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, passphrase in (("plain", None), ("encrypted", "a passphrase")):
            with tempfile.TemporaryDirectory() as folder:
                seconds = _measure(Path(folder) / "index.sqlite", photos, passphrase)
            best[name] = [min(pair) for pair in zip(best.get(name, seconds), seconds, strict=True)]
    header = ("index", "photos written per second", "seconds to open", "seconds to read all vectors")
    print_table(header, [(name, photos / write, *others) for name, (write, *others) in best.items()])
    print_figures({name: dict(zip(("write", "open", "read"), seconds, strict=True)) for name, seconds in best.items()})


def _measure(path: Path, photos: int, passphrase: str | None) -> list[float]:
    random = np.random.default_rng(1)
    faces = [
        Face((1.0, 2.0, 80.0, 90.0), np.zeros((5, 2), np.float32), 0.9, 50.0, random.random(128, np.float32))
        for _ in range(2)
    ]
    started = time.perf_counter()
    with Index(path, "model", "here", passphrase) as index:
        for number in range(photos):
            sha256 = number.to_bytes(32, "big")
            index.add_analysis(Content(sha256, number, 4000, 3000), faces, None)
            index.add_place(FoundFile(f"/photos/{number}.jpg", number, number), sha256)
    written = time.perf_counter()
    with Index(path, "model", "here", passphrase) as index:
        opened = time.perf_counter()
        index.rows("SELECT vector FROM face")
    return [written - started, opened - written, time.perf_counter() - opened]


if __name__ == "__main__":
    main()
