"""RGB array -> boxes, 5 landmarks and scores, with YuNet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from facefinder.faces.runtime import create_session

# YuNet was trained on faces of about 10 to 300 pixels (../shared/facts/models.md).
SMALLEST_SEEN = 10
STRIDES = (8, 16, 32)

# A face of 10 pixels seldom passes the threshold, and its landmarks are a tenth of its width off. Yet most leave a
# hint, a small box with at least this score, and most hints pass when they are magnified, with landmarks twice as good:
# of 67 faces of family and press photos shrunk to 10 pixels 50 were found instead of 15, at 12 pixels 62 instead of 37.
# A photo has six hints on average: looking closer at them costs little, looking at all of it at twice the size much.
HINT = 0.1
HINT_SIZE = 20
MAGNIFIED = 3
SURE_MAGNIFIED = 0.8  # magnified, a face has .85 to .95; the things that look like one have less

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
# YuNet draws the box of a cut face around the part that it sees: a box is whole if it ends this part of its size
# before the tile does.
CLEAR_OF_EDGE = 0.1

# A part of a picture: left, top, right, bottom, pixels.
Area: TypeAlias = tuple[int, int, int, int]

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

    def moved(self, scale: float | tuple[float, float], left: float = 0, top: float = 0) -> "Detections":
        """In the pixels of a picture in which this one, enlarged by `scale` (or by x, y), lies at (left, top)."""
        factor = np.broadcast_to(np.asarray(scale, np.float32), 2)
        corner = np.array([left, top], np.float32)
        boxes = self.boxes * np.tile(factor, 2)
        boxes[:, :2] += corner
        return Detections(boxes, self.landmarks * factor + corner, self.scores)


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
            here = _join([self._look(resized, area) for area in _tiles(resized)])
            closer = [self._look(resized, area, MAGNIFIED) for area in _hints(here, resized)]
            # A thin picture's short side, rounded to whole pixels, has not quite the scale of its long side.
            back = (picture.shape[1] / resized.shape[1], picture.shape[0] / resized.shape[0])
            parts.append(here[here.scores >= self._threshold].moved(back))
            parts += [faces[faces.scores >= SURE_MAGNIFIED].moved(back) for faces in closer]
        found = _suppress_overlaps(_join(parts))
        return found[np.minimum(found.boxes[:, 2], found.boxes[:, 3]) >= smallest * 0.8]

    def _look(self, picture: NDArray[np.uint8], area: Area, magnified: int = 1) -> Detections:
        """All faces and hints of faces in one area of a picture, but those that the area's edge cuts through."""
        left, top, right, bottom = area
        tile = picture[top:bottom, left:right]
        if magnified > 1:
            size = (tile.shape[1] * magnified, tile.shape[0] * magnified)
            tile = cv2.resize(tile, size, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
        here = self._detect_tile(tile).moved(1 / magnified, left, top)
        return here[_is_whole(here, area, picture.shape)]

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
        chosen = np.flatnonzero(scores >= HINT)
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


def _tiles(picture: NDArray[np.uint8]) -> Iterator[Area]:
    """Cut a picture into equal tiles of at most TILE pixels a side that overlap."""
    for top, bottom in _spans(picture.shape[0]):
        for left, right in _spans(picture.shape[1]):
            yield left, top, right, bottom


def _hints(found: Detections, picture: NDArray[np.uint8]) -> Iterator[Area]:
    """The surroundings of each small face, sure or not."""
    small = _suppress_overlaps(found[found.boxes[:, 2:].min(axis=1) < HINT_SIZE])
    ends = np.array(picture.shape[1::-1])
    for box in small.boxes:
        centre, reach = box[:2] + box[2:] / 2, 1.5 * box[2:].max()
        start, end = np.floor(centre - reach), np.ceil(centre + reach)
        left, top = np.clip(start, 0, ends - 1).astype(int).tolist()
        right, bottom = np.clip(end, [left + 1, top + 1], ends).astype(int).tolist()
        yield left, top, right, bottom


def _spans(length: int) -> list[tuple[int, int]]:
    if length <= TILE:
        return [(0, length)]
    count = -(-(length - OVERLAP) // (TILE - OVERLAP))
    size = -(-(length + OVERLAP * (count - 1)) // count)
    return [(start, min(start + size, length)) for start in range(0, count * (size - OVERLAP), size - OVERLAP)]


def _is_whole(found: Detections, area: Area, picture: tuple[int, ...]) -> NDArray[np.bool_]:
    """(N,) whether a box ends well inside its area, wherever the picture goes on beyond the area."""
    starts, ends = found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]
    clear = found.boxes[:, 2:] * CLEAR_OF_EDGE
    left, top, right, bottom = area
    whole = np.ones(len(found), bool)
    for side, inside in (
        (left > 0, starts[:, 0] > left + clear[:, 0]),
        (top > 0, starts[:, 1] > top + clear[:, 1]),
        (right < picture[1], ends[:, 0] < right - clear[:, 0]),
        (bottom < picture[0], ends[:, 1] < bottom - clear[:, 1]),
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
