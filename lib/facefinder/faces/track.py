"""Faces in neighbouring pictures of a video -> appearances: somebody who stays in view counts once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import Face

Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height, pixels

# Seconds for which somebody may be out of sight (turned away, behind another) and still be the same appearance.
PATIENCE = 4.0
# Cosine distance to the appearance so far: up to which a face is its next look where it stands near the last one, and
# wherever it stands. Stricter than the recognisers' own limits for "the same person": a wrong link hides somebody,
# a missing one only lists a person twice.
NEAR_LIMIT, FAR_LIMIT = 0.6, 0.35
# "Near": the centre moved by less than so many sides of the box, which grew or shrank by less than this factor.
REACH, GROWTH = 1.0, 2.0

# What a recogniser can use: more pixels or more sharpness than this make no better face.
ENOUGH_PIXELS, ENOUGH_SHARPNESS = 112.0, 300.0
# An appearance's vector is the mean of its looks', each with its quality to this power as its weight. Of 100 tracks
# made of blurred, small, noisy copies of portraits 97 lay within .46 of the person, 93 by their best look, 94 by the
# plain mean, 62 by the first look (tried once; no program in tests/bench repeats it yet).
WEIGHT = 3


def quality(face: Face) -> float:
    """0 to 1: how much a face tells about who it is; its score, size and sharpness."""
    size = min(face.size / ENOUGH_PIXELS, 1.0)
    sharp = min(face.sharpness / ENOUGH_SHARPNESS, 1.0)
    return float(face.score * size**0.5 * sharp**0.5)


@dataclass
class _Appearance:
    best: Face  # with the moment and the box of the best look
    first: float
    last: float
    last_box: Box
    scene: int
    sum: NDArray[np.float32]  # of the looks' vectors, by their weights

    @property
    def vector(self) -> NDArray[np.float32]:
        return self.sum / max(float(np.linalg.norm(self.sum)), 1e-12)


class Tracker:
    """Takes the faces of look after look, and gives the appearances at the end."""

    def __init__(self) -> None:
        self._open: list[_Appearance] = []
        self._closed: list[Face] = []

    def see(self, moment: float, scene: int, faces: Sequence[Face]) -> None:
        """The faces seen at a moment (seconds); boxes in pixels of the upright video. scene: counts the cuts."""
        self._close([each for each in self._open if not 0 <= moment - each.last <= PATIENCE])
        links = sorted(
            (distance, number, position)
            for number, appearance in enumerate(self._open)
            for position, face in enumerate(faces)
            if (distance := _link(appearance, face, scene)) is not None
        )
        linked: dict[int, int] = {}  # position among the faces -> among the appearances
        for _, number, position in links:
            if position not in linked and number not in linked.values():
                linked[position] = number
        known = list(self._open)
        for position, face in enumerate(faces):
            if position in linked:
                _add(known[linked[position]], face, moment, scene)
            else:
                best = replace(face, moment=moment)
                self._open.append(_Appearance(best, moment, moment, face.box, scene, weighted(face)))

    def appearances(self) -> list[Face]:
        """One face each, in the order in which they end: as in its best look, with the vector of all good ones."""
        self._close(list(self._open))
        return self._closed

    def _close(self, ended: list[_Appearance]) -> None:
        self._closed += [_face_of(each) for each in ended]
        self._open = [each for each in self._open if not any(each is other for other in ended)]


def _link(appearance: _Appearance, face: Face, scene: int) -> float | None:
    """The distance between a face and an appearance that it may continue."""
    distance = 1 - float(face.vector @ appearance.vector)
    limit = NEAR_LIMIT if scene == appearance.scene and _is_near(appearance.last_box, face.box) else FAR_LIMIT
    return distance if distance <= limit else None


def _is_near(one: Box, other: Box) -> bool:
    reach = REACH * max(*one[2:], *other[2:])
    across = one[0] + one[2] / 2 - other[0] - other[2] / 2
    down = one[1] + one[3] / 2 - other[1] - other[3] / 2
    return abs(across) < reach and abs(down) < reach and 1 / GROWTH < one[3] / other[3] < GROWTH


def _add(appearance: _Appearance, face: Face, moment: float, scene: int) -> None:
    if quality(face) > quality(appearance.best):
        appearance.best = replace(face, moment=moment)
    appearance.last, appearance.last_box, appearance.scene = moment, face.box, scene
    appearance.sum = appearance.sum + weighted(face)


def weighted(face: Face) -> NDArray[np.float32]:
    """A look's vector with its weight in the mean."""
    return face.vector * np.float32(quality(face) ** WEIGHT)


def _face_of(appearance: _Appearance) -> Face:
    return replace(appearance.best, vector=appearance.vector, seen=(appearance.first, appearance.last))
