"""Which device the recogniser runs on: tried with real inference, in a child process that may crash or hang."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from facefinder.errors import UsageError
from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.faces.devices import CPU, DEVICES, TRIED, Device, is_installed
from facefinder.faces.models import recogniser

AUTO = "auto"
# New photos for each worker process from which on a card is tried. It takes some 5 seconds to start, twice: for the
# trial and for the work. Then it takes 24 ms a photo off a worker (tests/bench/speed.py --device cuda, on an H200).
WORTH_A_TRIAL = 200
# Drivers that compile their kernels at the first start take half a minute.
TRIAL_SECONDS = 90.0
# The greatest difference in a number of a vector (of length 1) between devices that share the rows of an index.
SAME_VECTOR = 1e-3
NVIDIAS_WORDS = re.compile(r"\b(?:CUDA|CUDNN|CUBLAS) failure \d+: ([^;]+)")
CHILD = """
import json, sys
task = json.load(sys.stdin)
sys.path[:] = task.pop("path")
from facefinder.faces.trial import answer
answer(**task)
"""


@dataclass(frozen=True)
class Trial:
    """How it went. trouble: why the device cannot be used, or None.

    difference: the greatest between its vectors and the processor's. rate, core_rate: faces per second on the device
    and on one core.
    """

    trouble: str | None
    difference: float = 0.0
    rate: float = 0.0
    core_rate: float = 0.0


def choose_device(spec: AnalyzerSpec, photos: int, jobs: int, say: Callable[[str], None]) -> Device:
    """The device for so many new photos, for what the spec asks. Raises UsageError if one that was named does not work.

    say: told in one line which device it is, unless it is the processor and no other one is there.
    """
    if spec.device == CPU.name or not photos:
        return CPU
    if spec.device == AUTO:
        return _first_that_works(spec, jobs, say) if photos >= WORTH_A_TRIAL * jobs else CPU
    device = DEVICES[spec.device]
    if not is_installed(device):
        raise UsageError(f"--device {device.name} cannot be used: {_how_to_get(device)}")
    if trouble := try_out(device, spec.model, spec.models).trouble:
        raise UsageError(f"--device {device.name} cannot be used: {trouble}.\nLeave --device out to go without.")
    say(f"Faces are recognised on {device.title}.")
    return device


def _first_that_works(spec: AnalyzerSpec, jobs: int, say: Callable[[str], None]) -> Device:
    for device in (DEVICES[name] for name in TRIED):
        if not is_installed(device):
            continue
        trial = try_out(device, spec.model, spec.models)
        trouble = trial.trouble
        if trouble is None and trial.rate < trial.core_rate * min(jobs, os.cpu_count() or 1):
            trouble = "it is slower than the processor"
        if trouble is None:
            say(f"Faces are recognised on {device.title}.")
            return device
        say(f"Faces are recognised on the processor. Not on {device.title}:\n  {trouble}.")
    return CPU


def _how_to_get(device: Device) -> str:
    if sys.platform not in device.systems:
        return f"there is no {device.name} for this kind of computer. Leave --device out."
    return (
        "its packages are not there, or this computer has no such card.\n"
        f"On a computer with internet, this adds them:  python3 bootstrap/build.py --with {device.pack}"
    )


@lru_cache(maxsize=8)
def try_out(device: Device, model: str, models: Path, seconds: float = TRIAL_SECONDS) -> Trial:
    """Run the recogniser on the device and on the processor in a child process, and compare."""
    task = {"path": sys.path, "device": asdict(device), "model": model, "models": str(models)}
    try:
        child = subprocess.run(
            [sys.executable, "-s", "-B", "-X", "utf8", "-c", CHILD],
            input=json.dumps(task),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return Trial(f"it gave no answer within {seconds:.0f} seconds")
    except OSError as error:
        return Trial(f"it could not be tried: {error.strerror or error}")
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        return Trial(f"trying it crashed (code {child.returncode})")
    return Trial(**json.loads(lines[-1]))


def answer(device: dict[str, Any], model: str, models: str) -> None:
    """What the child process does: print as its last line what try_out returns."""
    options = tuple((name, value) for name, value in device.pop("options"))
    tried = Device(**{**device, "options": options, "systems": tuple(device["systems"])})
    try:
        trial = _compare(tried, model, Path(models))
    except Exception as error:  # noqa: BLE001 - whatever a driver comes up with is a reason not to use it
        trial = Trial(_in_short(error))
    print(json.dumps(asdict(trial)))


def _in_short(error: Exception) -> str:
    """What a user can read of a driver's complaint: onnxruntime wraps NVIDIA's sentence in its own places and calls."""
    said = " ".join(str(error).split())
    if found := NVIDIAS_WORDS.search(said):
        return found[1].strip()
    return said[:200].rstrip(".") or type(error).__name__


def _compare(device: Device, model: str, models: Path) -> Trial:
    from facefinder.faces.embed import Embedder  # onnxruntime is loaded in the child only

    wanted = recogniser(model)
    crops = np.random.default_rng(0).integers(0, 256, (device.batch, wanted.side, wanted.side, 3), np.uint8)
    few = crops[: CPU.batch]
    vectors, rate = _timed(Embedder(wanted, models, device).embed, crops)
    of_cpu, core_rate = _timed(Embedder(wanted, models).embed, few)
    difference = float(np.abs(vectors[: len(few)] - of_cpu).max())
    agree = difference <= SAME_VECTOR  # not so for NaN either
    trouble = None if agree else f"its vectors differ from the processor's by {difference:.1g}"
    return Trial(trouble, difference, rate, core_rate)


def _timed(embed: Callable[[Any], Any], crops: Any) -> tuple[Any, float]:
    """The second time counts: the first one plans and compiles. Returns the vectors, and faces per second."""
    embed(crops)
    started = time.perf_counter()
    vectors = embed(crops)
    return vectors, len(crops) / (time.perf_counter() - started)
