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
# Pairs kept for each vector. More than this are alike only inside a large group, which holds together without them.
MOST = 32


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
    block = np.empty((len(rows), COLUMNS), np.float32)
    near = np.empty(block.shape, bool)
    ours = vectors[rows]
    kept = np.empty((2, 0), np.int64), np.empty(0, np.float32)
    crowded = np.zeros(len(rows), bool)
    for start in range(later_than or 0, len(vectors), COLUMNS):
        width = min(COLUMNS, len(vectors) - start)
        np.matmul(ours, vectors[start : start + width].T, out=block[:, :width])
        block[:, width:] = -np.inf
        np.greater_equal(block, least, out=near)
        # Nearly all is False: eight at a time is the quick way to the rest.
        words = np.flatnonzero(near.view(np.uint64))
        word, byte = np.nonzero(near.reshape(-1, 8)[words])
        row, column = np.divmod(words[word] * 8 + byte, COLUMNS)
        other = rows[row] < column + start if later_than is not None else rows[row] != column + start
        row, column = row[other], column[other]
        if len(row):
            pairs = np.concatenate([kept[0], [row, column + start]], axis=1)
            kept = _most_alike(pairs, np.concatenate([kept[1], block[row, column]]), crowded)
    (row, column), _ = kept
    return np.stack([rows[row], column]), rows[crowded]


def _most_alike(
    pairs: NDArray[np.int64], similarity: NDArray[np.float32], crowded: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep the MOST alike of each row's pairs (2, P); mark the rows that had more."""
    order = np.lexsort((-similarity, pairs[0]))
    row = pairs[0, order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    crowded[row[rank >= MOST]] = True
    order = order[rank < MOST]
    return pairs[:, order], similarity[order]
