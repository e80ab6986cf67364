"""Face vectors like those of real photos, of any number of people, for measuring what no folder of photos is large
enough for.

A vector is the direction of: what all faces share + the person + the photo. Measured with SFace on the 692 faces of
press-crops (24 people with 10 to 25 photos, 300 with one), and found nearly the same in all directions:

- all faces share .087 of the squared length (two strangers lie at .91 on average);
- a photo adds .35 of it, the more or less with the person (their averages spread by a factor of e^.32) and the photo:
  RESIDUALS are the quantiles of a photo's squared distance to the mean of its person, over the person's average;
- the rest is the person. 105 of the 128 directions count: with all 128, average linkage does better than it did on the
  real LFW. So do labels that are always right: .45 % of the faces are somebody else's, as in LFW.

The spread, the 105 and the wrong labels were set so that average linkage on 13,233 faces gives nearly what it gave on
the real LFW. BCubed precision / recall, real and made (seed 1): cut .50: .995/.972, .993/.964; cut .55: .983/.986,
.984/.983; cut .60: .923/.992, .938/.992. hdbscan, for which nothing was set (seed 11): .914/.975, .937/.994; with
min_cluster_size 20: .878/.751, .894/.735.

People have as many photos as those of LFW: 5,749 of them 13,233, only 1,680 more than one, one 530; in larger sets the
tail goes on in the same way. Poor faces (small, blurred) lie farther from their person, and nearer to each other
whoever they show, as those of press-crops do when they are made small or blurred: see `spoil`.
"""

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 128
SHARED, PHOTO, SPREAD, WRONG_LABELS = 0.087, 0.352, 0.32, 0.0045
FADING = 1.55  # logarithm of the first direction's share over the last's: 105 directions count
RESIDUALS = (
    [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1],
    [0.51, 0.57, 0.66, 0.80, 0.94, 1.13, 1.35, 1.51, 1.92, 3.57],
)
# LFW: of how many people there are at least so many photos.
PHOTOS = [1, 2, 3, 4, 5, 10, 20, 40, 70, 121, 144, 236, 530]
PEOPLE = [5749, 1680, 901, 610, 423, 158, 62, 19, 7, 4, 3, 2, 1]
FACES = 13233


def make_faces(number: int, poor: float, seed: int) -> dict[str, NDArray[np.generic]]:
    """Return vectors (N, 128) float32, labels (N,), and sizes, sharpness, scores, photos as in facefinder.group.Faces.

    poor: the share of faces that are small or blurred.
    """
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts := _counts(number))), counts)
    shown = np.where(generator.random(number) < WRONG_LABELS, generator.permutation(labels), labels)
    weights = np.exp(-np.linspace(0, FADING, DIMENSIONS, dtype=np.float32))
    person = np.sqrt((1 - SHARED - PHOTO) * weights / weights.sum())
    spread = np.exp(generator.normal(0, SPREAD, len(counts)))
    residual = PHOTO * (spread / spread.mean())[shown] * np.interp(generator.random(number), *RESIDUALS)
    vectors = _directions(generator, number) * np.sqrt(residual)[:, None].astype(np.float32)
    vectors += (generator.standard_normal((len(counts), DIMENSIONS), np.float32) * person)[shown]
    vectors[:, 0] += np.float32(np.sqrt(SHARED))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    quality = np.where(generator.random(number) < poor, generator.uniform(0.15, 0.9, number), 1)
    spoil(vectors, quality.astype(np.float32), generator)
    order = generator.permutation(number)
    return {
        "vectors": vectors[order],
        "labels": labels[order],
        "sizes": 50 * quality[order],
        "sharpness": np.full(number, 100.0),
        "scores": np.full(number, 0.93),
        "photos": np.arange(number),
    }


def _counts(number: int) -> NDArray[np.int64]:
    """How many photos each person has, the most frequent first: as in LFW, `number` together."""
    people = max(1, round(number * PEOPLE[0] / FACES))
    shares, photos = np.log(np.array(PEOPLE) / PEOPLE[0]), np.log(PHOTOS)
    rank = np.log(np.arange(1, people + 1) / people)
    slope = (photos[-1] - photos[4]) / (shares[4] - shares[-1])
    tail = photos[-1] + slope * np.maximum(shares[-1] - rank, 0)
    photos_of = np.exp(np.maximum(np.interp(rank, shares[::-1], photos[::-1]), np.where(rank < shares[-1], tail, 0)))
    counts: NDArray[np.int64] = np.floor(photos_of + 1e-9).astype(np.int64)
    several = np.flatnonzero(counts > 2)
    while several.size and (missing := number - counts.sum()):
        counts[several[: abs(missing)]] += np.sign(missing)
    return counts


def _directions(generator: np.random.Generator, number: int) -> NDArray[np.float32]:
    vectors = generator.standard_normal((number, DIMENSIONS), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def spoil(vectors: NDArray[np.float32], quality: NDArray[np.float32], generator: np.random.Generator) -> None:
    """Make vectors like those of poor faces, in place. quality: 1 leaves a vector as it is.

    Measured on press-crops, made small (21 pixels: quality .42) or blurred (sharpness 7: .18): the mean distance to the
    person's good faces grows from .31 to .49 and .56 (here .44 and .47), and of pairs of strangers that are both poor
    1 in 100,000 is nearer than .46 and .44, not .55 (here .48 and .45).
    """
    rows = np.flatnonzero(quality < 1)
    lost = 1 - quality[rows, None]
    kept = 1 - 0.45 * lost
    spoiled = kept * vectors[rows] + np.sqrt(1 - kept**2) * _directions(generator, len(rows))
    spoiled[:, 1:] *= np.exp(-lost * 3.7 / 2 * np.linspace(0, 1, DIMENSIONS, dtype=np.float32))[:, 1:]
    vectors[rows] = spoiled / np.linalg.norm(spoiled, axis=1, keepdims=True)
