"""Picture + 5 landmarks -> the upright, centred crop that a recogniser was trained on."""

import cv2
import numpy as np
from numpy.typing import NDArray

# Where left eye, right eye, nose and mouth corners belong in a 112x112 crop, pixels.
# The template of ArcFace (InsightFace), on which SFace and EdgeFace were trained too.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
TEMPLATE_SIDE = 112


def template(side: int, enlarged: float = 1.0) -> NDArray[np.float32]:
    """TEMPLATE for a crop of `side` pixels, with the face `enlarged` times as large in it as in TEMPLATE."""
    scale = enlarged * side / TEMPLATE_SIDE
    return ((TEMPLATE - (TEMPLATE_SIDE - 1) / 2) * scale + (side - 1) / 2).astype(np.float32)


def similarity(landmarks: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """The 2x3 matrix (turn, scale, shift) that moves (5, 2) landmarks onto `wanted` with the least squared error.

    Umeyama's closed form; a mirror image is never the answer.
    """
    source_mean, target_mean = landmarks.mean(axis=0), wanted.mean(axis=0)
    source, target = landmarks - source_mean, wanted - target_mean
    # In the plane the best turn and scale are one complex number: z = sum(conj(source) * target) / sum(|source|^2).
    spread = max(float((source**2).sum()), 1e-12)
    cosine = float((source * target).sum()) / spread
    sine = float((source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()) / spread
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([turn, (target_mean - turn @ source_mean)[:, None]])


def align(
    pixels: NDArray[np.uint8], landmarks: NDArray[np.float32], side: int = TEMPLATE_SIDE, enlarged: float = 1.0
) -> NDArray[np.uint8]:
    """Cut one face out of an RGB picture: (side, side, 3) uint8, with black where the picture ends.

    landmarks: (5, 2) in pixels of this array. enlarged: see template.
    """
    matrix = similarity(landmarks, template(side, enlarged))
    region, corner = _cut_out(pixels, matrix, side)
    shrunk, step = _shrink(region, scale=float(np.hypot(matrix[0, 0], matrix[1, 0])))
    # The same move, for the pixels of the shrunk region. A pixel's value belongs to its centre, hence the halves.
    shift = matrix[:, 2] + matrix[:, :2] @ (corner + step / 2 - 0.5)
    moved = np.hstack([matrix[:, :2] * step, shift[:, None]])
    return cv2.warpAffine(shrunk, moved, (side, side), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _cut_out(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture that the crop is made from, and where its left top corner lies (x, y)."""
    ends = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float64)
    ends = (ends - matrix[:, 2]) @ np.linalg.pinv(matrix[:, :2]).T
    height, width = pixels.shape[:2]
    margin = 2
    left, top = np.clip(np.floor(ends.min(axis=0)) - margin, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(ends.max(axis=0)) + margin, [left + 1, top + 1], [width, height]).astype(int)
    return np.ascontiguousarray(pixels[top:bottom, left:right]), np.array([left, top], np.float64)


def _shrink(region: NDArray[np.uint8], scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Shrink a face that the crop will show at less than half its size, and how many old pixels a new one is (x, y).

    Bilinear sampling of a picture more than twice too large would skip pixels; area averaging skips none.
    """
    if scale >= 0.5:
        return region, np.ones(2)
    height, width = region.shape[:2]
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    shrunk = cv2.resize(region, size, interpolation=cv2.INTER_AREA)
    return shrunk, np.array([width / size[0], height / size[1]])  # type: ignore[return-value]
