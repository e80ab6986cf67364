"""Everything the program wants to know of one picture: the protocol, and the native engine that answers it."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.align import CROP, align
from facefinder.faces.detect import Detections, YuNet
from facefinder.faces.embed import Embedder, sharpness
from facefinder.faces.models import YUNET, check_files, recogniser
from facefinder.media.decode import Photo, open_photo

# Raise this when the way from a photo to its vectors changes: rows made the old way are then not used any more.
REVISION = 2

# A decoded face narrower than this is cut out of the photo at full size instead, pixels.
SHARP_ENOUGH = CROP


@dataclass(frozen=True, slots=True)
class Face:
    """One face. box: left, top, width, height, in pixels of the upright original; landmarks (5, 2), likewise.

    score: 0 to 1, the detector's. sharpness: see embed.sharpness. vector: (D,) float32, of length 1.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32]
    score: float
    sharpness: float
    vector: NDArray[np.float32]

    @property
    def size(self) -> float:
        """The shorter side of the box, pixels."""
        return min(self.box[2:])


@dataclass(frozen=True)
class Analysis:
    """What one picture holds. seconds: where the time went, by stage."""

    width: int
    height: int
    taken: str | None
    faces: list[Face]
    seconds: dict[str, float] = field(default_factory=dict)


class Analyzer(Protocol):
    """Turns a picture's bytes into faces."""

    def analyse(self, data: bytes) -> Analysis:
        """Raises media.decode.UnreadablePhoto."""


@dataclass(frozen=True)
class AnalyzerSpec:
    """Which analyzer to load: small and picklable, so that it travels to the workers.

    key: the name under which the index keeps its rows; everything that changes an answer is in it.
    """

    model: str
    min_face: int
    models: Path
    key: str


def specify(model: str, min_face: int, models: Path) -> AnalyzerSpec:
    """Check the model files and describe the analyzer. Raises ModelsError."""
    digests = check_files(models, [YUNET.file, recogniser(model).file])
    return AnalyzerSpec(model, min_face, models, f"native/{REVISION} yunet+{model} {digests} min_face={min_face}")


@lru_cache(maxsize=1)
def load(spec: AnalyzerSpec) -> Analyzer:
    """Load the models, once per process."""
    cv2.setNumThreads(1)
    return NativeAnalyzer(spec)


class NativeAnalyzer:
    """YuNet and a recogniser on onnxruntime, with five-point alignment."""

    def __init__(self, spec: AnalyzerSpec):
        self._detector = YuNet(spec.models / YUNET.file, YUNET.threshold)
        self._embedder = Embedder(recogniser(spec.model), spec.models)
        self._min_face = spec.min_face

    def analyse(self, data: bytes) -> Analysis:
        """See Analyzer."""
        clock = _Clock()
        photo = open_photo(data)
        scale = self._detector.scale_needed(max(photo.width, photo.height), self._min_face)
        pixels = np.ascontiguousarray(photo.pixels(scale))
        clock.lap("decode")
        scale = pixels.shape[1] / photo.width
        # A thin picture's short side, decoded to whole pixels, has not quite the scale of its long side.
        back = (photo.width / pixels.shape[1], photo.height / pixels.shape[0])
        found = self._detector.detect(pixels, self._min_face * scale).moved(back)
        clock.lap("detect")
        crops = self._crops(photo, pixels, found, clock)
        vectors = self._embedder.embed(crops)
        clock.lap("embed")
        faces = [
            Face(tuple(box), landmarks, float(score), sharpness(crop), vector)
            for box, landmarks, score, crop, vector in zip(
                found.boxes.tolist(), found.landmarks, found.scores, crops, vectors, strict=True
            )
        ]
        return Analysis(photo.width, photo.height, photo.taken, faces, clock.seconds)

    def _crops(self, photo: Photo, pixels: NDArray[np.uint8], found: Detections, clock: "_Clock") -> NDArray[np.uint8]:
        """(N, 112, 112, 3): each face from the smallest decoding that shows all a recogniser can see."""
        scale = pixels.shape[1] / photo.width
        widths = found.boxes[:, 2:].min(axis=1, initial=np.inf) * scale
        full = photo.pixels(1.0) if scale < 1 and (widths < SHARP_ENOUGH).any() else pixels
        clock.lap("decode")
        crops = np.empty((len(found), CROP, CROP, 3), np.uint8)
        for crop, landmarks, width in zip(crops, found.landmarks, widths, strict=True):
            source = full if width < SHARP_ENOUGH else pixels
            scales = np.array([source.shape[1] / photo.width, source.shape[0] / photo.height], np.float32)
            crop[:] = align(source, landmarks * scales)
        clock.lap("align")
        return crops


class _Clock:
    """Adds up the time between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
