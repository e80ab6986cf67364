"""RGB array -> boxes, 5 landmarks and scores, with YuNet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.runtime import create_session

# YuNet was trained on faces of about 10 to 300 pixels (../shared/facts/models.md).
SMALLEST_SEEN = 10
STRIDES = (8, 16, 32)

# A picture is never made smaller than this (long side) for the fine pass: small faces of a small picture matter.
FINE_SIDE = 512
# In a picture of this size (long side) a face that fills the frame is small enough for YuNet.
COARSE_SIDE = 320
# Between the two, each pass is smaller by this factor.
STEP = 4
# Larger passes are cut into tiles, so that memory does not grow with the photo. A face that a tile cuts through lies
# whole in its neighbour if it is smaller than the overlap, and is well seen in the next smaller pass if not.
TILE = 768
OVERLAP = 96

# Two boxes that share this part of their union are one face; one that lies inside another by the second part too.
SAME_FACE_UNION = 0.3
SAME_FACE_INSIDE = 0.7


@dataclass(frozen=True)
class Detections:
    """N faces: boxes (N, 4) left, top, width, height; landmarks (N, 5, 2) x, y; scores (N,). Pixels, float32."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> "Detections":
        return Detections(self.boxes[chosen], self.landmarks[chosen], self.scores[chosen])

    def moved(self, scale: float, left: float = 0, top: float = 0) -> "Detections":
        """In the pixels of a picture in which this one, enlarged by `scale`, lies at (left, top)."""
        corner = np.array([left, top], np.float32)
        boxes = self.boxes * np.float32(scale)
        boxes[:, :2] += corner
        return Detections(boxes, self.landmarks * np.float32(scale) + corner, self.scores)


def _join(parts: list[Detections]) -> Detections:
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


class YuNet:
    """The detector, loaded. `threshold`: the least score (0 to 1) of a face."""

    def __init__(self, model: Path, threshold: float):
        self._session = create_session(model)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]
        self._threshold = threshold

    @staticmethod
    def scale_needed(side: int, smallest: float) -> float:
        """How large to decode a picture with a long side of `side` pixels to find faces of `smallest` pixels."""
        return max(_scales(side, smallest))

    def detect(self, picture: NDArray[np.uint8], smallest: float) -> Detections:
        """All faces of at least `smallest` pixels in a (H, W, 3) RGB picture, in its pixels, best score first."""
        parts = []
        resized = picture
        for scale in _scales(max(picture.shape[:2]), smallest):
            resized = _resize(resized, round(picture.shape[1] * scale), round(picture.shape[0] * scale))
            for left, top, tile in _tiles(resized):
                here = self._detect_tile(tile).moved(1, left, top)
                whole = here[_is_whole(here, left, top, tile.shape, resized.shape)]
                parts.append(whole.moved(picture.shape[1] / resized.shape[1]))
        found = _suppress_overlaps(_join(parts))
        return found[np.minimum(found.boxes[:, 2], found.boxes[:, 3]) >= smallest * 0.8]

    def _detect_tile(self, tile: NDArray[np.uint8]) -> Detections:
        height, width = (-(-side // 32) * 32 for side in tile.shape[:2])
        padded = np.zeros((1, 3, height, width), np.float32)
        padded[0, :, : tile.shape[0], : tile.shape[1]] = tile[:, :, ::-1].transpose(2, 0, 1)  # YuNet takes BGR
        outputs = [output[0] for output in self._session.run(self._outputs, {self._input: padded})]
        return _join([self._decode(outputs[4 * n : 4 * n + 4], stride, width) for n, stride in enumerate(STRIDES)])

    def _decode(self, outputs: list[NDArray[np.float32]], stride: int, width: int) -> Detections:
        """One stride's four outputs, a row for each cell of the grid, into pixels of the tile."""
        classes, objects, boxes, points = outputs
        scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
        chosen = np.flatnonzero(scores >= self._threshold)
        cells = np.stack([chosen % (width // stride), chosen // (width // stride)], axis=1).astype(np.float32)
        centres = (boxes[chosen, :2] + cells) * stride
        sizes = np.exp(boxes[chosen, 2:]) * stride
        landmarks = (points[chosen].reshape(-1, 5, 2) + cells[:, None]) * stride
        return Detections(np.hstack([centres - sizes / 2, sizes]), landmarks, scores[chosen])


def _scales(side: int, smallest: float) -> list[float]:
    """The sizes at which to look at a picture whose long side has `side` pixels, largest first."""
    scales = [min(1.0, max(SMALLEST_SEEN / smallest, FINE_SIDE / side))]
    while scales[-1] * side > COARSE_SIDE * 1.25:
        scales.append(max(scales[-1] / STEP, COARSE_SIDE / side))
    return scales


def _resize(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (height, width):
        return picture
    size = (max(1, width), max(1, height))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _tiles(picture: NDArray[np.uint8]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Cut a picture into equal tiles of at most TILE pixels a side that overlap: (left, top, tile)."""
    for top, bottom in _spans(picture.shape[0]):
        for left, right in _spans(picture.shape[1]):
            yield left, top, picture[top:bottom, left:right]


def _spans(length: int) -> list[tuple[int, int]]:
    count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
    size = -(-(length + OVERLAP * (count - 1)) // count)
    return [(start, min(start + size, length)) for start in range(0, count * (size - OVERLAP), size - OVERLAP)]


def _is_whole(
    found: Detections, left: int, top: int, tile: tuple[int, ...], picture: tuple[int, ...]
) -> NDArray[np.bool_]:
    """(N,) whether a box ends inside its tile, wherever the picture goes on beyond the tile."""
    starts, ends = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    right, bottom = left + tile[1], top + tile[0]
    whole = np.ones(len(found), bool)
    for side, inside in (
        (left > 0, starts[:, 0] > left),
        (top > 0, starts[:, 1] > top),
        (right < picture[1], ends[:, 0] < right),
        (bottom < picture[0], ends[:, 1] < bottom),
    ):
        if side:
            whole &= inside
    return whole


def _suppress_overlaps(found: Detections) -> Detections:
    """Keep the best-scored of the boxes that are one face: they come from neighbouring cells, tiles and scales."""
    found = found[np.argsort(-found.scores, kind="stable")]
    areas = found.boxes[:, 2] * found.boxes[:, 3]
    ends = found.boxes[:, :2] + found.boxes[:, 2:]
    alive = np.ones(len(found), bool)
    for best in range(len(found)):
        if alive[best]:
            start = np.maximum(found.boxes[best, :2], found.boxes[:, :2])
            shared = np.clip(np.minimum(ends[best], ends) - start, 0, None).prod(axis=1)
            union = areas[best] + areas - shared
            same = (shared > SAME_FACE_UNION * union) | (shared > SAME_FACE_INSIDE * np.minimum(areas[best], areas))
            same[: best + 1] = False
            alive &= ~same
    return found[alive]
