"""The registry: a model's name -> its file, what it wants to be fed, and its thresholds with how they were measured.

Where the files come from, their sizes, SHA-256 and licences stand in models/models.json, which bootstrap reads too.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facefinder.errors import ModelsError

REMEDY = "Run bootstrap/build.py on the computer where this stick was made"


@dataclass(frozen=True)
class Thresholds:
    """Cosine distances: up to `sure` a face is copied, up to `maybe` it is laid aside for a look.

    The rates are the shares of (person, photo of somebody else) pairs that lie within: what
    `python3 tests/bench/quality.py ../shared/photos/press ../shared/photos/press-crops --draws 8` prints. Where no pair
    lay within, the rate is the 95 % upper bound for none in that many (3 / pairs). Siblings lie closer than strangers.
    """

    sure: float
    sure_false_match_rate: float
    maybe: float
    maybe_false_match_rate: float


@dataclass(frozen=True)
class Recogniser:
    """A network that turns aligned RGB crops of `side` x `side` pixels into vectors of `dimensions` numbers.

    enlarged: how large the face lies in the crop (see align.template). A crop is fed as (pixel - mean) * scale.
    """

    name: str
    file: str
    dimensions: int
    mean: float
    scale: float
    thresholds: Thresholds
    side: int = 112
    enlarged: float = 1.0


@dataclass(frozen=True)
class DetectorModel:
    """A face detector's file and the least score (0 to 1) that counts as a face."""

    name: str
    file: str
    threshold: float


YUNET = DetectorModel("yunet", "yunet.onnx", threshold=0.7)

# In the folder of models; DeepFace looks for its weights in .deepface/weights below it. One file serves both engines.
DEEPFACE_HOME = "deepface"
DEEPFACE_WEIGHTS = f"{DEEPFACE_HOME}/.deepface/weights"

RECOGNISERS = {
    "sface": Recogniser("sface", "sface.onnx", 128, 0.0, 1.0, Thresholds(0.46, 1.6e-5, 0.58, 1.3e-4)),
    "edgeface": Recogniser("edgeface", "edgeface.onnx", 512, 127.5, 1 / 127.5, Thresholds(0.48, 1.6e-5, 0.58, 1.5e-4)),
    "facenet512": Recogniser(
        *("facenet512", f"{DEEPFACE_WEIGHTS}/facenet512_weights.onnx", 512, 127.5, 1 / 128),
        Thresholds(0.26, 1.6e-5, 0.34, 1.2e-4),
        side=160,
        enlarged=0.9,
    ),
    "facenet": Recogniser(
        *("facenet", f"{DEEPFACE_WEIGHTS}/facenet_weights.onnx", 128, 127.5, 1 / 128),
        Thresholds(0.31, 1.6e-5, 0.38, 7.9e-5),
        side=160,
        enlarged=0.9,
    ),
}
DEFAULT_RECOGNISER = "sface"


def recogniser(name: str) -> Recogniser:
    """Look a recogniser up by its name. Raises ModelsError with the nearest name."""
    if name not in RECOGNISERS:
        near = difflib.get_close_matches(name, RECOGNISERS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ModelsError(f"There is no model called {name!r}.{hint} Models: {', '.join(RECOGNISERS)}.")
    return RECOGNISERS[name]


def check_files(models: Path, names: list[str]) -> str:
    """Check that model files are there and unchanged; return their SHA-256, joined, as part of an analyzer's key.

    Of files that somebody put there by hand nothing is known that could have changed. Raises ModelsError that names the
    file and the remedy.
    """
    catalogue = _catalogue(models)
    digests = []
    for name in names:
        entry, path = catalogue.get(name, {}), models / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise ModelsError(_missing(name, entry, models)) from error
        if found != entry.get("sha256", found):
            raise ModelsError(f"The model file {path} is damaged or was changed. Delete it, then: {REMEDY}.")
        digests.append(found[:16])
    return "+".join(digests)


def _catalogue(models: Path) -> dict[str, dict[str, str]]:
    try:
        catalogue = json.loads((models / "models.json").read_text("utf-8"))
        return catalogue.get("by_hand", {}) | catalogue["files"]  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError) as error:
        raise ModelsError(f"The list of models {models / 'models.json'} is missing or damaged. {REMEDY}.") from error


def _missing(name: str, entry: Mapping[str, str], models: Path) -> str:
    if "sha256" not in entry:
        source = entry.get("url", "where its makers publish it")
        return (
            f"The model file {models / name} is missing\n(licence: {entry.get('licence', 'not stated')}). "
            f"No pack brings it. Download it by hand from\n  {source}\nand put it there, unpacked, under that name."
        )
    packs = json.loads((models / "models.json").read_text("utf-8"))["packs"]
    pack = next(pack for pack, files in packs.items() if name in files)
    command = "python3 bootstrap/build.py" + ("" if pack == "default" else f" --with {pack}")
    return (
        f"The model file {models / name} is missing "
        f"({int(entry['bytes']) / 1e6:.1f} MB, licence: {entry['licence']}). "
        f"On a computer with internet, this fetches it:  {command}"
    )
