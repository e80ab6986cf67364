"""The recognisers on a graphics card beside the processor: faces per second, and how far their vectors lie apart.

    python3 tests/bench/device.py DIR --device cuda [--jobs N] [--model NAME ...] [--batch N ...] [--again N]

The faces of the photos in DIR (each --again times, so that there is enough to do) are cut out once, as in a search.
Then each model embeds them on the processor with N processes, as a search does without a card, and on the device in
batches of each size. The first batch, in which a device plans, is not counted: `start` tells what it took.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from facefinder.faces.analyzer import load, specify
from facefinder.faces.devices import CPU, DEVICES, Device
from facefinder.faces.embed import Embedder
from facefinder.faces.models import RECOGNISERS, recogniser
from facefinder.media.decode import UnreadablePhoto
from facefinder.media.walk import walk

MODELS = common.ROOT / "models"
MIN_FACE = 20  # pixels, the program's default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--device", choices=[name for name in DEVICES if name != CPU.name], default="cuda")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--model", action="append", choices=sorted(RECOGNISERS), help="may be given again")
    parser.add_argument("--batch", action="append", type=int, metavar="N", help="may be given again")
    parser.add_argument("--again", type=int, default=8, metavar="N")
    options = parser.parse_args()
    device = DEVICES[options.device]
    installed = [name for name in RECOGNISERS if (MODELS / recogniser(name).file).is_file()]
    rows: list[list[object]] = []
    figures: dict[str, object] = {"jobs": options.jobs, "device": device.name}
    for name in options.model or installed:
        crops = crops_of(options.folder, name, device.name, options.jobs)
        many = np.concatenate([crops] * options.again)
        of_cpu, cpu_rate = on_processor(name, many, options.jobs)
        for batch in options.batch or [device.batch]:
            vectors, rate, start = on(replace(device, batch=batch), name, many)
            apart = float(np.abs(vectors - of_cpu).max())
            rows.append([name, batch, len(many), cpu_rate, rate, rate / cpu_rate, start, f"{apart:.1e}"])
            figures[f"{name} {batch}"] = {"times_processor": rate / cpu_rate, "faces_a_second": rate, "apart": apart}
    columns = ["batch", "faces", f"{options.jobs} processes, faces/s", f"{device.name}, faces/s", "times", "start s"]
    common.print_table(["", *columns, "most apart"], rows)
    common.print_figures(figures)


def crops_of(folder: Path, model: str, device: str, jobs: int) -> NDArray[np.uint8]:
    """(N, side, side, 3) uint8 RGB: the faces of all photos, as the workers leave them to a card."""
    paths = [file.path for file in walk([folder])]
    shares = [paths[start::jobs] for start in range(jobs)]
    found = Parallel(n_jobs=jobs, backend="loky")(delayed(crops_in)(share, model, device) for share in shares)
    return np.concatenate([crops for share in found for crops in share])


def crops_in(paths: list[str], model: str, device: str) -> list[NDArray[np.uint8]]:
    analyzer = load(replace(specify(model, MIN_FACE, MODELS), device=device))
    found = []
    for path in paths:
        try:
            crops = analyzer.analyse(Path(path).read_bytes()).crops
        except UnreadablePhoto:
            continue
        if crops is not None:
            found.append(crops)
    return found


def on_processor(model: str, crops: NDArray[np.uint8], jobs: int) -> tuple[NDArray[np.float32], float]:
    """The vectors and the faces per second of so many processes together, without their start."""
    shares = np.array_split(crops, jobs)
    done = Parallel(n_jobs=jobs, backend="loky")(delayed(on)(CPU, model, share) for share in shares)
    return np.concatenate([vectors for vectors, _, _ in done]), sum(rate for _, rate, _ in done)


def on(device: Device, model: str, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float, float]:
    """The vectors, faces per second, and seconds for loading and a first batch."""
    began = time.perf_counter()
    embedder = Embedder(recogniser(model), MODELS, device)
    embedder.embed(crops[: device.batch])
    started = time.perf_counter()
    vectors = embedder.embed(crops)
    return vectors, len(crops) / (time.perf_counter() - started), started - began


if __name__ == "__main__":
    main()
