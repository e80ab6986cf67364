"""Somebody who stays in view counts once, with the time; who comes back counts again."""

from dataclasses import replace

import numpy as np
import pytest

from facefinder.faces.analyzer import Face
from facefinder.faces.track import Tracker, quality


def vector(*numbers: float) -> np.ndarray:
    padded = np.zeros(8, np.float32)
    padded[: len(numbers)] = numbers
    return padded / np.linalg.norm(padded)


def face(who: np.ndarray, left: float = 100, side: float = 80, sharpness: float = 200) -> Face:
    return Face((left, 50.0, side, side), np.zeros((5, 2), np.float32), 0.9, sharpness, who)


ANNA, BEN = vector(1), vector(0, 1)


def test_who_stays_in_view_counts_once_with_the_time_and_the_best_look():
    tracker = Tracker()
    for second in range(6):
        sharp = 300 if second == 3 else 60
        tracker.see(second, 0, [face(ANNA, 100 + 5 * second, sharpness=sharp), face(BEN, 400)])
    [one, other] = tracker.appearances()
    assert one.seen == other.seen == (0, 5)
    assert one.moment == 3
    assert one.box[0] == 115
    assert one.vector == pytest.approx(ANNA)


def test_two_who_change_places_stay_who_they_are():
    tracker = Tracker()
    tracker.see(0, 0, [face(ANNA, 100), face(BEN, 160)])
    tracker.see(1, 0, [face(BEN, 100), face(ANNA, 160)])
    faces = tracker.appearances()
    assert sorted(int(each.vector.argmax()) for each in faces) == [0, 1]
    assert all(each.seen == (0, 1) for each in faces)


def test_who_comes_back_later_is_seen_again():
    tracker = Tracker()
    for second in (0, 1, 20, 21):
        tracker.see(second, 0, [face(ANNA)])
    assert [each.seen for each in tracker.appearances()] == [(0, 1), (20, 21)]


def test_after_a_cut_only_likeness_counts():
    alike = vector(1, 0.95)  # .27 away from Anna
    other = vector(1, 1.8)  # .51 away: the same face turned, or another one
    for who, scene, together in ((other, 0, True), (other, 1, False), (alike, 1, True)):
        tracker = Tracker()
        tracker.see(0, 0, [face(ANNA)])
        tracker.see(1, scene, [face(who)])
        assert (len(tracker.appearances()) == 1) is together


def test_blurred_looks_hardly_count_in_the_vector():
    tracker = Tracker()
    tracker.see(0, 0, [face(ANNA, sharpness=300)])
    tracker.see(1, 0, [face(vector(1, 1), sharpness=10)])
    [seen] = tracker.appearances()
    assert 1 - float(seen.vector @ ANNA) < 0.01


def test_a_larger_and_sharper_face_is_better():
    poor = face(ANNA, side=30, sharpness=20)
    assert quality(poor) < quality(replace(poor, sharpness=200)) < quality(face(ANNA, side=90))
