"""How well, how fast and in how much memory faces are grouped, by each method.

    python3 tests/bench/grouping.py DIR [--model sface]             # a folder of photos for each person
    python3 tests/bench/grouping.py VECTORS.npz                     # vectors (N, D) and labels (N,), -1: not known
    python3 tests/bench/grouping.py --make 13233 [--poor 0.3]       # made-up faces, see made_faces.py
    python3 tests/bench/grouping.py --make 1000000 --methods average

BCubed precision: how much of a face's group is its person; recall: how much of its person is in its group. A face in no
group is a group of its own. Of a photo in a DIR the largest face is the folder's person; where another is nearly as
large nobody knows who is meant. Such faces, and all others, are grouped with the rest and not counted.

Each method runs in a process of its own: seconds are for grouping alone, peak memory is the whole process (Linux: MB of
10^6 bytes) of which "start" had already gone before grouping, for Python, libraries and the vectors.
"matrix" is average linkage of all pairs by scipy, cut at .55.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common  # first: it puts the program's packages on the search path

# isort: split
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import specify
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS
from facefinder.group import METHODS, STRANGER, Faces, Integers, group
from made_faces import make_faces
from quality import analyse

MATRIX = "matrix"
LARGEST_MATRIX = 20_000  # faces: 1.6 GB
CLEARLY = 1.25  # how much larger than the next a face is that must be the one meant
SCORES = ("precision", "recall", "F", "pair F", "ARI", "AMI")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, metavar="DIR|VECTORS.npz")
    parser.add_argument("--make", type=int, metavar="N", help="make N faces")
    parser.add_argument("--poor", type=float, default=0.0, metavar="SHARE", help="of the made faces, small or blurred")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=[*METHODS, MATRIX], default=[*METHODS, MATRIX])
    parser.add_argument("--save", type=Path, metavar="VECTORS.npz", help="keep the vectors")
    parser.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER)
    parser.add_argument("--min-face", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", metavar="METHOD", help=argparse.SUPPRESS)  # what a process of its own does
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options.source, options.only)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.save or Path(folder) / "vectors.npz"
        if options.make:
            np.savez(path, **make_faces(options.make, options.poor, options.seed))
        elif options.source and options.source.is_dir():
            np.savez(path, **read_folder(options))
        elif options.source:
            path = options.source
        else:
            parser.error("name a folder of photos or a file of vectors, or --make N")
        results = {method: in_own_process(path, method) for method in options.methods}
    header = ["", *SCORES, "groups", "seconds", "peak MB", "start MB"]
    rows = [[method, *(result.get(column, "") for column in header[1:])] for method, result in results.items()]
    common.print_table(header, rows)
    for method, result in results.items():
        if "failed" in result:
            print(f"{method}: {result['failed']}")
    common.print_figures({"source": str(options.source or f"made: {options.make}"), "poor": options.poor} | results)


def in_own_process(path: Path, method: str) -> dict[str, object]:
    """What measure() returns there, or why there is nothing."""
    command = [sys.executable, "-s", "-B", __file__, str(path), "--only", method]
    # This file's neighbours are found by its folder, where the program's own processes do not look.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["ended without a word"])[-1]}
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(path: Path, method: str) -> dict[str, object]:
    """Group the faces in a file by one method."""
    with np.load(path) as stored:
        vectors, labels = stored["vectors"].astype(np.float32), stored["labels"]
        good = {"sizes": 100.0, "sharpness": 100.0, "scores": 0.93}
        of_each = {name: stored[name] if name in stored else np.full(len(vectors), good[name]) for name in good}
        photos = stored["photos"] if "photos" in stored else np.arange(len(vectors))
    faces = Faces(vectors, photos=photos, **of_each)
    if method == MATRIX and len(vectors) > LARGEST_MATRIX:
        raise SystemExit(f"not for more than {LARGEST_MATRIX} faces")
    if method != MATRIX:
        group(Faces(*(column[:100] for column in vars(faces).values())), method=method)  # imports, threads
    start = peak_megabytes()
    began = time.perf_counter()
    found = full_matrix(vectors) if method == MATRIX else group(faces, method=method).labels
    seconds = time.perf_counter() - began
    result: dict[str, object] = {"seconds": seconds, "peak MB": peak_megabytes(), "start MB": start}
    groups = np.unique(found[found != STRANGER], return_counts=True)[1]
    alone = np.where(found == STRANGER, found.max() + 1 + np.arange(len(found)), found)
    known = labels != STRANGER
    return result | {"groups": int((groups > 1).sum())} | scores(labels[known], alone[known])


def full_matrix(vectors: NDArray[np.float32]) -> Integers:
    """Average linkage on the distances of all pairs."""
    from scipy.cluster.hierarchy import fcluster, linkage  # heavy, and not in every bundle

    groups: Integers = fcluster(linkage(vectors, "average", "cosine"), 0.55, "distance").astype(np.int64)
    return groups


def peak_megabytes() -> float:
    """The greatest resident set of this process. Not getrusage: a child inherits its parent's figure there."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) * 1024e-6


def scores(labels: Integers, found: Integers) -> dict[str, float]:
    """Compare the groups found (N,) with the people (N,)."""
    labels, found = np.unique(labels, return_inverse=True)[1], np.unique(found, return_inverse=True)[1]
    both = np.unique(labels * (found.max() + 1) + found, return_inverse=True, return_counts=True)
    together = both[2][both[1]]
    precision = float((together / np.bincount(found)[found]).mean())
    recall = float((together / np.bincount(labels)[labels]).mean())
    pairs = [float((counts * (counts - 1.0)).sum()) for counts in (both[2], np.bincount(found), np.bincount(labels))]
    result = {
        "precision": precision,
        "recall": recall,
        "F": 2 * precision * recall / (precision + recall),
        "pair F": 2 * pairs[0] / max(pairs[1] + pairs[2], 1),
    }
    try:
        from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score  # comes with hdbscan
    except ImportError:
        return result
    result["ARI"] = float(adjusted_rand_score(labels, found))
    # Its expectation takes minutes for more.
    if len(labels) <= 100_000:
        result["AMI"] = float(adjusted_mutual_info_score(labels, found))
    return result


def read_folder(options: argparse.Namespace) -> dict[str, NDArray[np.generic]]:
    """The faces of a folder's photos, found in the program's own way."""
    options.folders = [options.source]
    spec = specify(options.model, options.min_face, common.ROOT / "models")
    of_people = analyse(options, spec)
    photos = [(name, faces) for name, of_person in of_people.items() for faces in of_person.values() if faces]
    names = sorted({name for name, _ in photos})
    labels = []
    for name, faces in photos:
        sizes = sorted((face.size for face in faces), reverse=True)
        clear = len(sizes) == 1 or sizes[0] > CLEARLY * sizes[1]
        labels += [names.index(name) if clear and face.size == sizes[0] else STRANGER for face in faces]
    everyone = [face for _, faces in photos for face in faces]
    return {
        "vectors": np.stack([face.vector for face in everyone]),
        "labels": np.array(labels),
        "sizes": np.array([face.size for face in everyone]),
        "sharpness": np.array([face.sharpness for face in everyone]),
        "scores": np.array([face.score for face in everyone]),
        "photos": np.repeat(np.arange(len(photos)), [len(faces) for _, faces in photos]),
    }


if __name__ == "__main__":
    main()
