"""The default engine: YuNet and a recogniser on onnxruntime, with five-point alignment."""

import time
from collections import defaultdict
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.align import align
from facefinder.faces.analyzer import Analysis, AnalyzerSpec, Face
from facefinder.faces.detect import Detections, YuNet
from facefinder.faces.devices import CPU
from facefinder.faces.embed import Embedder, sharpness
from facefinder.faces.models import YUNET, recogniser
from facefinder.media.decode import Photo, open_photo


class NativeAnalyzer:
    """YuNet and a recogniser on onnxruntime, with five-point alignment."""

    def __init__(self, spec: AnalyzerSpec):
        cv2.setNumThreads(1)
        self._detector = YuNet(spec.models / YUNET.file, YUNET.threshold)
        self._recogniser = recogniser(spec.model)
        self._models = spec.models
        self._min_face = spec.min_face
        # Another device than the processor gets the faces of many photos together; see facefinder.workers.gpu.
        self._leaves_embedding = spec.device != CPU.name
        # A decoded face narrower than this is cut out of the photo at full size instead, pixels.
        self._sharp_enough = round(self._recogniser.side * self._recogniser.enlarged)

    @cached_property
    def _embedder(self) -> Embedder:
        return Embedder(self._recogniser, self._models)

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
        waiting = crops if self._leaves_embedding and len(crops) else None
        vectors = self._embedder.embed(crops) if waiting is None else np.empty((len(crops), 0), np.float32)
        faces = _faces(found, crops, vectors)
        clock.lap("embed")
        return Analysis(photo.width, photo.height, photo.taken, faces, clock.seconds, waiting, photo.problem)

    def faces_in(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """See Analyzer."""
        found = self._detector.detect(np.ascontiguousarray(pixels), self._min_face)
        crops = self._no_crops(len(found))
        for crop, landmarks in zip(crops, found.landmarks, strict=True):
            crop[:] = self._align(pixels, landmarks)
        return _faces(found, crops, self._embedder.embed(crops))

    def _no_crops(self, number: int) -> NDArray[np.uint8]:
        side = self._recogniser.side
        return np.empty((number, side, side, 3), np.uint8)

    def _align(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
        return align(pixels, landmarks, self._recogniser.side, self._recogniser.enlarged)

    def _crops(self, photo: Photo, pixels: NDArray[np.uint8], found: Detections, clock: "_Clock") -> NDArray[np.uint8]:
        """(N, side, side, 3): each face from the smallest decoding that shows all a recogniser can see."""
        scale = pixels.shape[1] / photo.width
        widths = found.boxes[:, 2:].min(axis=1, initial=np.inf) * scale
        full = photo.pixels(1.0) if scale < 1 and (widths < self._sharp_enough).any() else pixels
        clock.lap("decode")
        crops = self._no_crops(len(found))
        for crop, landmarks, width in zip(crops, found.landmarks, widths, strict=True):
            source = full if width < self._sharp_enough else pixels
            scales = np.array([source.shape[1] / photo.width, source.shape[0] / photo.height], np.float32)
            crop[:] = self._align(source, landmarks * scales)
        clock.lap("align")
        return crops


def _faces(found: Detections, crops: NDArray[np.uint8], vectors: NDArray[np.float32]) -> list[Face]:
    return [
        Face(tuple(box), landmarks, float(score), sharpness(crop), vector)
        for box, landmarks, score, crop, vector in zip(
            found.boxes.tolist(), found.landmarks, found.scores, crops, vectors, strict=True
        )
    ]


class _Clock:
    """Adds up the time between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
