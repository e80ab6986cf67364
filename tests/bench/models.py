"""The recognisers beside each other: how many photos of a person each finds, how fast it is, and what it weighs.

    python3 tests/bench/models.py DIR [DIR ...] [--model NAME ...] [--through-deepface]

Of each model that is installed: what quality.py says of the folders DIR (recall at its `sure`, and at the distance
within which one in 10,000 photos of strangers lies), milliseconds for a face on one core in batches of four, and from
models.json bytes and licence. `*`: a licence with conditions. Without --model all that are installed.

With --through-deepface the same photos go through the engine `deepface` as well (its detector yunet, its crop, its way
to feed pixels; matched as ours are), where the model's weights for it are there.
"""

import argparse
import json
import math
import time

import common  # first: it finds the packages

# isort: split

import numpy as np
from numpy.typing import NDArray

import quality
from facefinder.errors import FaceFinderError
from facefinder.faces.analyzer import specify
from facefinder.faces.deepface_models import deepface_thresholds, specify_deepface
from facefinder.faces.devices import CPU
from facefinder.faces.embed import Embedder
from facefinder.faces.measures import COSINE
from facefinder.faces.models import RECOGNISERS, recogniser

MODELS = common.ROOT / "models"
RATE = 1e-4
SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    quality.add_options(parser)
    parser.add_argument("--model", action="append", choices=sorted(RECOGNISERS), help="may be given again")
    parser.add_argument("--through-deepface", action="store_true")
    options = parser.parse_args()
    catalogue = json.loads((MODELS / "models.json").read_text("utf-8"))
    installed = [name for name in options.model or RECOGNISERS if (MODELS / recogniser(name).file).is_file()]
    rows: list[list[object]] = []
    figures: dict[str, dict[str, float]] = {}
    for name in installed:
        entry = catalogue["files"][recogniser(name).file]
        thresholds = recogniser(name).thresholds
        spec = specify(name, options.min_face, MODELS)
        genuine, impostor = quality.distances_of(options, spec, thresholds.maybe)
        recall, distance = recall_at(RATE, genuine, impostor)
        figures[name] = {
            "recall_at_sure": float((genuine <= thresholds.sure).mean()),
            "recall_at_1_in_10000": recall,
            "through_deepface": recall_through_deepface(name, options) if options.through_deepface else math.nan,
            "distance_at_1_in_10000": distance,
            "ms_a_face": milliseconds_a_face(name),
            "megabytes": entry["bytes"] / 1e6,
        }
        terms = "*" if name in catalogue["must_accept"] else ""
        rows.append([name, *figures[name].values(), entry["licence"] + terms])
    print(f"{len(genuine)} true pairs, {len(impostor)} false pairs")
    columns = ["recall at sure", "recall at 1:10,000", "through DeepFace", "its distance", "ms a face", "MB", "licence"]
    common.print_table(["", *columns], rows)
    first = figures[installed[0]]["ms_a_face"]
    figures["times_as_fast_as_first"] = {name: first / figures[name]["ms_a_face"] for name in installed}
    common.print_figures(dict(figures))


def recall_at(rate: float, genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> tuple[float, float]:
    """The recall at the distance within which this share of strangers lies, and that distance."""
    distance = float(np.quantile(impostor, rate))
    return float((genuine <= distance).mean()), distance


def recall_through_deepface(name: str, options: argparse.Namespace) -> float:
    """The recall at RATE of the model of the same name in the engine `deepface`; NaN where it is not there."""
    try:
        spec = specify_deepface(name, "yunet", "onnx", options.min_face, MODELS)
    except FaceFinderError as error:
        print(f"not through DeepFace: {error}")
        return math.nan
    _, agree = deepface_thresholds(name, "yunet", COSINE)
    return recall_at(RATE, *quality.distances_of(options, spec, agree))[0]


def milliseconds_a_face(name: str) -> float:
    """The least of many runs, one batch of crops each, by the processor's own clock: others may run beside it."""
    wanted = recogniser(name)
    embedder = Embedder(wanted, MODELS)
    crops = np.random.default_rng(0).integers(0, 256, (CPU.batch, wanted.side, wanted.side, 3), np.uint8)
    times = []
    ends = time.perf_counter() + SECONDS
    while time.perf_counter() < ends:
        started = time.process_time()
        embedder.embed(crops)
        times.append(time.process_time() - started)
    return 1e3 * min(times) / len(crops)


if __name__ == "__main__":
    main()
