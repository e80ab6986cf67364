"""How many of a person's photos a search found, estimated from what it saw, with the uncertainty.

The distances of a person's own faces are taken for log-normal: their median and spread differ from person to person.
What is known of the two, and so of the faces that lie beyond the limit:

- how they are for other people (the PRIOR; wide, and a little too far, for real distances have a longer tail than
  log-normal ones: chosen with `python3 tests/bench/estimate.py`),
- the distance of each reference to the template of the others, which is a fair sample, but a small one,
- the distances of the matches, of which those beyond the limit are cut off,
- how many faces there are a little beyond the limit, whoever they are: no more can have been missed there. Those that
  the user confirmed or rejected are none of them any more.

All medians and spreads on a grid are weighed by how well they fit; of those, some thousands are drawn by weight, and
for each how many faces of the person may lie beyond, given that so many lie within. What contradicts the last point is
dropped. The share found is then the mean of the draws, and between `low` and `high` lie CERTAINTY of them.

It speaks of photos like those that were found and in which a face was seen. A second age of the person, of which no
reference shows anything, is not in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import Rule
from facefinder.match import NEAREST_MARGIN, Limits, PhotoMatch, Verdict
from facefinder.people import Person

CERTAINTY = 0.9
TOO_WIDE = 0.5  # an interval that says nothing
FEWEST = 3  # faces within the limit, below which nothing is said
DRAWS = 4000
LEAST = 0.01  # of somebody's photos that are found; fewer than that is not told from this
COPY = 0.01  # so much nearer than any other photo a face is the reference itself, or a copy of it

# The share of anybody's photos that no threshold finds (in profile, masked, blurred), whatever the others are like: of
# people in press-crops 1.5 % are farther than .66 (`quality.py --references 3 --show 20`).
HOPELESS = 0.015

# Means and deviations of the logarithms of the median (as a share of the model's `maybe`) and of the spread.
PRIOR_MEDIAN, PRIOR_SPREAD = (math.log(0.78), 0.35), (math.log(0.32), 0.3)
# A template of one reference less is a worse judge: by this over K squared the logarithm of the distance is greater.
ONE_LESS = 0.9


@dataclass(frozen=True)
class Estimate:
    """The share of the person's photos that was found, and what it lies between with a certainty of CERTAINTY."""

    share: float
    low: float
    high: float


def estimate(
    person: Person, found: Sequence[float], beyond: Sequence[float], limits: Limits, loosest: float, usual: float
) -> Estimate | None:
    """What share of somebody's photos `found` is; None where there is too little to say.

    found: the distances of the sure matches; beyond: of all other faces up to `loosest`, farther than limits.sure and
    of which the user said nothing. usual: how far `maybe` goes unless the user chooses, which tells what distances are
    like with this model. All are cosine distances, on the scale of match.Limits.
    """
    nearest_other = COPY + (NEAREST_MARGIN if limits.rule is Rule.AGREED else 0)
    within = np.array([distance for distance in found if nearest_other < distance <= limits.sure])
    if len(within) < FEWEST:
        return None
    left_out = np.maximum(left_out_distances(person, limits.rule), nearest_other)
    medians, spreads, weights = _posterior(within, left_out, limits.sure, usual)
    generator = np.random.default_rng(0)
    drawn = generator.choice(len(weights), DRAWS, p=weights)
    inside, near = (_normal((math.log(end) - medians[drawn]) / spreads[drawn]) for end in (limits.sure, loosest))
    missed = generator.negative_binomial(len(within), np.clip(inside, LEAST, 1))
    missed_near = generator.binomial(missed, np.clip((near - inside) / np.maximum(1 - inside, 1e-12), 0, 1))
    # References that lie in the pile and would else have been missed: most of them confirmed by the user.
    known = min(len(found) - len(within), int((left_out > limits.sure).sum()))
    possible = missed_near <= len(beyond) + known
    if not possible.any():
        return None
    missed += generator.negative_binomial(len(within), 1 - HOPELESS, DRAWS)
    missed = (missed - np.minimum(missed_near, known))[possible]
    shares = len(found) / (len(found) + missed)
    low, high = np.quantile(shares, [(1 - CERTAINTY) / 2, (1 + CERTAINTY) / 2])
    return None if high - low > TOO_WIDE else Estimate(float(shares.mean()), float(low), float(high))


def estimates(
    people: Sequence[Person], looser: Sequence[PhotoMatch], limits: Limits, loosest: float, usual: float
) -> dict[str, Estimate]:
    """Name -> the share of each person's photos that was found; without those of whom there is too little to say.

    looser: the matches, and all that would be with a limit of `loosest`. See estimate().
    """
    told = {}
    for person in people:
        theirs = [match for match in looser if match.person == person.name]
        found = [match.distance for match in theirs if match.verdict is Verdict.SURE]
        beyond = [match.distance for match in theirs if match.verdict is Verdict.MAYBE and match.distance > limits.sure]
        if share := estimate(person, found, beyond, limits, loosest, usual):
            told[person.name] = share
    return told


def left_out_distances(person: Person, rule: Rule) -> NDArray[np.float64]:
    """(K,): the distance of each reference to the person that the others make; (0,) if there is only one."""
    vectors = person.vectors.astype(np.float64)
    if len(vectors) < 2:
        return np.empty(0)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1)
    nearest = 1 - alike.max(axis=1)
    if rule is Rule.NEAREST:
        return np.asarray(nearest)
    others = vectors.sum(axis=0) - vectors
    to_template = 1 - (vectors * others).sum(axis=1) / np.linalg.norm(others, axis=1)
    return np.asarray(np.minimum(to_template, nearest + NEAREST_MARGIN))


def _posterior(
    within: NDArray[np.float64], left_out: NDArray[np.float64], limit: float, usual: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Medians and spreads (of logarithms), and how likely each pair is: three times (cells,)."""
    grid = np.meshgrid(math.log(usual) + np.linspace(-3, 1, 81), np.geomspace(0.08, 0.9, 32))
    medians, spreads = (axis.ravel() for axis in grid)
    likelihood = -(((medians - math.log(usual) - PRIOR_MEDIAN[0]) / PRIOR_MEDIAN[1]) ** 2) / 2
    likelihood -= ((np.log(spreads) - PRIOR_SPREAD[0]) / PRIOR_SPREAD[1]) ** 2 / 2
    likelihood += _log_density(np.log(within), medians, spreads)
    likelihood -= len(within) * np.log(np.maximum(_normal((math.log(limit) - medians) / spreads), 1e-12))
    if len(left_out):
        likelihood += _log_density(np.log(left_out) - ONE_LESS / len(left_out) ** 2, medians, spreads)
    weights = np.exp(likelihood - likelihood.max())
    return medians, spreads, weights / weights.sum()


def _log_density(
    values: NDArray[np.float64], medians: NDArray[np.float64], spreads: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(cells,): of all values together under each normal distribution, up to a constant."""
    away = len(values) * (values.mean() - medians) ** 2 + ((values - values.mean()) ** 2).sum()
    return np.asarray(-away / (2 * spreads**2) - len(values) * np.log(spreads))


def _normal(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a normal distribution below each value."""
    return np.array([(1 + math.erf(value / math.sqrt(2))) / 2 for value in values.ravel()]).reshape(values.shape)
