"""How much memory the program needs: the parent with a large index, and a worker with large photos.

    python3 tests/bench/memory.py [--faces 100000] [--no-photos]

index      the parent's peak while it compares `--faces` faces of as many photos, stored in an index, with two people;
           one photo in ten shows one of them. The faces are made up; the index is filled by another process.
photos     a worker's peak on 36-megapixel photos of each kind, made of the demonstration album's photos, each in a
           process of its own. "start" is a worker with its models loaded that has seen no photo.

Peak: the greatest resident set of the process, in megabytes of 10^6 bytes. Runs on Linux and macOS.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import common  # first: it puts the program's packages on the search path

# isort: split
import numpy as np
import pillow_heif
from PIL import Image

from facefinder.faces.analyzer import Face, load, specify
from facefinder.find import find_matches
from facefinder.index import Content, Index
from facefinder.match import Limits
from facefinder.media.walk import FoundFile
from facefinder.people import make_person

SIZE = (7360, 4912)  # 36 megapixels, as a full-frame camera makes them
COMPUTER, KEY = "bench", "bench"
KINDS = ("JPEG", "JPEG, turned", "JPEG, progressive", "HEIC", "AVIF", "WebP", "PNG", "TIFF")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=100_000, metavar="N")
    parser.add_argument("--no-photos", action="store_true", help="only the index")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)  # what a process of its own does
    options = parser.parse_args()
    if options.part:
        task, *arguments = options.part
        parts: dict[str, Callable[..., str]]
        parts = {"fill": fill_index, "search": search_index, "make": make_photo, "look": look_at}
        print(parts[task](*arguments))
        return
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index.sqlite")
        part("fill", index, str(options.faces))
        matches, megabytes = part("search", index)
        figures: dict[str, object] = {
            "index": {"faces": options.faces, "matches": int(matches), "megabytes": float(megabytes)}
        }
        rows: list[list[object]] = [[f"index of {options.faces} faces", "", float(megabytes)]]
        if not options.no_photos:
            figures["photos"] = workers = {}
            for kind in ("start", *KINDS):
                photo = str(Path(folder) / "photo")
                if kind != "start":
                    part("make", kind, photo)
                faces, megabytes = part("look", photo if kind != "start" else "")
                rows.append([kind, int(faces), float(megabytes)])
                workers[kind] = float(megabytes)
    common.print_table(["", "faces found", "peak MB"], rows)
    common.print_figures(figures)


def part(*arguments: str) -> list[str]:
    """Run a part of this program in a process of its own, so that its peak is its own; returns the words it prints."""
    command = [sys.executable, "-s", "-B", __file__, "--part", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def peak() -> float:
    """The greatest resident set of this process so far, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux's ru_maxrss counts the process that started this one too
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS: bytes


def made_up_face(numbers: np.random.Generator, person: int | None) -> Face:
    """A face; those of one person are near each other."""
    vector = numbers.normal(size=128).astype(np.float32)
    if person is not None:
        vector = vector * 0.5 + np.eye(128, dtype=np.float32)[person] * 12
    vector /= np.linalg.norm(vector)
    return Face((100.0, 100.0, 80.0, 110.0), np.zeros((5, 2), np.float32), 0.9, 300.0, vector)


def fill_index(path: str, faces: str) -> str:
    """Store one made-up face for each of so many photos."""
    numbers = np.random.default_rng(0)
    with Index(Path(path), KEY, COMPUTER) as index:
        for number in range(int(faces)):
            content = Content(number.to_bytes(32, "big"), 4_000_000 + number, *SIZE, "2019:12:24 18:30:00")
            person = number // 10 % 2 if number % 10 == 0 else None
            index.add_analysis(content, [made_up_face(numbers, person)], None)
            name = f"/home/somebody/Pictures/2019/Christmas at home/IMG_{number:06}.jpg"
            index.add_place(FoundFile(name, content.bytes, number), content.sha256)
    return ""


def search_index(path: str) -> str:
    """See every photo again and find the people, as the program does; returns the number of matches and the peak."""
    numbers = np.random.default_rng(1)
    people = [make_person(str(n), {str(k): [made_up_face(numbers, n)] for k in range(3)}, 0.55) for n in (0, 1)]
    with Index(Path(path), KEY, COMPUTER) as index:
        number = 0
        while index.see_again(
            FoundFile(f"/home/somebody/Pictures/2019/Christmas at home/IMG_{number:06}.jpg", 4_000_000 + number, number)
        ):
            number += 1
        matches = find_matches(index, people, Limits(0.45, 0.55))
    return f"{len(matches)} {peak()}"


def make_photo(kind: str, path: str) -> str:
    """Write a large photo of many faces."""
    photo = Image.open(common.ROOT / "demo" / "album" / "Family" / "Christmas.jpg").resize(
        SIZE, Image.Resampling.BICUBIC
    )
    exif = Image.Exif()
    if kind == "JPEG, turned":
        photo = photo.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6
    data = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(photo).save(data, quality=80)
    elif kind.startswith("JPEG"):
        photo.save(data, "JPEG", quality=92, exif=exif, progressive="progressive" in kind)
    else:
        photo.save(data, kind.upper(), **{"PNG": {"compress_level": 1}, "AVIF": {"speed": 10}}.get(kind, {}))
    Path(path).write_bytes(data.getvalue())
    return ""


def look_at(path: str) -> str:
    """Analyse one photo as a worker does; returns the number of faces and the peak."""
    analyzer = load(specify("sface", 20, common.ROOT / "models"))
    faces = analyzer.analyse(Path(path).read_bytes()).faces if path else []
    return f"{len(faces)} {peak()}"


if __name__ == "__main__":
    main()
