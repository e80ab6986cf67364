"""A face becomes the upright, centred crop, however it was turned, scaled or cut off."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facefinder.faces.align import TEMPLATE, align, similarity, template

CROP = 112


@pytest.fixture(scope="module")
def scene() -> NDArray[np.uint8]:
    """A picture without sharp edges, so that a shift by a part of a pixel changes little: 400x400."""
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)
    return cv2.resize(noise, (400, 400), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def moved(turn: float, scale: float, shift: tuple[float, float]) -> NDArray[np.float32]:
    """TEMPLATE turned (degrees), scaled and shifted."""
    angle = np.deg2rad(turn)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (TEMPLATE @ matrix.T + shift).astype(np.float32)


@pytest.mark.parametrize("turn", [0, 30, 90, 180, -135])
@pytest.mark.parametrize("scale", [0.1, 1.0, 17.0])
def test_a_known_turn_scale_and_shift_are_undone(turn, scale):
    landmarks = moved(turn, scale, (1234.5, 67.25))
    matrix = similarity(landmarks, TEMPLATE)
    np.testing.assert_allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=0.02)


def test_the_best_fit_to_inexact_landmarks_is_found():
    inexact = moved(20, 3.0, (50, 60)) + np.random.default_rng(0).normal(0, 6, (5, 2)).astype(np.float32)
    matrix = similarity(inexact, TEMPLATE)

    placed = inexact @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE.mean(axis=0)

    def error(turn: float = 0, scale: float = 1, shift: float = 0) -> float:
        """How far the landmarks lie from the template when they are moved on from the best fit."""
        angle = np.deg2rad(turn)
        nudge = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return float(((placed @ nudge.T + shift - TEMPLATE + TEMPLATE.mean(axis=0)) ** 2).sum())

    best = error()
    assert best < min(error(turn=0.5), error(turn=-0.5), error(scale=1.01), error(scale=0.99))
    assert best < min(error(shift=0.1), error(shift=-0.1))


def test_a_face_is_never_mirrored():
    mirrored = TEMPLATE * np.array([-1, 1], np.float32)
    assert np.linalg.det(similarity(mirrored, TEMPLATE)[:, :2]) > 0
    assert np.linalg.det(similarity(TEMPLATE, TEMPLATE)[:, :2]) > 0


def test_landmarks_that_fall_together_do_not_break_the_run(scene):
    assert align(scene, np.full((5, 2), 100, np.float32)).shape == (CROP, CROP, 3)


def test_a_face_at_the_crops_own_size_comes_out_unchanged(scene):
    np.testing.assert_array_equal(
        align(scene, TEMPLATE + np.array([30, 40], np.float32)), scene[40 : 40 + CROP, 30 : 30 + CROP]
    )


@pytest.mark.parametrize("scale", [1.5, 1.9, 2.1, 3.0, 5.3, 12.0])
@pytest.mark.parametrize("turn", [0, 25])
def test_a_large_face_gives_the_same_crop_as_a_small_one(scene, scale, turn):
    """Beyond twice the crop's size the picture is shrunk first: nothing may shift or blur at that border."""
    landmarks = moved(turn, 1.0, (150, 120))
    expected = align(scene, landmarks).astype(int)
    larger = cv2.resize(scene, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    crop = align(larger, (landmarks + 0.5) * np.float32(scale) - 0.5)
    assert np.abs(crop - expected).mean() < 3
    shift, _ = cv2.phaseCorrelate(*(np.float32(image).mean(axis=2) for image in (expected, crop)))
    assert np.abs(shift).max() < 0.2


def test_the_grain_of_a_large_face_is_averaged_and_not_picked_from(scene):
    landmarks = moved(10, 1.0, (150, 120))
    larger = cv2.resize(scene, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 40, larger.shape[:2])[..., None]
    grainy = np.clip(larger + grain, 0, 255).astype(np.uint8)
    crops = [align(picture, (landmarks + 0.5) * np.float32(8) - 0.5).astype(int) for picture in (larger, grainy)]
    assert np.abs(crops[0] - crops[1]).mean() < 8


def test_a_face_at_the_edge_is_black_where_the_picture_ends_and_right_where_it_does_not(scene):
    for corner in ([-50, -60], [350, 340]):
        crop = align(scene, TEMPLATE + np.array(corner, np.float32))
        framed = cv2.copyMakeBorder(scene, CROP, CROP, CROP, CROP, cv2.BORDER_CONSTANT, value=0)
        left, top = np.array(corner) + CROP
        np.testing.assert_array_equal(crop, framed[top : top + CROP, left : left + CROP])
    outside = align(scene, TEMPLATE + np.float32(5000))
    assert not outside.any()


@pytest.mark.parametrize(("side", "enlarged"), [(112, 1.0), (160, 1.0), (160, 0.9), (224, 1.1)])
def test_a_crop_for_another_network_shows_the_same_face_at_its_size_in_the_middle(scene, side, enlarged):
    """A crop of another side, or with the face smaller in it, is the same picture scaled about its middle."""
    np.testing.assert_allclose(template(112), TEMPLATE, atol=1e-4)
    landmarks = moved(15, 1.0, (150, 120))
    expected = align(scene, landmarks)
    crop = align(scene, landmarks, side, enlarged)
    assert crop.shape == (side, side, 3)
    middle = cv2.getRectSubPix(crop, (round(side * min(enlarged, 1)),) * 2, ((side - 1) / 2,) * 2)
    part = cv2.getRectSubPix(expected, (round(112 / max(enlarged, 1)),) * 2, (111 / 2,) * 2)
    part = cv2.resize(part, middle.shape[:2], interpolation=cv2.INTER_LINEAR)
    assert np.abs(middle.astype(int) - part).mean() < 3
