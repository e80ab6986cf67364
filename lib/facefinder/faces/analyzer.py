"""Everything the program wants to know of one picture: the protocol, and which engine answers it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.devices import CPU
from facefinder.faces.models import YUNET, check_files, recogniser

# Raise this when the way from a photo to its vectors changes: rows made the old way are then not used any more.
REVISION = 3


@dataclass(frozen=True, slots=True)
class Face:
    """One face. box: left, top, width, height, in pixels of the upright original; landmarks (5, 2), likewise.

    score: 0 to 1, the detector's. sharpness: see embed.sharpness. vector: (D,) float32, of length 1.
    moment: of a face in a video, where in it this is how it looks, seconds; in a file of several pictures, which of the
    others shows it, from 1; None in a file's only or main picture. seen: in a video, from and until when it is in view.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float
    sharpness: float
    vector: NDArray[np.float32]
    moment: float | None = None
    seen: tuple[float, float] | None = None

    @property
    def size(self) -> float:
        """The shorter side of the box, pixels."""
        return min(self.box[2:])


@dataclass(frozen=True)
class Analysis:
    """What one picture holds. seconds: where the time went, by stage. problem: what is missing, in words.

    crops: (N, side, side, 3) uint8 RGB, only where the faces have no vectors yet: gpu.embedded_together makes these.
    """

    width: int
    height: int
    taken: str | None
    faces: list[Face]
    seconds: dict[str, float] = field(default_factory=dict)
    crops: NDArray[np.uint8] | None = None
    problem: str | None = None


class Analyzer(Protocol):
    """Turns pictures into faces."""

    def analyse(self, data: bytes) -> Analysis:
        """A picture's file, decoded no larger than this analyzer needs. Raises media.decode.UnreadablePhoto."""

    def faces_in(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """The faces in an upright RGB picture (H, W, 3), such as a frame of a video; boxes in its pixels."""


class Rule(StrEnum):
    """How reference photos tell who a face is.

    AGREED: in each photo the one face counts on which the photos agree, and the mean of all is the witness.
    NEAREST: every face in every photo counts, and the nearest one alone decides, as in DeepFace.find.
    """

    AGREED = "agreed"
    NEAREST = "nearest"


@dataclass(frozen=True)
class AnalyzerSpec:
    """Which analyzer to load: small and picklable, so that it travels to the workers.

    key: the name under which the index keeps its rows; everything that changes an answer is in it.
    device: where the recogniser runs, a key of devices.DEVICES, or "auto" until trial.choose_device has chosen. It is
    not in the key: only a device whose vectors agree with the processor's to 1e-3 is used, so both share their rows.
    engine: "native" or "deepface"; detector, backend: of the latter. all_pictures: of a file, not only the main one.
    """

    model: str
    min_face: int
    models: Path
    key: str
    device: str = CPU.name
    engine: str = "native"
    detector: str = YUNET.name
    backend: str = "onnx"
    all_pictures: bool = False


def specify(model: str, min_face: int, models: Path, device: str = CPU.name) -> AnalyzerSpec:
    """Check the native engine's model files and describe the analyzer. Raises ModelsError."""
    digests = check_files(models, [YUNET.file, recogniser(model).file])
    key = f"native/{REVISION} yunet+{model} {digests} min_face={min_face}"
    return AnalyzerSpec(model, min_face, models, key, device)


def with_all_pictures(spec: AnalyzerSpec) -> AnalyzerSpec:
    """The same analyzer, which looks at all pictures of a file."""
    return replace(spec, key=f"{spec.key} all_pictures", all_pictures=True)


@lru_cache(maxsize=1)
def load(spec: AnalyzerSpec) -> Analyzer:
    """Load the models, once per process."""
    # An engine is imported only where it is used.
    if spec.engine == "deepface":
        from facefinder.faces.deepface_engine import DeepFaceAnalyzer

        return DeepFaceAnalyzer(spec)
    from facefinder.faces.native_engine import NativeAnalyzer

    return NativeAnalyzer(spec)
