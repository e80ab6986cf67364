"""Faces x people -> sure, maybe or no, with the distance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import Rule
from facefinder.faces.measures import Measure
from facefinder.index import Content
from facefinder.people import Person

# A single reference is a worse witness than the mean of all, so it has to be this much nearer (cosine distance);
# measured with `python3 tests/bench/quality.py`. It finds the photos of an age that only one reference shows.
NEAREST_MARGIN = 0.05
BY_WORD = -1.0  # below any distance: the user said so, and any threshold takes it


class Verdict(StrEnum):
    """What a face is, as to one person."""

    SURE = "sure"
    MAYBE = "maybe"


@dataclass(frozen=True)
class Limits:
    """Cosine distances: up to `sure` it is the person, up to `maybe` somebody should look. rule: see Rule."""

    sure: float
    maybe: float
    rule: Rule = Rule.AGREED

    def verdict(self, distance: float) -> Verdict | None:
        """None for a stranger."""
        if distance <= self.sure:
            return Verdict.SURE
        return Verdict.MAYBE if distance <= self.maybe else None

    def told_in(self, measure: Measure) -> Self:
        """The same limits in another measure, to be told to the user."""
        return replace(self, sure=measure.of_cosine(self.sure), maybe=measure.of_cosine(self.maybe))


def distances(vectors: NDArray[np.float32], people: Sequence[Person], rule: Rule = Rule.AGREED) -> NDArray[np.float32]:
    """(N, D) unit vectors -> (N, P) distances: to a person's template, or to the nearest reference plus a margin.

    By Rule.NEAREST: to the nearest reference.
    """
    columns = []
    for person in people:
        nearest = 1 - (vectors @ person.vectors.T).max(axis=1)
        if rule is Rule.AGREED:
            nearest = np.minimum(1 - vectors @ person.template, nearest + np.float32(NEAREST_MARGIN))
        columns.append(nearest)
    return np.stack(columns, axis=1)


def look_alikes(
    vectors: NDArray[np.float32], people: Sequence[Person], found: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """(N, P): whether a face is nearer to one that the user rejected than to the person. found: as of distances().

    One rejected face is as poor a witness as one reference, so it has to be nearer by the same margin; measured with
    `python3 tests/bench/corrections.py`.
    """
    alike = np.zeros(found.shape, bool)
    for column, person in enumerate(people):
        if person.rejected:
            nearest = 1 - (vectors @ np.stack(person.rejected).T).max(axis=1)
            alike[:, column] = nearest + np.float32(NEAREST_MARGIN) < found[:, column]
    return alike


@dataclass(frozen=True)
class FaceMatch:
    """A face that is, or may be, a person. face, person: their positions in what was compared.

    taken_from: the strictest threshold that takes it for sure; BY_WORD, or None for a look-alike, which none takes.
    """

    face: int
    person: int
    distance: float
    verdict: Verdict
    taken_from: float | None


def match(
    vectors: NDArray[np.float32], people: Sequence[Person], limits: Limits, said: NDArray[np.int8] | None = None
) -> list[FaceMatch]:
    """Give each face to the person it is nearest to, if it is near enough.

    said: (N, P) the user's word, which is stronger than any distance: 1 it is that person, -1 it is not, 0 nothing.
    A face that looks more like one that the user rejected is `maybe` where it would be sure, and else a stranger.
    """
    found = distances(vectors, people, limits.rule)
    alike = look_alikes(vectors, people, found)
    allowed = found if said is None else np.where(said < 0, np.float32(np.inf), found)
    nearest = allowed.argmin(axis=1)
    matches = []
    for face, person in enumerate(nearest):
        confirmed = said is not None and said[face, person] > 0
        verdict = Verdict.SURE if confirmed else limits.verdict(float(allowed[face, person]))
        if alike[face, person] and not confirmed:
            verdict = Verdict.MAYBE if verdict is Verdict.SURE else None
        if verdict:
            distance = float(found[face, person])
            taken_from = BY_WORD if confirmed else None if alike[face, person] else distance
            matches.append(FaceMatch(face, int(person), distance, verdict, taken_from))
    return matches


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face of a photo that is, or may be, a person. times: moment, seen from, seen until (see Face); NaN for none.

    taken_from: as in FaceMatch.
    """

    verdict: Verdict
    distance: float
    box: tuple[float, float, float, float]
    times: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    taken_from: float | None = None


@dataclass(frozen=True)
class PhotoMatch:
    """A photo that shows, or may show, a person; with the face in it that is nearest.

    source: the first path it was seen at; also_at: the others. sha256: hex. box: left, top, width, height in pixels
    of the upright photo, which measures width x height (None if that is not known). moment: as in Face. appearances: in
    a video, from and until when the person is in view, seconds, in order. modified_ns: the file's own time of change.
    taken_from: the strictest threshold with which the photo surely shows the person; BY_WORD, or None.
    """

    person: str
    source: str
    also_at: tuple[str, ...]
    sha256: str
    bytes: int
    distance: float
    verdict: Verdict
    box: tuple[float, float, float, float]
    taken: str | None
    width: int | None = None
    height: int | None = None
    moment: float | None = None
    appearances: tuple[tuple[float, float], ...] = ()
    modified_ns: int | None = None
    taken_from: float | None = None

    @classmethod
    def of(
        cls,
        person: str,
        content: Content,
        places: Sequence[str],
        sightings: Sequence[Sighting],
        modified_ns: int | None = None,
    ) -> Self:
        """A photo that the index knows, at one or more places, with one or more faces of a person in it."""
        best = min(sightings, key=lambda face: (face.verdict is Verdict.MAYBE, face.distance, face.box))
        # In a video that surely shows the person, the doubtful moments would only distract.
        seen = [face.times[1:] for face in sightings if face.verdict is best.verdict]
        return cls(
            person,
            places[0],
            tuple(places[1:]),
            content.sha256.hex(),
            content.bytes,
            best.distance,
            best.verdict,
            best.box,
            content.taken,
            content.width,
            content.height,
            None if math.isnan(best.times[0]) else best.times[0],
            tuple(sorted((first, last) for first, last in seen if not math.isnan(first))),
            modified_ns,
            min((face.taken_from for face in sightings if face.taken_from is not None), default=None),
        )

    @property
    def when(self) -> str:
        """Where in a video or in a file of several pictures the person is: `0:12, 1:05`, `page 3`; else empty."""
        if self.appearances:
            return ", ".join(clock(start) for start, _ in self.appearances)
        return "" if self.moment is None else f"page {self.moment + 1:.0f}"

    def told_in(self, measure: Measure) -> Self:
        """The same match with its distance in another measure, to be told to the user."""
        taken_from = self.taken_from
        if taken_from is not None and taken_from != BY_WORD:
            taken_from = measure.of_cosine(taken_from)
        return replace(self, distance=measure.of_cosine(self.distance), taken_from=taken_from)


def clock(seconds: float) -> str:
    """As players write it: `0:12`, `1:02:03`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
