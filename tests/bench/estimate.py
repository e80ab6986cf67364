"""How honest the estimate of the share found is: beside the truth, for people whose photos are all known.

    python3 tests/bench/estimate.py DIR [DIR ...] [--references 1 3 5] [--thresholds .28 .34 .4 .46] [--answered]

DIR holds a folder of photos for each person. Of each person with enough of them some serve as references; all others,
and everybody else's photos, are searched for that person alone. `sure` is the threshold, `maybe` lies as far beyond it
as always; strict thresholds show how the estimate does where many photos are missed. With `--answered` the user has
confirmed or rejected all maybes before. Printed are for each case: how many searches there were (and of how many there
was too little to say), the true share of the person's photos that was found and the estimated one, the mean error, and
how often the truth lay within the interval.
"""

import argparse
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import ReferencesError
from facefinder.estimate import CERTAINTY, Estimate, estimate
from facefinder.faces.analyzer import Face, specify
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS, recogniser
from facefinder.find import FURTHER
from facefinder.match import Limits, distances
from facefinder.people import Person, make_person
from quality import NO_FACE, analyse

FEWEST = 4  # photos of a person to be found, below which the truth is worth little
ROUNDING = 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--references", nargs="+", type=int, default=[1, 3, 5], metavar="K")
    parser.add_argument("--thresholds", nargs="+", type=float, metavar="D", help="default: from strict to the model's")
    parser.add_argument("--draws", type=int, default=2, metavar="N")
    parser.add_argument("--answered", action="store_true")
    parser.add_argument("--people", action="store_true", help="name each person, at the last threshold")
    parser.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER)
    parser.add_argument("--min-face", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    thresholds = recogniser(options.model).thresholds
    limits = Limits(thresholds.sure, thresholds.maybe)
    photos = analyse(options, specify(options.model, options.min_face, common.ROOT / "models"))
    table, everything = [], []
    for references in options.references:
        for sure in options.thresholds or [round(share * limits.sure, 2) for share in (0.6, 0.75, 0.9, 1)]:
            cases, silent = search_each(photos, references, sure, limits, options)
            row = summed_up(cases)
            table.append([f"{references} references, sure {sure:.2f}", len(cases), silent, *row.values()])
            everything += cases
            if options.people and sure == limits.sure:
                for name, truth, found in cases:
                    print(f"  {name}: {truth:.1%} found, {found.share:.1%} ({found.low:.1%} to {found.high:.1%}) told")
    overall = summed_up(everything)
    table.append(["all", len(everything), "", *overall.values()])
    common.print_table(["", "searches", "silent", *overall], table)
    print(f"the interval should hold the truth in {CERTAINTY:.0%}")
    common.print_figures({"model": options.model, "answered": options.answered, "searches": len(everything), **overall})


def search_each(
    photos: dict[str, dict[str, list[Face]]], references: int, sure: float, limits: Limits, options: argparse.Namespace
) -> tuple[list[tuple[str, float, Estimate]], int]:
    """(person, true share found, estimate) of each search, and of how many there was too little to say."""
    cases, silent = [], 0
    for name, of_person in photos.items():
        if len(of_person) < references + FEWEST:
            continue
        for draw in range(options.draws):
            paths = list(np.random.default_rng(draw).permutation(sorted(of_person)))
            try:
                person = make_person(name, {path: of_person[path] for path in paths[:references]}, limits.maybe)
            except ReferencesError:
                continue
            own = [of_person[path] for path in paths[references:]]
            others = [faces for other, theirs in photos.items() if other != name for faces in theirs.values()]
            is_own = np.arange(len(own) + len(others)) < len(own)
            truth, told = search(person, [*own, *others], is_own, sure, limits, options.answered)
            if told:
                cases.append((name, truth, told))
            silent += told is None
    return cases, silent


def search(
    person: Person, pile: list[list[Face]], is_own: NDArray[np.bool_], sure: float, limits: Limits, answered: bool
) -> tuple[float, Estimate | None]:
    """One search: the true share of the person's photos that it finds, and the estimate."""
    maybe = sure + limits.maybe - limits.sure
    away, faces = nearest(person, pile)
    is_sure, asked = away <= sure, (away > sure) & (away <= maybe)
    if answered:
        confirmed = {f"pile/{row}": [faces[row]] for row in np.flatnonzero(asked & is_own)}
        known = {reference.path: [reference.face] for reference in person.references}
        person = make_person(person.name, known | confirmed, NO_FACE)
        away, _ = nearest(person, pile)
        is_sure = (away <= sure) & (is_own | ~asked)
    beyond = (away > sure) & (away <= maybe * FURTHER) & ~(asked & answered)
    told = estimate(
        person, away[is_sure].tolist(), away[beyond].tolist(), Limits(sure, maybe), maybe * FURTHER, limits.maybe
    )
    return float(is_sure[is_own].mean()), told


def nearest(person: Person, pile: list[list[Face]]) -> tuple[NDArray[np.float64], list[Face]]:
    """(N,): how near each photo's nearest face is, and that face."""
    away, nearest_faces = [], []
    for faces in pile:
        here = distances(np.stack([face.vector for face in faces]), [person])[:, 0] if faces else np.array([NO_FACE])
        away.append(float(here.min()))
        nearest_faces.append(faces[int(here.argmin())] if faces else person.references[0].face)
    return np.array(away), nearest_faces


def summed_up(cases: list[tuple[str, float, Estimate]]) -> dict[str, float]:
    """Truth, estimate and the errors, over all cases."""
    truth, share, low, high = np.array([[true, told.share, told.low, told.high] for _, true, told in cases]).T
    return {
        "truth": float(truth.mean()),
        "estimate": float(share.mean()),
        "bias": float((share - truth).mean()),
        "mean_error": float(np.abs(share - truth).mean()),
        "width": float((high - low).mean()),
        "holds": float(((low - ROUNDING <= truth) & (truth <= high + ROUNDING)).mean()),
    }


if __name__ == "__main__":
    main()
