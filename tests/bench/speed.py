"""Photos per second, and where the time goes, beside DeepFace.find on the same photos.

    python3 tests/bench/speed.py DIR [--jobs 2] [--refs REFS] [--limit N] [--model sface] [--device cuda --no-deepface]

Four figures from one run, each at the same number of processes and each counted from the moment the models are loaded:

native     the program: walk, read, hash, decode, detect, align, embed, index
kernels    decode + detect + embed alone, on bytes already in memory: what the native engine could reach at best
deepface   DeepFace.find(yunet, SFace, ONNX engine), photo by photo, its datastore of REFS built beforehand
seed       the first seed's way (DeepFace.find, Facenet512 + mtcnn on TensorFlow): not run here, 6.6 s a photo with two
           processes as it was measured for this project; for the order of magnitude

With --device, `native` runs on that device too, beside itself on the processor; the start of the device, some seconds,
is counted, so take a thousand photos.

Needs the deepface pack: python3 bootstrap/build.py --with deepface. `--no-deepface` goes without.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import common  # first: it finds the packages

# isort: split

from joblib import Parallel, delayed

from facefinder.faces.analyzer import AnalyzerSpec, load, specify
from facefinder.faces.devices import CPU, DEVICES
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS
from facefinder.index import Index
from facefinder.media.decode import UnreadablePhoto
from facefinder.media.walk import FoundFile, walk
from facefinder.progress import NoProgress
from facefinder.scan import scan

SEED_SECONDS = 6.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--refs", type=Path, help="reference photos for DeepFace (default: three photos out of DIR)")
    parser.add_argument("--limit", type=int, default=10_000, metavar="N", help="at most so many photos")
    parser.add_argument("--no-deepface", action="store_true")
    parser.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER)
    parser.add_argument("--device", choices=list(DEVICES), default=CPU.name)
    options = parser.parse_args()
    files = list(walk([options.folder]))[: options.limit]
    spec = specify(options.model, 20, common.ROOT / "models")
    native = run_native(files, spec, options.jobs)
    kernels = run_kernels(files, spec, options.jobs)
    results = {"native": native, "kernels": kernels}
    if options.device != CPU.name:
        results[f"native on {options.device}"] = run_native(files, replace(spec, device=options.device), options.jobs)
    if not options.no_deepface:
        results["deepface"] = run_deepface(files, options)
    print(f"{len(files)} photos, {options.jobs} processes")
    rows = [
        [name, result["rate"], 1 / result["rate"], result["faces"], result["rate"] * result["faces"] / len(files)]
        for name, result in results.items()
    ]
    rows.append(["seed (not run)", 1 / SEED_SECONDS, SEED_SECONDS, "", ""])
    common.print_table(["", "photos/s", "s a photo", "faces", "faces/s"], rows)
    total = sum(native["stages"].values())
    print("where native's workers spend their time:")
    common.print_table(
        ["", "ms a photo", "share"],
        [
            [stage, 1e3 * spent / len(files), f"{spent / total:.0%}"]
            for stage, spent in sorted(native["stages"].items(), key=lambda item: -item[1])
        ],
    )
    figures: dict[str, object] = {
        "photos": len(files),
        "native_over_kernels": native["rate"] / kernels["rate"],
        "native_over_seed": native["rate"] * SEED_SECONDS,
        "start_seconds": native["start"],
    }
    if options.device != CPU.name:
        figures[f"{options.device}_over_cpu"] = results[f"native on {options.device}"]["rate"] / native["rate"]
    if "deepface" in results:
        figures["native_over_deepface"] = native["rate"] / results["deepface"]["rate"]
    for name, value in figures.items():
        print(f"{name}: {value:.3g}")
    common.print_figures(figures | {name: {"rate": r["rate"], "faces": r["faces"]} for name, r in results.items()})


def run_native(files: list[FoundFile], spec: AnalyzerSpec, jobs: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Index(Path(folder) / "index", spec.key, platform.node()) as index,
    ):
        started = time.perf_counter()
        warm_up(files, spec, jobs)
        loaded = time.perf_counter()
        report = scan(files, index, spec, jobs, NoProgress())
        ended = time.perf_counter()
    return {
        "rate": len(files) / (ended - loaded),
        "faces": report.faces,
        "stages": report.seconds,
        "start": loaded - started,
    }


def warm_up(files: list[FoundFile], spec: AnalyzerSpec, jobs: int) -> None:
    """Start the worker processes that scan() will use again, and load the models in each."""
    with Index(None, spec.key, platform.node()) as index:
        scan(files[: jobs * 4], index, spec, jobs, NoProgress())


def run_kernels(files: list[FoundFile], spec: AnalyzerSpec, jobs: int) -> dict[str, Any]:
    shares = [[file.path for file in files[start::jobs]] for start in range(jobs)]
    results = Parallel(n_jobs=jobs, backend="loky")(delayed(kernels_alone)(share, spec) for share in shares)
    busiest = max(sum(seconds[stage] for stage in ("decode", "detect", "embed")) for seconds, _ in results)
    return {"rate": len(files) / busiest, "faces": sum(faces for _, faces in results)}


def kernels_alone(paths: list[str], spec: AnalyzerSpec) -> tuple[dict[str, float], int]:
    analyzer, faces = load(spec), 0
    seconds: dict[str, float] = defaultdict(float)
    for path in paths:
        try:
            analysis = analyzer.analyse(Path(path).read_bytes())
        except UnreadablePhoto:
            continue
        for stage, spent in analysis.seconds.items():
            seconds[stage] += spent
        faces += len(analysis.faces)
    return seconds, faces


def run_deepface(files: list[FoundFile], options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        sources = sorted(options.refs.rglob("*.*"))[:3] if options.refs else [Path(file.path) for file in files[:3]]
        for source in sources:
            shutil.copy(source, folder)
        # DeepFace writes its datastore into the folder of references; build it before the clock starts.
        deepface_find([files[0].path], folder)
        paths = [file.path for file in files]
        with Parallel(n_jobs=options.jobs, backend="loky", batch_size=1) as workers:
            workers(delayed(deepface_find)([path], folder) for path in paths[: options.jobs * 2])
            started = time.perf_counter()
            faces = workers(delayed(deepface_find)([path], folder) for path in paths)
            ended = time.perf_counter()
    return {"rate": len(paths) / (ended - started), "faces": sum(faces)}


def deepface_find(paths: list[str], refs: str) -> int:
    """Search for each photo's faces among the references, as DeepFace's users do; returns how many faces it saw."""
    os.environ["DEEPFACE_HOME"] = str(common.ROOT / "models" / "deepface")
    os.environ["DEEPFACE_BACKEND_ENGINE"] = "onnx"
    os.environ["OMP_NUM_THREADS"] = "1"
    from deepface import DeepFace

    faces = 0
    for path in paths:
        try:
            found = DeepFace.find(path, refs, model_name="SFace", detector_backend="yunet", silent=True)
            faces += len(found)
        except ValueError:
            pass  # DeepFace's way of saying that it sees no face, or cannot read the file
    return faces


if __name__ == "__main__":
    main()
