"""Vectors -> the pairs that are alike enough to become one group: exact, by blocked matrix products.

No matrix of all pairs ever exists: each thread holds one block of it (ROWS x COLUMNS), keeps the few pairs in it that
count, and forgets it. What is kept grows with the number of vectors, whatever they are.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

# A block stays in a core's own cache: of the sizes tried (256 x 2,000 to 2,048 x 20,000) this is among the fastest.
ROWS, COLUMNS = 512, 4096
FIRST_COLUMNS = 256  # a strip of rows begins with few columns: they show how alike a pair must be to count in a crowd
# Pairs kept for each vector. More are alike only inside a large group, which holds together without them. And of two
# groups that belong together the last face of one has no later pairs in its own: there is room for the other.
MOST = 32
WAITING = 1 << 16  # pairs that a strip of rows collects before it throws away what is too much

Integers = NDArray[np.int64]
Result = TypeVar("Result", bound=NDArray[Any])


def most_alike(
    vectors: NDArray[np.float32], others: NDArray[np.float32], never: Integers
) -> tuple[Integers, NDArray[np.float32]]:
    """Find for each of `vectors` (N, D) the row of `others` (M, D) with the greatest dot product; M is 1 or more.

    never (K, 2): pairs of rows that do not count. Returns (N,) the rows, and (N,) the dot products: -inf without any.
    """

    def strip(first: int) -> tuple[Integers, NDArray[np.float32]]:
        ours, block = vectors[first : first + ROWS], np.empty(ROWS * COLUMNS, np.float32)
        best, greatest = np.zeros(len(ours), np.int64), np.full(len(ours), -np.inf, np.float32)
        not_ours = never[(never[:, 0] >= first) & (never[:, 0] < first + ROWS)] - (first, 0)
        for start in range(0, len(others), COLUMNS):
            theirs = others[start : start + COLUMNS]
            similarity = block[: len(ours) * len(theirs)].reshape(len(ours), -1)
            np.matmul(ours, theirs.T, out=similarity)
            row, column = not_ours[(not_ours[:, 1] >= start) & (not_ours[:, 1] < start + COLUMNS)].T
            similarity[row, column - start] = -np.inf
            found = similarity.argmax(axis=1)
            found_similarity = similarity[np.arange(len(ours)), found]
            better = found_similarity > greatest
            best[better], greatest[better] = start + found[better], found_similarity[better]
        return best, greatest

    return _strips(strip, len(vectors))


def near_pairs(vectors: NDArray[np.float32], least: float) -> tuple[Integers, Integers]:
    """Find the pairs of rows (P,), (P,) of `vectors` (N, D) whose dot product is at least `least`.

    Of each row's pairs with later rows the MOST alike are kept.
    """

    def strip(first: int) -> tuple[Integers, Integers]:
        ours = vectors[first : first + ROWS]
        block, near = np.empty(ROWS * COLUMNS, np.float32), np.empty(ROWS * COLUMNS, bool)
        best = _Best(len(ours), least)
        start, width = first, FIRST_COLUMNS
        while start < len(vectors):
            theirs = vectors[start : start + width]
            size = len(ours) * len(theirs)
            similarity = block[:size].reshape(len(ours), -1)
            np.matmul(ours, theirs.T, out=similarity)
            np.greater_equal(similarity, best.least[:, None], out=near[:size].reshape(similarity.shape))
            # Nearly all is False: eight at a time is the quick way to the rest.
            near[size : size + 7] = False
            words = near[: -(-size // 8) * 8].reshape(-1, 8)
            word = np.flatnonzero(words.view(np.uint64))
            found, byte = np.nonzero(words[word])
            row, column = np.divmod(word[found] * 8 + byte, len(theirs))
            later = first + row < start + column
            row, column = row[later], column[later]
            best.add(row, start + column, similarity[row, column])
            start, width = start + len(theirs), min(2 * width, COLUMNS)
        best.sort_out()
        return first + best.rows, best.columns

    return _strips(strip, len(vectors))


def _strips(work: Callable[[int], tuple[Integers, Result]], rows: int) -> tuple[Integers, Result]:
    """Do the work on all strips of rows, on all cores; join what it returns for each."""
    # Each thread multiplies on its own: looking through a block takes about as long as making it.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        first, second = zip(*threads.map(work, range(0, rows, ROWS)), strict=True)
    return np.concatenate(first), np.concatenate(second)  # type: ignore[return-value]


class _Best:
    """The MOST alike of each row's pairs so far. least (R,): how alike a pair must be to be among them."""

    def __init__(self, rows: int, least: float):
        self.least = np.full(rows, least, np.float32)
        self.rows, self.columns = np.empty(0, np.int64), np.empty(0, np.int64)
        self._similarity = np.empty(0, np.float32)
        self._waiting: list[tuple[Integers, Integers, NDArray[np.float32]]] = []

    def add(self, rows: Integers, columns: Integers, similarity: NDArray[np.float32]) -> None:
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
        order = order[rank < MOST]
        self.rows, self.columns, self._similarity = rows[order], columns[order], similarity[order]
        self._waiting = []
