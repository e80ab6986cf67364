"""The method hdbscan: the library, with the user's word put on top of what it finds."""

import numpy as np

from facefinder.errors import UsageError
from facefinder.grouping.known import STRANGER, Faces, Integers


def hdbscan_groups(faces: Faces, min_cluster_size: int) -> Integers:
    """Return (N,) int64: the same number for faces of one group. Raises UsageError where hdbscan is not installed."""
    try:
        from hdbscan import HDBSCAN
    except ImportError as error:
        raise UsageError(
            "The grouping method hdbscan is not on this stick for this computer. Leave --method out: the default "
            "needs nothing, is faster, and measured better. To add it:  python3 bootstrap/build.py --with hdbscan"
        ) from error
    if len(faces.vectors) <= min_cluster_size:
        return np.arange(len(faces.vectors))
    # min_samples 1 and "excess of mass" are what the author of Find-People-In-Photos tuned, with min_cluster_size 20.
    clusterer = HDBSCAN(min_cluster_size=min_cluster_size, min_samples=1, cluster_selection_method="eom")
    found = clusterer.fit_predict(faces.vectors).astype(np.int64)
    return np.where(found == STRANGER, found.max() + 1 + np.arange(len(found)), found)
