"""How many photos of a person are found, and how many strangers with them.

    python3 tests/bench/quality.py DIR [DIR ...] [--references 3] [--model sface]

DIR holds a folder of photos for each person. Of each person with two photos or more, `--references` of them (or one
less than there are) serve as references; all other photos, and those of people with one photo, are searched. Repeated
with other references (`--draws`), so that a lucky choice does not count. A photo counts as the person's when its
nearest face is near enough; "false match rate" is the share of (person, photo of somebody else) pairs that are.
"""

import argparse
import platform
from collections import defaultdict
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import AnalyzerSpec, Face, specify
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS, recogniser
from facefinder.index import Index
from facefinder.match import distances
from facefinder.media.walk import walk
from facefinder.people import Person, make_person
from facefinder.progress import NoProgress
from facefinder.scan import scan

NO_FACE = 2.0  # the distance of a photo in which no face was found: the greatest that cosine distance can be


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="name the N worst photos on either side")
    options = parser.parse_args()
    spec = specify(options.model, options.min_face, common.ROOT / "models")
    report(*distances_of(options, spec, recogniser(options.model).thresholds.maybe), options.model)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What measuring takes, whatever the model."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--references", type=int, default=3, metavar="K")
    parser.add_argument("--draws", type=int, default=5, metavar="N")
    parser.add_argument("--min-face", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)


def distances_of(
    options: argparse.Namespace, spec: AnalyzerSpec, agree: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distances of people's own photos, and of the others', over all draws.

    agree: the distance within which the references of a person show one face.
    """
    photos = analyse(options, spec)
    genuine: list[tuple[float, str]] = []
    impostor: list[tuple[float, str]] = []
    for draw in range(options.draws):
        generator = np.random.default_rng(draw) if draw else None
        for is_genuine, distance, what in compare(photos, options.references, agree, generator):
            (genuine if is_genuine else impostor).append((distance, what))
    for title, pairs in (("farthest true", sorted(genuine)[::-1]), ("nearest false", sorted(impostor))):
        if show := getattr(options, "show", 0):
            print(f"{title}:", *(f"  {distance:.3f}  {what}" for distance, what in pairs[:show]), sep="\n")
    return np.array([pair[0] for pair in genuine]), np.array([pair[0] for pair in impostor])


def analyse(options: argparse.Namespace, spec: AnalyzerSpec) -> dict[str, dict[str, list[Face]]]:
    """person -> path -> faces, by the way that the program itself goes."""
    photos: dict[str, dict[str, list[Face]]] = defaultdict(dict)
    with Index(None, spec.key, platform.node()) as index:
        files = list(walk(options.folders))
        problems = dict(scan(files, index, spec, options.jobs, NoProgress()).problems)
        for file in files:
            if file.path not in problems:
                photos[Path(file.path).parent.name][file.path] = index.faces_at(file.path)
    for path, reason in problems.items():
        print(f"left out: {path}: {reason}")
    return photos


def compare(
    photos: dict[str, dict[str, list[Face]]],
    most_references: int,
    agree: float,
    generator: np.random.Generator | None,
) -> list[tuple[bool, float, str]]:
    """(is the person, distance, who and where) of every person with every photo that is not a reference."""
    people: list[Person] = []
    searched: list[tuple[str, str, list[Face]]] = []
    for name, of_person in photos.items():
        paths = sorted(of_person) if generator is None else list(generator.permutation(sorted(of_person)))
        references = paths[: min(most_references, len(paths) - 1)]
        if references:
            people.append(make_person(name, {path: of_person[path] for path in references}, agree))
        searched += [(name, path, of_person[path]) for path in paths[len(references) :]]
    pairs = []
    for name, path, faces in searched:
        vectors = np.array([face.vector for face in faces])
        nearest = distances(vectors, people).min(axis=0) if faces else np.full(len(people), NO_FACE)
        pairs += [
            (person.name == name, float(distance), f"{person.name} in {path}")
            for person, distance in zip(people, nearest, strict=True)
        ]
    return pairs


def report(genuine: NDArray[np.float64], impostor: NDArray[np.float64], model: str) -> None:
    """Print recall, precision and false match rate at the thresholds, and the distances of given precisions."""
    thresholds = recogniser(model).thresholds
    wanted = {"sure (default)": thresholds.sure, "maybe (default)": thresholds.maybe}
    wanted |= {f"precision {share:.1%}": distance_at(genuine, impostor, share) for share in (0.99, 0.999)}
    figures: dict[str, object] = {"model": model, "true_pairs": len(genuine), "false_pairs": len(impostor)}
    rows = []
    for name, distance in wanted.items():
        true, false = int((genuine <= distance).sum()), int((impostor <= distance).sum())
        recall, precision, rate = (
            true / len(genuine),
            true / max(1, true + false),
            false / max(1, len(impostor)),
        )
        rows.append([name, distance, recall, precision, rate])
        figures[name] = {
            "distance": distance,
            "recall": recall,
            "precision": precision,
            "false_match_rate": rate,
        }
    print(f"{model}: {len(genuine)} true pairs, {len(impostor)} false pairs")
    common.print_table(["", "distance", "recall", "precision", "false match rate"], rows)
    print(f"farthest true {genuine.max():.3f}, nearest false {impostor.min():.3f}")
    figures |= {"farthest_true": float(genuine.max()), "nearest_false": float(impostor.min())}
    common.print_figures(figures)


def distance_at(genuine: NDArray[np.float64], impostor: NDArray[np.float64], precision: float) -> float:
    """The greatest true distance up to which at least this share of what is found is true."""
    candidates = np.sort(genuine[genuine < NO_FACE])
    true = np.arange(1, len(candidates) + 1)
    false = np.searchsorted(np.sort(impostor), candidates, side="right")
    good = candidates[true / (true + false) >= precision]
    return float(good[-1]) if len(good) else 0.0


if __name__ == "__main__":
    main()
