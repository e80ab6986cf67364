"""Cosine distance -> the other measures that DeepFace knows, and back: the only place that converts.

Everything is compared by cosine distance. Of unit vectors the others are monotone in it, so they change what is told
and how a threshold is read, and never who is found.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Measure:
    """A way to say how far apart two faces are."""

    name: str
    of_cosine: Callable[[float], float]
    to_cosine: Callable[[float], float]


MEASURES = MappingProxyType(
    {
        measure.name: measure
        for measure in (
            Measure("cosine", float, float),
            Measure("euclidean_l2", lambda cosine: math.sqrt(max(0.0, 2 * cosine)), lambda length: length**2 / 2),
            # Half a turn is 1.
            Measure(
                "angular",
                lambda cosine: math.acos(min(1.0, max(-1.0, 1 - cosine))) / math.pi,
                lambda turn: 1 - math.cos(math.pi * turn),
            ),
        )
    }
)
COSINE = MEASURES["cosine"]
