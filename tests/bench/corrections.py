"""How much better the next search is when the user has answered the maybes of the last one.

    python3 tests/bench/corrections.py DIR [--references 1] [--model sface] [--threshold D] [--alone]

DIR holds a folder of photos for each person, one face in the middle of each. Some photos of each person are references;
the others fall into two halves. The first half is searched, and a user who knows everybody answers all its maybes and
rejects all strangers among its sure faces. Then the second half is searched, as it was before the answers and after.
`--alone` searches for one person at a time, so that the others are the look-alikes. `--threshold D` stands for `sure`,
and `maybe` moves with it: with the default ones there are hardly any strangers to reject.
"""

import argparse
import platform
from collections import Counter
from functools import partial
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import specify
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS, recogniser
from facefinder.index import Index
from facefinder.match import FaceMatch, Limits, Verdict, match
from facefinder.media.walk import walk
from facefinder.people import make_person
from facefinder.progress import NoProgress
from facefinder.review import word
from facefinder.review.people import sharpened
from facefinder.review.piled import PiledFaces, faces_in, new_person
from facefinder.review.word import History, Step, Word
from facefinder.scan import scan

Photos = dict[str, list[tuple[int, str]]]  # person -> (content, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--references", type=int, default=1, metavar="K")
    parser.add_argument("--draws", type=int, default=4, metavar="N")
    parser.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER)
    parser.add_argument("--threshold", type=float, metavar="D")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    thresholds = recogniser(options.model).thresholds
    sure = options.threshold or thresholds.sure
    limits = Limits(sure, thresholds.maybe + sure - thresholds.sure)
    spec = specify(options.model, 20, common.ROOT / "models")
    counts: dict[str, Counter[str]] = {"before": Counter(), "after": Counter()}
    with Index(None, spec.key, platform.node()) as index:
        files = list(walk([options.folder]))
        scan(files, index, spec, options.jobs, NoProgress())
        photos = by_person(index)
        for draw in range(options.draws):
            generator = np.random.default_rng(draw)
            shuffled = {name: [of[at] for at in generator.permutation(len(of))] for name, of in photos.items()}
            names = [name for name, of in shuffled.items() if len(of) > options.references + 1]
            for wanted in [[name] for name in names] if options.alone else [names]:
                compare(index, shuffled, wanted, options.references, limits, generator, counts)
    report(counts, options, limits)


def by_person(index: Index) -> Photos:
    """The photos in which a face was found."""
    photos: Photos = {}
    for content, path in index.rows("SELECT DISTINCT content, path FROM place JOIN face USING (content) ORDER BY path"):
        photos.setdefault(Path(path.decode()).parent.name, []).append((content, path.decode()))
    return photos


def compare(
    index: Index,
    photos: Photos,
    wanted: list[str],
    references: int,
    limits: Limits,
    generator: np.random.Generator,
    counts: dict[str, Counter[str]],
) -> None:
    """One search, its answers, and the second search before and after them."""
    people = [
        make_person(name, {path: index.faces_at(path) for _, path in photos[name][:references]}, limits.maybe)
        for name in wanted
    ]
    halves: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for name, of_person in photos.items():
        rest = of_person[references:] if name in wanted else of_person
        middle = len(rest) // 2 if len(rest) > 1 else int(generator.integers(2))
        halves[0].update((content, name) for content, _ in rest[:middle])
        halves[1].update((content, name) for content, _ in rest[middle:])
    (first, truth_of_first), (second, truth) = (truly(index, half, wanted) for half in halves)
    history = History(index)
    step = Step("The user answered.")
    numbers = [new_person(index) for _ in people]
    step.names = list(zip(numbers, wanted, strict=True))
    for found in match(first.vectors, people, limits):
        is_right = truth_of_first[found.face] == found.person
        if found.verdict is Verdict.MAYBE or not is_right:
            verdict = word.Verdict.IS if is_right else word.Verdict.NOT
            say = partial(Word, index.content(int(first.contents[found.face])).sha256)
            step.words.append(say(tuple(first.boxes[found.face].tolist()), numbers[found.person], verdict))
            counts["after"]["confirmed" if is_right else "rejected"] += 1
    count(match(second.vectors, people, limits), truth, counts["before"])
    history.add(step)
    better = [sharpened(index, history.said(), person) for person in people]
    count(match(second.vectors, better, limits), truth, counts["after"])
    history.undo()


def truly(index: Index, photos: dict[int, str], wanted: list[str]) -> tuple[PiledFaces, NDArray[np.int64]]:
    """The faces in some photos (content -> name), and (N,) which of the wanted each is: the one in the middle."""
    faces = faces_in(index, photos)
    truth = np.full(len(faces), -1)
    middles = faces.boxes[:, :2] + faces.boxes[:, 2:] / 2
    for number, name in photos.items():
        if name in wanted:
            content = index.content(number)
            middle = np.array([content.width or 0, content.height or 0]) / 2
            rows = np.flatnonzero(faces.contents == number)
            truth[rows[np.abs(middles[rows] - middle).sum(axis=1).argmin()]] = wanted.index(name)
    return faces, truth


def count(found: list[FaceMatch], truth: NDArray[np.int64], counts: Counter[str]) -> None:
    counts["true"] += int((truth >= 0).sum())
    for each in found:
        counts[f"{'right' if truth[each.face] == each.person else 'wrong'} {each.verdict}"] += 1


def report(counts: dict[str, Counter[str]], options: argparse.Namespace, limits: Limits) -> None:
    """Print recall and precision of the second search without and with the answers to the first."""
    rows = []
    figures: dict[str, object] = {"model": options.model, "references": options.references, "sure": limits.sure}
    for name, found in counts.items():
        right, wrong, maybe = found["right sure"], found["wrong sure"], found["right maybe"]
        recall, precision = right / found["true"], right / max(1, right + wrong)
        row = [recall, precision, wrong, (right + maybe) / found["true"], maybe, found["wrong maybe"]]
        rows.append([name, *row])
        titles = ("recall", "precision", "wrong", "recall_with_maybe", "right_maybe", "wrong_maybe")
        figures[name] = dict(zip(titles, row, strict=True))
    after = counts["after"]
    print(f"{after['confirmed']} faces confirmed and {after['rejected']} rejected in the first half; in the second:")
    print(f"(sure up to {limits.sure:.2f}, maybe up to {limits.maybe:.2f})")
    common.print_table(["", "recall", "precision", "wrong", "with maybe", "right maybe", "wrong maybe"], rows)
    missed = [found["true"] - found["right sure"] for found in counts.values()]
    ratio = missed[1] / max(1, missed[0])
    print(f"missed by `sure` after the answers, as a share of before: {ratio:.2f}")
    common.print_figures(figures | {"missed_ratio": ratio})


if __name__ == "__main__":
    main()
