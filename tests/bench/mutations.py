"""Whether a search survives damaged files of every kind, within its limits, and reads all that can be read.

    python3 tests/bench/mutations.py [--files 2000] [--seed 0] [DIR ...]

Small files of every format that is read are made of one portrait and damaged: bits flipped, cut off, parts of other
files spliced in, another format's header put in front. They are searched with two workers, together with the whole
ones and the DIRs, for example ../shared/photos/awkward. A table shows what became of the files of each format. "Left
out" are those that cost a worker. Peak is the most memory that a worker held, looked at ten times a second, in
megabytes of 10^6 bytes; longest is the most time that passed between two results.
"""

import argparse
import io
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
import pillow_heif
import psutil
from PIL import Image

from clips import clip
from facefinder.faces.analyzer import Face, specify
from facefinder.index import Index
from facefinder.media.walk import walk
from facefinder.progress import NoProgress
from facefinder.scan import scan
from facefinder.workers.watch import WorkerLimits
from raws import dng

SIZE = (272, 340)
WHOLE = "whole"
# Suffix -> container and codec.
VIDEOS = {
    ".mp4": ("mp4", "libx264"),
    ".mov": ("mov", "libx264"),
    ".avi": ("avi", "mpeg4"),
    ".mkv": ("matroska", "libx264"),
    ".webm": ("webm", "libvpx"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("places", nargs="*", type=Path, metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pile = make_pile(Path(folder), options.files, options.seed)
        found = search([pile, *(place.resolve() for place in options.places)], WorkerLimits())
    kinds = sorted({kind for kind, _ in found.outcomes})
    columns = ["read", "of", "in part", "not", "left out"]
    rows: list[list[object]] = [[kind, *(found.outcomes[kind, column] for column in columns)] for kind in kinds]
    common.print_table(["", "read", "files", "in part", "unreadable", "left out"], rows)
    for path, reason in found.left_out:
        print(f"{path}: {reason}")
    common.print_figures(
        {
            "files": found.outcomes.total() // 2,
            "left out": len(found.left_out),
            "whole files without a face": found.missed,
            "peak": found.peak,
            "longest": found.longest,
            "seconds": found.seconds,
        }
    )


def make_pile(folder: Path, number: int, seed: int) -> Path:
    """The whole files, and so many damaged ones."""
    chance = random.Random(seed)
    originals = whole_files()
    pile = folder / "pile"
    pile.mkdir()
    for suffix, data in originals.items():
        (pile / f"{WHOLE}{suffix}").write_bytes(data)
    suffixes = list(originals)
    for count in range(number):
        suffix, other = suffixes[count % len(suffixes)], originals[chance.choice(suffixes)]
        damage = chance.choice(DAMAGES)
        (pile / f"{count:05} {damage.__name__}{suffix}").write_bytes(damage(originals[suffix], other, chance))
    return pile


def whole_files() -> dict[str, bytes]:
    """Suffix -> a file of that format with one clear face."""
    with Image.open(common.ROOT / "demo" / "album" / "Washington" / "2012" / "DSC_0101.jpg") as photo:
        portrait = photo.convert("RGB").resize(SIZE)
        large = photo.convert("RGB").resize((1088, 1360))
    files = {}
    for suffix in (".jpg", ".png", ".webp", ".avif", ".tiff", ".bmp", ".gif"):
        data = io.BytesIO()
        kind = {".jpg": "JPEG", ".tiff": "TIFF"}.get(suffix, suffix[1:].upper())
        portrait.save(data, kind, exif=_exif(), compression="tiff_lzw")
        files[suffix] = data.getvalue()
    heic, preview = io.BytesIO(), io.BytesIO()
    pillow_heif.from_pillow(portrait).save(heic, quality=80)
    large.save(preview, "JPEG", quality=60)
    files |= {".heic": heic.getvalue(), ".dng": dng(preview.getvalue(), large.size)}
    frames = [np.asarray(portrait)] * 8
    for suffix, (container, codec) in VIDEOS.items():
        files[suffix] = clip(frames, format=container, codec=codec)
    return files


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 1, "2019:12:24 18:30:00"
    return exif


def flipped(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Some bits are wrong; in half of the files near the beginning, where it says what is what."""
    changed = bytearray(data)
    end = len(data) if chance.random() < 0.5 else min(len(data), 1000)
    for _ in range(chance.choice((1, 3, 10, 100))):
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut_off(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The end is missing."""
    return data[: chance.randrange(len(data))]


def spliced(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Some of another file, or of this one, is put in, in place of something or between."""
    source = chance.choice((data, other))
    start, at = chance.randrange(len(source)), chance.randrange(len(data))
    part = source[start : start + chance.choice((1, 16, 512, 20_000))]
    return data[:at] + part + data[at + chance.choice((0, len(part), 2 * len(part))) :]


def swapped(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """It begins as another file does."""
    head = chance.choice((4, 12, 64, 500))
    return other[:head] + data[chance.choice((0, head)) :]


DAMAGES = (flipped, cut_off, spliced, swapped)


class Found(NoProgress):
    """What a search made of the files; outcomes: (suffix, what became of it) -> how many."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.left_out: list[tuple[str, str]] = []
        self.missed: list[str] = []
        self.peak = self.longest = self.seconds = 0.0
        self._last = time.monotonic()

    def start(self, what: str, total: int) -> None:
        self._last = time.monotonic()

    def advance(self, note: str = "") -> None:
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now


def search(places: Sequence[Path], limits: WorkerLimits) -> Found:
    """Scan the places with two workers and a fresh index."""
    found, started = Found(), time.monotonic()
    spec = specify("sface", 20, common.ROOT / "models")
    files = list(walk(places))
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(found, over))
    watcher.start()
    try:
        with Index(None, spec.key, "bench") as index:
            report = scan(files, index, spec, 2, found, _count, limits)
            faces = {file.path: len(index.faces_at(file.path)) for file in files}
    finally:
        over.set()
        watcher.join()
    problems = dict(report.problems)
    for file in files:
        suffix, reason = Path(file.path).suffix.lower(), problems.get(file.path)
        found.outcomes[suffix, "of"] += 1
        if reason is None:
            found.outcomes[suffix, "read"] += 1
        elif reason.startswith("left out"):
            found.outcomes[suffix, "left out"] += 1
            found.left_out.append((file.path, reason))
        else:
            found.outcomes[suffix, "in part" if faces[file.path] else "not"] += 1
        if Path(file.path).stem == WHOLE and (reason or not faces[file.path]):
            found.missed.append(suffix)
    found.seconds = time.monotonic() - started
    return found


def _count(faces: list[Face]) -> int:
    return len(faces)


def _watch(found: Found, over: threading.Event) -> None:
    while not over.wait(0.1):
        for worker in psutil.Process().children():
            try:
                found.peak = max(found.peak, worker.memory_info().rss / 1e6)
            except psutil.Error:
                continue  # it has just ended


if __name__ == "__main__":
    main()
