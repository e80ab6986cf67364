"""Vectors -> the pairs that are alike enough to become one group: exact, by blocked matrix products.

No matrix of all pairs ever exists: each thread holds one block of it (ROWS x COLUMNS), keeps the few pairs in it that
count, and forgets it. What is kept grows with the number of vectors, whatever they are.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

# A block stays in a core's own cache: of the sizes tried (256 x 2,000 to 2,048 x 20,000) this is among the fastest.
ROWS, COLUMNS = 512, 4096
FIRST_COLUMNS = 256  # a strip of rows begins with few columns: they show how alike a pair must be to count in a crowd
# Pairs kept for each vector. More than this are alike only inside a large group, which holds together without them.
MOST = 32
WAITING = 1 << 16  # pairs that a strip of rows collects before it throws away what is too much


@dataclass(frozen=True)
class Pairs:
    """P pairs of rows: first, second (P,) int32. crowded (N,) bool: the rows of which pairs were left out."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    crowded: NDArray[np.bool_]


def near_pairs(vectors: NDArray[np.float32], least: float, rows: NDArray[np.integer] | None = None) -> Pairs:
    """Find the pairs of rows of `vectors` (N, D) whose dot product is at least `least`.

    Without `rows` each row is paired with those after it; with `rows`, only those are paired, with all others. Of each
    row's pairs the MOST alike are kept.
    """
    wanted = np.arange(len(vectors)) if rows is None else rows
    starts = range(0, len(wanted), ROWS)

    def strip(start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _strip(vectors, least, wanted[start : start + ROWS], start if rows is None else None)

    # Each thread multiplies on its own: looking through a block takes about as long as making it.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        strips = list(threads.map(strip, starts))
    crowded = np.zeros(len(vectors), bool)
    crowded[np.concatenate([full for _, full in strips])] = True
    first, second = np.concatenate([pairs for pairs, _ in strips], axis=1).astype(np.int32)
    return Pairs(first, second, crowded)


def _strip(
    vectors: NDArray[np.float32], least: float, rows: NDArray[np.integer], later_than: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs (2, P) of some rows with all others or, from row number `later_than`, with later ones; crowded rows."""
    block, near = np.empty(len(rows) * COLUMNS, np.float32), np.empty(len(rows) * COLUMNS, bool)
    ours, best = vectors[rows], _Best(len(rows), least)
    start, width = later_than or 0, FIRST_COLUMNS
    while start < len(vectors):
        theirs = vectors[start : start + width]
        similarity = block[: len(rows) * len(theirs)].reshape(len(rows), -1)
        np.matmul(ours, theirs.T, out=similarity)
        # Nearly all is False: eight at a time is the quick way to the rest.
        near[similarity.size : similarity.size + 8] = False
        np.greater_equal(similarity, best.least[:, None], out=near[: similarity.size].reshape(similarity.shape))
        words = near[: -(-similarity.size // 8) * 8].view(np.uint64)
        word = np.flatnonzero(words)
        found, byte = np.nonzero(near[: len(words) * 8].reshape(-1, 8)[word])
        row, column = np.divmod(word[found] * 8 + byte, len(theirs))
        other = rows[row] < column + start if later_than is not None else rows[row] != column + start
        best.add(row[other], column[other] + start, similarity[row[other], column[other]])
        start, width = start + len(theirs), min(2 * width, COLUMNS)
    best.sort_out()
    return np.stack([rows[best.rows], best.columns]), rows[best.crowded]


class _Best:
    """The MOST alike of each row's pairs so far. least (R,): how alike a pair must be to be among them."""

    def __init__(self, rows: int, least: float):
        self.least = np.full(rows, least, np.float32)
        self.crowded = np.zeros(rows, bool)
        self.rows, self.columns = np.empty(0, np.int64), np.empty(0, np.int64)
        self._similarity = np.empty(0, np.float32)
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []

    def add(self, rows: NDArray[np.int64], columns: NDArray[np.int64], similarity: NDArray[np.float32]) -> None:
        self._waiting.append((rows, columns, similarity))
        if sum(len(rows) for rows, _, _ in self._waiting) > WAITING:
            self.sort_out()

    def sort_out(self) -> None:
        """Throw away what is too much."""
        kept = zip((self.rows, self.columns, self._similarity), *self._waiting, strict=True)
        rows, columns, similarity = (np.concatenate(parts) for parts in kept)
        order = np.lexsort((-similarity, rows))
        rank = np.arange(len(order)) - np.searchsorted(rows[order], rows[order])
        full = order[rank == MOST - 1]
        # Just more than the last that is kept: what equals it would never end.
        self.least[rows[full]] = np.nextafter(similarity[full], np.float32(2))
        self.crowded[rows[full]] = True
        order = order[rank < MOST]
        self.rows, self.columns, self._similarity = rows[order], columns[order], similarity[order]
        self._waiting = []
