"""Vectors -> groups, one for each person, whose numbers survive a second run. Knows nothing of files.

By default two groups become one when two of their faces are near and all are near enough on average: nearer where less
speaks for it, for faces that are small, blurred or turned away and for groups that photos show side by side. What the
user said is stronger than any distance. See facefinder.grouping for the arithmetic and for how the limits were chosen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import UsageError
from facefinder.grouping.average import average_linkage
from facefinder.grouping.density import hdbscan_groups
from facefinder.grouping.known import STRANGER, Faces, Integers, Known, by_group
from facefinder.grouping.neighbours import most_alike

__all__ = ["METHODS", "STRANGER", "Faces", "Grouping", "Integers", "Known", "group", "settled"]

# name -> (faces, known) -> the same number for faces of one group
METHODS: MappingProxyType[str, Callable[[Faces, Known], Integers]] = MappingProxyType(
    {
        "average": average_linkage,
        "hdbscan": lambda faces, known: hdbscan_groups(faces, min_cluster_size=2),
        "hdbscan-20": lambda faces, known: hdbscan_groups(faces, min_cluster_size=20),
    }
)


@dataclass(frozen=True)
class Grouping:
    """The groups of N faces.

    labels (N,) int64: each face's group, or STRANGER. nearest (N,) int64: the group that it may belong to: its own, or
    for a stranger the nearest that the user has not ruled out (STRANGER where there is none). distances (N,) float32:
    from the face to the template of that group's other faces, on the scale of match.Limits; infinite without a group.
    """

    labels: Integers
    nearest: Integers
    distances: NDArray[np.float32]


def group(faces: Faces, known: Known | None = None, method: str = "average") -> Grouping:
    """Group faces by person. Known groups keep their numbers; new ones get the next numbers, the largest first.

    Raises UsageError for a method that there is not, ValueError where what the user said contradicts itself.
    """
    if method not in METHODS:
        raise UsageError(f"There is no grouping method called {method!r}. Methods: {', '.join(METHODS)}.")
    if len(faces.vectors) == 0:
        return Grouping(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    known = known or Known.nothing(len(faces.vectors))
    labels = _obeying(_numbered(METHODS[method](faces, known), known), known)
    return Grouping(labels, *_nearest(faces, labels, known))


def settled(faces: Faces, known: Known) -> Grouping:
    """The groups of the last run, as they are after the user's word; nothing is grouped anew, so it takes no time."""
    if len(faces.vectors) == 0:
        return group(faces)
    labels = _obeying(known.previous, known)
    return Grouping(labels, *_nearest(faces, labels, known))


def _numbered(parts: Integers, known: Known) -> Integers:
    """Give each part the number of a known group, the user's before others, the larger first; others a new number."""
    start = known.start()
    _, parts, sizes = np.unique(parts, return_inverse=True, return_counts=True)
    claims, counts = np.unique(np.stack([start, parts])[:, start != STRANGER], axis=1, return_counts=True)
    numbers = np.full(len(sizes), STRANGER)
    taken: set[int] = set()
    for claim in np.lexsort((-counts, ~np.isin(claims[0], known.said))):
        number, part = claims[:, claim].tolist()
        if numbers[part] == STRANGER and number not in taken:
            numbers[part] = number
            taken.add(number)
    numbers[(sizes == 1) & ~np.isin(numbers, known.said)] = STRANGER
    new = np.flatnonzero((sizes > 1) & (numbers == STRANGER))
    new = new[np.lexsort((np.unique(parts, return_index=True)[1][new], -sizes[new]))]
    first = max(known.next_number, int(start.max()) + 1, int(known.previous.max()) + 1)
    numbers[new] = first + np.arange(len(new))
    return numbers[parts]


def _obeying(labels: Integers, known: Known) -> Integers:
    """The labels with the user's word put through, for methods that do not know of it."""
    labels = np.where(known.said != STRANGER, known.said, labels)
    face, number = known.rejected.T
    labels[face[labels[face] == number]] = STRANGER
    for pair in known.apart:
        if labels[pair[0]] == labels[pair[1]]:
            labels[pair[known.said[pair] == STRANGER]] = STRANGER
    return labels


def _nearest(faces: Faces, labels: Integers, known: Known) -> tuple[Integers, NDArray[np.float32]]:
    """(N,) the group that each face may belong to, and (N,) the distance to the template of its other faces."""
    numbers, columns = np.unique(labels, return_inverse=True)
    weighted = faces.vectors * faces.quality()[:, None]
    sums = by_group(np.add, weighted, columns)
    others = sums[columns] - weighted
    lengths = np.linalg.norm(others, axis=1)
    # The only face of a group is there by the user's word.
    alone = np.bincount(columns)[columns] == 1
    dots = np.einsum("ij,ij->i", others, faces.vectors) / np.where(alone, 1, lengths)
    distances = np.where(alone, 0, 1 - dots).astype(np.float32)

    nearest = labels.copy()
    strangers = np.flatnonzero(labels == STRANGER)
    templates, numbers = sums[numbers != STRANGER], numbers[numbers != STRANGER]
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    distances[strangers] = np.inf
    if len(strangers) and len(numbers):
        face, number = known.rejected[
            np.isin(known.rejected, strangers)[:, 0] & np.isin(known.rejected, numbers)[:, 1]
        ].T
        never = np.stack([np.searchsorted(strangers, face), np.searchsorted(numbers, number)], axis=1)
        best, similarity = most_alike(faces.vectors[strangers], templates, never)
        distances[strangers] = 1 - similarity
        nearest[strangers] = np.where(np.isinf(similarity), STRANGER, numbers[best])
    return nearest, distances
