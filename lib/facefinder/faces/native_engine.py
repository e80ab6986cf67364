"""The default engine: YuNet and a recogniser on onnxruntime, with five-point alignment."""

import time
from collections import defaultdict

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.align import CROP, align
from facefinder.faces.analyzer import Analysis, AnalyzerSpec, Face
from facefinder.faces.detect import Detections, YuNet
from facefinder.faces.embed import Embedder, sharpness
from facefinder.faces.models import YUNET, recogniser
from facefinder.media.decode import Photo, open_photo

# A decoded face narrower than this is cut out of the photo at full size instead, pixels.
SHARP_ENOUGH = CROP


class NativeAnalyzer:
    """YuNet and a recogniser on onnxruntime, with five-point alignment."""

    def __init__(self, spec: AnalyzerSpec):
        cv2.setNumThreads(1)
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
        faces = self._faces(found, crops)
        clock.lap("embed")
        return Analysis(photo.width, photo.height, photo.taken, faces, clock.seconds)

    def faces_in(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """See Analyzer."""
        found = self._detector.detect(np.ascontiguousarray(pixels), self._min_face)
        crops = [align(pixels, landmarks) for landmarks in found.landmarks]
        return self._faces(found, np.array(crops, np.uint8).reshape(-1, CROP, CROP, 3))

    def _faces(self, found: Detections, crops: NDArray[np.uint8]) -> list[Face]:
        vectors = self._embedder.embed(crops)
        return [
            Face(tuple(box), landmarks, float(score), sharpness(crop), vector)
            for box, landmarks, score, crop, vector in zip(
                found.boxes.tolist(), found.landmarks, found.scores, crops, vectors, strict=True
            )
        ]

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
