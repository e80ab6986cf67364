"""The default method: average linkage, from the known groups on, within the user's word."""

from dataclasses import replace

import numpy as np

from facefinder.grouping.agglomerate import Clusters, Edges, Limits, agglomerate
from facefinder.grouping.known import STRANGER, Faces, Integers, Known, by_group

# Cosine distances of SFace vectors, chosen on made-up sets like LFW (tests/bench/made_faces.py, 13,233 faces, seeds
# 1 to 3; the figures reported are of other seeds and of ../shared/photos/press, which had no part in any of this).
# nearest, average: BCubed F is within .001 of its best from .49/.56 to .51/.60, and .004 above that of one limit (.55)
#   on the average alone. Of equals the stricter: a wrong face is worse than a person in two groups.
# poor: small or blurred faces look alike, whoever it is. In press-crops 1 in 100,000 pairs of strangers is nearer
#   than .55 if one is good, but than .50 if both are 40 pixels wide, .46 at 21 pixels, and .44 at a sharpness of 7.
# same_photo: not chosen by outcome: no labelled photos show somebody twice. It leaves .43 for two faces that share an
#   only photo; a mirror image lies at up to .14, a print of half the size at up to .18 (70 faces of press-crops).
LIMITS = Limits(nearest=0.50, average=0.58, poor=0.12, same_photo=0.15)
# `nearest` is for this many faces. The more strangers, the nearer the nearest two: ten times as many pairs are within
# .04 more, so this is what keeps a face's false neighbours from growing with the pile; three quarters of it keep F.
LIMITS_FACES, NEAREST_PER_TENFOLD = 13_000, 0.03

# Each face in a photo of a crowd is held against this many others, so that the pairs grow no faster than the faces.
NEIGHBOURS_IN_PHOTO = 8


def average_linkage(faces: Faces, known: Known) -> Integers:
    """Return (N,) int64: the same number for faces of one group. Raises ValueError if `known` contradicts itself."""
    start = known.start()
    _, rows = np.unique(np.where(start == STRANGER, -1 - np.arange(len(start)), start), return_inverse=True)
    quality = faces.quality()
    named = np.zeros(rows.max() + 1, bool)
    named[rows[known.said != STRANGER]] = True
    clusters = Clusters(
        by_group(np.add, faces.vectors * quality[:, None], rows),
        by_group(np.add, quality, rows),
        np.bincount(rows).astype(np.float32),
        by_group(np.maximum, quality, rows),
        named,
    )
    ended = agglomerate(clusters, _against(faces, known, start, rows), limits_for(len(rows)))
    return ended[rows].astype(np.int64)


def limits_for(faces: int) -> Limits:
    """The limits for this many faces."""
    tenfolds = np.log10(np.clip(faces, 100, 1_000_000) / LIMITS_FACES)
    return replace(LIMITS, nearest=LIMITS.nearest - NEAREST_PER_TENFOLD * float(tenfolds))


def _against(faces: Faces, known: Known, start: Integers, rows: Integers) -> Edges:
    """The pairs of rows that the user keeps apart, for ever, and those that a photo shows side by side."""
    groups, members = np.unique(start, return_index=True)
    face, group = known.rejected[np.isin(known.rejected[:, 1], groups)].T
    rejected = np.stack([rows[face], rows[members[np.searchsorted(groups, group)]]], axis=1)
    apart = np.concatenate([rows[known.apart], rejected])
    order = np.argsort(faces.photos, kind="stable")
    photos = faces.photos[order]
    side_by_side = [
        np.stack([order[:-step], order[step:]], axis=1)[photos[:-step] == photos[step:]]
        for step in range(1, NEIGHBOURS_IN_PHOTO + 1)
    ]
    together = rows[np.concatenate(side_by_side)]
    first, second = np.concatenate([apart, together]).astype(np.int32).T
    against = np.concatenate([np.full(len(apart), np.inf), np.ones(len(together))]).astype(np.float32)
    return Edges(first, second, against)
