"""What grouping starts from: the faces, and what is known about them before."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
STRANGER = -1  # the label of a face in no group

# A face counts in full from here; below, in proportion, but never less than LEAST_QUALITY. Measured on press-crops made
# smaller: the mean distance to the person's other faces stays at .31 down to 57 pixels, is .34 at 40, .41 at 29 and .49
# at 21; blurred to a sharpness of 31, 13 and 7, it is .34, .41 and .56. The score is .93 for a face seen from the front
# and .7 to .85 for one turned away; too few of these were at hand to measure more.
GOOD_SIZE, GOOD_SHARPNESS, GOOD_SCORE, WORST_SCORE = 50.0, 40.0, 0.85, 0.6
LEAST_QUALITY = 0.1


@dataclass(frozen=True)
class Faces:
    """N faces. vectors (N, D) float32 of length 1; sizes (N,): the shorter side of the box, pixels; sharpness (N,): see
    embed.sharpness; scores (N,): the detector's, 0 to 1; photos (N,) int: the same number for faces of one photo.
    """

    vectors: NDArray[np.float32]
    sizes: NDArray[np.floating[Any]]
    sharpness: NDArray[np.floating[Any]]
    scores: NDArray[np.floating[Any]]
    photos: NDArray[np.integer[Any]]

    def quality(self) -> NDArray[np.float32]:
        """(N,) float32: 1 for a good face, less for one that is small, blurred or (by its score) turned away."""
        quality = np.minimum(self.sizes / GOOD_SIZE, self.sharpness / GOOD_SHARPNESS)
        quality = np.minimum(quality, (self.scores - WORST_SCORE) / (GOOD_SCORE - WORST_SCORE))
        return np.clip(quality, LEAST_QUALITY, 1).astype(np.float32)


def _no_pairs() -> Integers:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True)
class Known:
    """What is known before: the user's word, and the groups so far. Group numbers are 0 or more.

    said (N,) int64: the group in which the user put a face, or STRANGER. previous (N,) int64: the groups of the last
    run, STRANGER for new faces; average linkage keeps them together. rejected (K, 2) int64: (face, group in which it
    does not belong). apart (L, 2) int64: two faces that are two people. next_number: the first number never used.
    """

    said: Integers
    previous: Integers
    rejected: Integers = field(default_factory=_no_pairs)
    apart: Integers = field(default_factory=_no_pairs)
    next_number: int = 1

    @classmethod
    def nothing(cls, faces: int) -> Self:
        """A first run: nobody said anything."""
        return cls(np.full(faces, STRANGER), np.full(faces, STRANGER))

    def start(self) -> Integers:
        """(N,) int64: the group with which each face begins: the user's; else the last, if the user is not against it.

        Raises ValueError where the user's word contradicts itself: the caller keeps only the later of two words.
        """
        start = np.where(self.said != STRANGER, self.said, self.previous)
        face, group = self.rejected.T
        if (self.said[face] == group).any():
            raise ValueError("A face was both put in a group and rejected from it.")
        start[face[start[face] == group]] = STRANGER
        first, second = start[self.apart.T]
        together = self.apart[(first == second) & (first != STRANGER)]
        if (self.said[together] != STRANGER).all(axis=1).any():
            raise ValueError("Two faces were both put in one group and kept apart.")
        # Neither has more right to stay: the grouping decides.
        loose = together[self.said[together] == STRANGER]
        start[loose] = STRANGER
        return start


def by_group(combine: np.ufunc, values: NDArray[np.float32], groups: Integers) -> NDArray[np.float32]:
    """Combine the values (N, ...) of each group; groups (N,) are numbered from 0, without gaps."""
    order = np.argsort(groups, kind="stable")
    firsts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    combined: NDArray[np.float32] = combine.reduceat(values[order], firsts)
    return combined
