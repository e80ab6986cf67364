"""Faces of every size are found where they are, once each, and nothing else is taken for a face."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefinder.faces.detect import YuNet
from facefinder.faces.models import YUNET
from facefinder.media.decode import open_photo

MIN_FACE = 20


@pytest.fixture(scope="module")
def detector(models: Path) -> YuNet:
    return YuNet(models / YUNET.file, YUNET.threshold)


def read(path: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(open_photo(path.read_bytes()).pixels(1.0))


@pytest.fixture(scope="module")
def portraits(album: Path, detector: YuNet) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Two real photos of one person each, and the box of the face as it is found at a middling size."""
    photos = [read(album / "Washington" / "2012" / name) for name in ("DSC_0101.jpg", "DSC_0117.jpg")]
    return [(photo, detector.detect(photo, MIN_FACE).boxes[0]) for photo in photos]


def cut(photo: NDArray[np.uint8], box: NDArray[np.float32], around: float) -> NDArray[np.uint8]:
    """The face with so much around it, in parts of its own size."""
    left, top = np.maximum(box[:2] - around * box[2:], 0).astype(int)
    right, bottom = (box[:2] + (1 + around) * box[2:]).astype(int)
    return photo[top:bottom, left:right]


def resized(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=smooth)  # type: ignore[return-value]


def overlap(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    start = np.maximum(first[:2], second[:2])
    end = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    shared = float(np.clip(end - start, 0, None).prod())
    return shared / (float(first[2:].prod() + second[2:].prod()) - shared)


def hang(wall: NDArray[np.uint8], portrait, size: float, left: int, top: int) -> NDArray[np.float32]:
    """Put a portrait with a face `size` pixels wide at a place on a wall; return where the face is then."""
    photo, box = portrait
    around = 0.4
    picture = cut(photo, box, around)
    scale = size / box[2]
    corner = np.maximum(box[:2] - around * box[2:], 0).astype(int)
    picture = resized(picture, scale)
    wall[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return np.append((box[:2] - corner) * scale + [left, top], box[2:] * scale)


def assert_each_is_found_once(found, hung: list[NDArray[np.float32]], least: float) -> None:
    missing = [box.round() for box in hung if not any(overlap(box, other) > least for other in found.boxes)]
    assert not missing
    assert len(found) == len(hung)


def gallery(portraits, sizes, shape=(4912, 7360), most=60, seed=0):
    """A photo with portraits all over it, and where the faces are."""
    wall = np.full((*shape, 3), 90, np.uint8)
    step = int(max(sizes) * 2.9)
    places = [(x, y) for y in range(0, shape[0] - step, step) for x in range(0, shape[1] - step, step)]
    jitter = np.random.default_rng(seed)
    hung = []
    for number, (left, top) in enumerate(places[:: -(-len(places) // most)]):
        size, portrait = sizes[number % len(sizes)], portraits[number % 2]
        room = step - int(size * 2.8)
        hung.append(hang(wall, portrait, size, left + jitter.integers(room), top + jitter.integers(room)))
    return wall, hung


@pytest.mark.parametrize("sizes", [(24, 28, 40, 55, 75, 90, 105), (120, 160, 220, 300), (450, 700), (1500,)])
def test_every_face_of_a_photo_of_36_megapixels_is_found_once(detector, portraits, sizes):
    wall, hung = gallery(portraits, sizes)
    assert_each_is_found_once(detector.detect(wall, MIN_FACE), hung, least=0.6)


# Asked for faces of 10 pixels, the detector looks at the photo in tiles at full size; their borders cut many of these.
@pytest.mark.parametrize(("sizes", "seed"), [((24, 27, 30), 0), ((70,), 0)] + [((230, 260), seed) for seed in range(6)])
def test_faces_that_a_tile_cuts_through_are_found_once_and_whole(detector, portraits, sizes, seed):
    wall, hung = gallery(portraits, sizes, (1500, 2200), most=1000, seed=seed)
    assert_each_is_found_once(detector.detect(wall, 10), hung, least=0.7)


def test_faces_of_20_pixels_are_found(detector, portraits):
    wall, hung = gallery(portraits, [MIN_FACE])
    found = detector.detect(wall, MIN_FACE)
    seen = [any(overlap(box, other) > 0.5 for other in found.boxes) for box in hung]
    assert len(found) == sum(seen)
    assert np.mean(seen) > 0.7


@pytest.mark.parametrize("side", [60, 320, 400, 1000, 3000, 6000])
@pytest.mark.parametrize("around", [0.1, 0.0, -0.08])
def test_a_face_that_fills_the_frame_is_found(detector, portraits, side, around):
    for photo, box in portraits:
        face = cut(photo, box, around)
        picture = resized(face, side / max(face.shape))
        found = detector.detect(picture, MIN_FACE)
        assert len(found) == 1
        frame = np.array([0, 0, picture.shape[1], picture.shape[0]], np.float32)
        assert overlap(found.boxes[0], frame) > 0.5


def test_a_face_in_a_very_tall_picture_is_found_where_it_is(detector, portraits):
    wall = np.full((20_000, 1025, 3), 90, np.uint8)
    hung = [hang(wall, portraits[1], 560, left=0, top=18_000)]
    assert_each_is_found_once(detector.detect(wall, 60), hung, least=0.75)


def test_no_smaller_face_than_asked_for_is_returned(detector, portraits):
    wall = np.full((1200, 1600, 3), 90, np.uint8)
    hung = [hang(wall, portraits[0], size, left, 100) for size, left in ((40, 100), (90, 400), (200, 900))]
    assert_each_is_found_once(detector.detect(wall, 70), hung[1:], least=0.6)


def test_landmarks_lie_on_the_features_of_the_face(detector, portraits):
    for photo, box in portraits:
        [face] = detector.detect(photo, MIN_FACE).landmarks
        left_eye, right_eye, nose, left_mouth, right_mouth = (face - box[:2]) / box[2:]
        assert left_eye[0] < nose[0] < right_eye[0], "left is left in the picture"
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_flowers_are_no_faces(detector, album):
    assert len(detector.detect(read(album / "Sommer é 2019" / "IMG_2044.jpg"), MIN_FACE)) == 0


def test_a_picture_of_any_shape_is_looked_at_without_failing(detector):
    for shape in ((1, 1), (1, 30_000), (30_000, 1), (31, 33), (769, 770)):
        assert len(detector.detect(np.full((*shape, 3), 128, np.uint8), MIN_FACE)) == 0


def test_groups_are_counted_right(detector, shared_photos):
    groups = sorted((shared_photos / "office" / "_groups").glob("*.jpg"))
    assert groups
    counted = {path.name: len(detector.detect(read(path), MIN_FACE)) for path in groups}
    assert counted == {path.name: int(path.stem.split("_")[1]) for path in groups}
