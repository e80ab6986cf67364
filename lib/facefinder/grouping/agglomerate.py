"""Near pairs -> groups, by average linkage between groups that have near members.

The mean cosine distance between the members of two groups is one minus the dot product of their mean vectors (not
scaled to length 1). So the linkage of any two groups follows from two sums, and the near pairs of faces only say which
groups to look at. Each round merges all pairs of groups that are each other's nearest: for average linkage this makes
the same groups as merging the nearest pair of all, one by one, and goes through a million faces in whole arrays.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facefinder.grouping.neighbours import near_pairs

CHUNK = 1 << 13  # linkages computed at once


@dataclass(frozen=True)
class Limits:
    """When two groups are merged, in cosine distances: up to `nearest` between two of their faces, and up to `average`
    over all of them.

    What makes the average count as more: poor: neither group has a good face (quality 0; in proportion above).
    same_photo: each face of the smaller group has one of the other beside it in a photo (in proportion below).
    """

    nearest: float
    average: float
    poor: float
    same_photo: float


@dataclass(frozen=True)
class Clusters:
    """M groups in the making; agglomerate() changes them in place.

    sums (M, D) float32: of the members' vectors times their quality. weights (M,) float32: the members' qualities,
    added up. counts (M,) float32: how many members. quality (M,) float32: the best member's. named (M,) bool: two of
    these are never merged.
    """

    sums: NDArray[np.float32]
    weights: NDArray[np.float32]
    counts: NDArray[np.float32]
    quality: NDArray[np.float32]
    named: NDArray[np.bool_]

    def merge(self, into: NDArray[np.int32], gone: NDArray[np.int32]) -> None:
        """Add the groups `gone` to the groups `into`, pair by pair; no group may occur twice."""
        self.sums[into] += self.sums[gone]
        self.weights[into] += self.weights[gone]
        self.counts[into] += self.counts[gone]
        self.quality[into] = np.maximum(self.quality[into], self.quality[gone])
        self.named[into] |= self.named[gone]


@dataclass(frozen=True)
class Edges:
    """Pairs of groups to look at: first, second (E,) int32; against (E,) float32: what says that they are two people.

    against: how many photos show both; infinite where the user keeps them apart.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    against: NDArray[np.float32]

    def select(self, which: NDArray[np.bool_]) -> Self:
        """Some of them."""
        return type(self)(self.first[which], self.second[which], self.against[which])

    def joined(self, others: Self) -> Self:
        """These and others."""
        return type(self)(
            np.concatenate([self.first, others.first]),
            np.concatenate([self.second, others.second]),
            np.concatenate([self.against, others.against]),
        )

    def moved(self, ended: NDArray[np.int32]) -> Self:
        """The pairs of the groups in which these groups ended, each pair once; what speaks against it is added up."""
        first, second = ended[self.first], ended[self.second]
        keys = np.minimum(first, second).astype(np.int64) * len(ended) + np.maximum(first, second)
        order = np.argsort(keys)
        order = order[(first != second)[order]]
        keys = keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=-1))
        against = np.add.reduceat(self.against[order], starts) if len(starts) else self.against[:0]
        low, high = np.divmod(keys[starts], len(ended))
        return type(self)(low.astype(np.int32), high.astype(np.int32), against)


def agglomerate(clusters: Clusters, apart: Edges, limits: Limits) -> NDArray[np.int32]:
    """Merge groups until no two are within the limits; return the row (M,) int32 in which each group ended.

    apart: the pairs of which something says that they are two people.
    """
    first, second = near_pairs(clusters.sums / clusters.weights[:, None], 1 - limits.nearest)
    near = Edges(first.astype(np.int32), second.astype(np.int32), np.zeros(len(first), np.float32))
    ended = np.arange(len(clusters.sums), dtype=np.int32)
    edges = near.joined(apart).moved(ended)
    linkages = _linkages(clusters, edges, limits)
    while True:
        # The linkage of merged groups lies between those of their parts: what is too far stays too far.
        useful = (linkages <= limits.average + limits.poor) | (edges.against > 0)
        edges, linkages = edges.select(useful), linkages[useful]
        into, gone = _mutually_nearest(edges, linkages, limits.average, len(ended))
        if len(gone) == 0:
            break
        clusters.merge(into, gone)
        ended[gone] = into
        changed = np.zeros(len(ended), bool)
        changed[into] = changed[gone] = True
        touched = changed[edges.first] | changed[edges.second]
        moved = edges.select(touched).moved(ended)
        edges = edges.select(~touched).joined(moved)
        linkages = np.concatenate([linkages[~touched], _linkages(clusters, moved, limits)])
    while (ended[ended] != ended).any():
        ended = ended[ended]
    return ended


def _mutually_nearest(
    edges: Edges, linkages: NDArray[np.float32], limit: float, groups: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The pairs within the limit of which each is the other's nearest, no group twice."""
    nearest = np.full(groups, limit, np.float32)
    np.minimum.at(nearest, edges.first, linkages)
    np.minimum.at(nearest, edges.second, linkages)
    best = np.flatnonzero((linkages <= nearest[edges.first]) & (linkages <= nearest[edges.second]))
    first, second = edges.first[best], edges.second[best]
    # Copies of one photo are equally near to each other: the lot decides, so that many pairs of them merge at once.
    lots = np.random.default_rng(0).permutation(len(best))
    lowest = np.full(groups, len(best))
    np.minimum.at(lowest, first, lots)
    np.minimum.at(lowest, second, lots)
    once = (lowest[first] == lots) & (lowest[second] == lots)
    return first[once], second[once]


def _linkages(clusters: Clusters, edges: Edges, limits: Limits) -> NDArray[np.float32]:
    """(E,) float32: the average distance between the members of two groups and what is added to it."""
    first, second = edges.first, edges.second
    dots = np.empty(len(first), np.float32)
    for start in range(0, len(first), CHUNK):
        part = slice(start, start + CHUNK)
        np.einsum("ij,ij->i", clusters.sums[first[part]], clusters.sums[second[part]], out=dots[part])
    linkages = 1 - dots / (clusters.weights[first] * clusters.weights[second])
    linkages += np.float32(limits.poor) * (1 - np.maximum(clusters.quality[first], clusters.quality[second]))
    smaller = np.minimum(clusters.counts[first], clusters.counts[second])
    linkages += np.float32(limits.same_photo) * np.minimum(edges.against / smaller, 1)
    linkages[np.isinf(edges.against) | (clusters.named[first] & clusters.named[second])] = np.inf
    return linkages
