"""Groups are people; the user's word is stronger than any distance; numbers survive; memory grows with the faces."""

import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefinder.errors import UsageError
from facefinder.group import METHODS, STRANGER, Faces, Grouping, Integers, Known, group
from facefinder.grouping.agglomerate import Clusters, Edges, Limits, agglomerate
from facefinder.grouping.neighbours import MOST, near_pairs

DIMENSIONS = 128


def crowd(*counts: int, within: float = 0.3, seed: int = 0) -> tuple[NDArray[np.float32], Integers]:
    """Vectors of people with so many photos each, and who they are; `within`: distance between photos of one person."""
    generator = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(counts)), counts)
    people, photos = (generator.standard_normal((n, DIMENSIONS)) for n in (len(counts), len(who)))
    vectors = np.sqrt(1 - within) * unit(people)[who] + np.sqrt(within) * unit(photos)
    return unit(vectors).astype(np.float32), who


def unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    lengths: NDArray[np.floating] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def at(*distances: float) -> NDArray[np.float32]:
    """A face, and others at these distances from it, each in a direction of its own."""
    similarities = 1 - np.array([0.0, *distances])
    vectors = np.diag(np.sqrt(1 - similarities**2))
    vectors[:, 0] = similarities
    return vectors.astype(np.float32)


def good(vectors: NDArray[np.float32], photos: list[int] | None = None) -> Faces:
    number = len(vectors)
    shown = np.arange(number) if photos is None else np.array(photos)
    return Faces(vectors, np.full(number, 100.0), np.full(number, 200.0), np.full(number, 0.93), shown)


def blurred(faces: Faces, *which: int) -> Faces:
    sharpness = faces.sharpness.copy()
    sharpness[list(which)] = 4.0
    return replace(faces, sharpness=sharpness)


def known(number: int, **words: list[int] | list[tuple[int, int]]) -> Known:
    """What is said of so many faces; said and previous may name only the first of them."""
    arrays: dict[str, Any] = {name: np.array(value, np.int64) for name, value in words.items()}
    for name in ("said", "previous"):
        value = arrays.get(name, np.empty(0, np.int64))
        arrays[name] = np.concatenate([value, np.full(number - len(value), STRANGER)])
    return replace(Known.nothing(number), **arrays)


def same_partition(ours: Integers, theirs: Integers) -> bool:
    pairs = len(np.unique(np.stack([ours, theirs]), axis=1).T)
    return pairs == len(np.unique(ours)) == len(np.unique(theirs))


def without_strangers(found: Grouping) -> Integers:
    return np.where(found.labels == STRANGER, -2 - np.arange(len(found.labels)), found.labels)


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> str:
    if request.param != "average":
        pytest.importorskip("hdbscan", reason="the library hdbscan is not in this bundle")
    return str(request.param)


# Who belongs together


def test_people_become_groups_and_strangers_stay_alone() -> None:
    vectors, who = crowd(40, 12, 5, 2, *[1] * 50)
    found = group(good(vectors))
    assert same_partition(without_strangers(found), who)
    assert (found.labels[who > 3] == STRANGER).all()


def test_the_largest_group_has_number_one() -> None:
    vectors, who = crowd(3, 9, 5)
    assert [int(group(good(vectors)).labels[who == person][0]) for person in range(3)] == [3, 1, 2]


def test_the_order_of_the_faces_does_not_matter() -> None:
    vectors, _ = crowd(30, 20, 8, 5, 3, 2, 2, *[1] * 40, within=0.5)
    order = np.random.default_rng(1).permutation(len(vectors))
    straight, mixed = (without_strangers(group(good(these))) for these in (vectors, vectors[order]))
    assert same_partition(straight[order], mixed)


def test_groups_are_those_of_average_linkage_one_merge_at_a_time() -> None:
    vectors, _ = crowd(12, 8, 5, 3, *[1] * 20, within=0.55)
    limit = 0.62
    groups = [[row] for row in range(len(vectors))]
    distances = 1 - vectors @ vectors.T
    while True:
        linkage, one, other = min(
            (distances[np.ix_(a, b)].mean(), i, j) for (i, a), (j, b) in combinations(enumerate(groups), 2)
        )
        if linkage > limit:
            break
        groups[one] += groups.pop(other)
    expected = np.empty(len(vectors), np.int64)
    for number, rows in enumerate(groups):
        expected[rows] = number
    ones = np.ones(len(vectors), np.float32)
    clusters = Clusters(vectors.copy(), ones.copy(), ones.copy(), ones.copy(), np.zeros(len(vectors), bool))
    nobody = np.empty(0, np.int32)
    ended = agglomerate(clusters, Edges(nobody, nobody, np.empty(0, np.float32)), Limits(limit, limit, 0, 0))
    assert 4 <= len(groups) <= len(vectors) / 2
    assert same_partition(ended.astype(np.int64), expected)


@pytest.mark.parametrize("number", [2, 7, 523, 1201])
def test_near_pairs_are_those_of_the_full_matrix(number: int) -> None:
    vectors, _ = crowd(*[3] * (number // 3 + 1), within=0.5)
    vectors = vectors[np.random.default_rng(0).permutation(len(vectors))[:number]]
    first, second = near_pairs(vectors, 0.45)
    expected = np.argwhere(np.triu(vectors @ vectors.T >= 0.45, 1))
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == list(map(tuple, expected.tolist()))


def test_a_person_with_very_many_photos_is_one_group() -> None:
    vectors, who = crowd(MOST * 20, MOST * 8, *[1] * 30)
    assert same_partition(without_strangers(group(good(vectors))), who)


def test_two_halves_of_a_life_with_many_photos_each_are_joined() -> None:
    # Nearly each photo has more than MOST nearer ones in its own half.
    young, old = (0.9 * np.eye(DIMENSIONS)[:1] + side * 0.45 * np.eye(DIMENSIONS)[1:2] for side in (1, -1))
    noise = np.random.default_rng(0).standard_normal((MOST * 6, DIMENSIONS)) * 0.03
    vectors = unit(np.repeat(np.concatenate([young, old]), MOST * 3, axis=0) + noise).astype(np.float32)
    assert (group(good(vectors)).labels == 1).all()


def test_a_thousand_copies_of_a_face_are_one_group() -> None:
    vectors = np.repeat(crowd(1)[0], 1000, axis=0)
    assert (group(good(vectors)).labels == 1).all()


# Small and blurred faces, faces of one photo


def test_two_blurred_faces_must_be_nearer_than_two_good_ones() -> None:
    faces = good(at(0.5))
    assert group(faces).labels.tolist() == [1, 1]
    assert group(blurred(faces, 0, 1)).labels.tolist() == [STRANGER, STRANGER]
    assert group(blurred(faces, 1)).labels.tolist() == [1, 1], "near good faces a blurred one is judged like others"


def test_a_blurred_face_does_not_bridge_two_people() -> None:
    # Two people at .65 from each other and a face at .18 from both.
    between = np.array([[0.82, 0.57, 0], [0.82, -0.57, 0], [1, 0, 0]], np.float32)
    faces = good(unit(between).astype(np.float32))
    assert group(faces).labels.tolist() == [1, 1, 1], "a good one does: it is evidence"
    one, other, _ = group(blurred(faces, 2)).labels
    assert one != other


@pytest.mark.parametrize("column", ["sizes", "sharpness", "scores"])
def test_small_blurred_and_turned_faces_count_less(column: str) -> None:
    worse = replace(good(at(0.5)), **{column: np.array([100.0, 0.7 if column == "scores" else 20.0])})
    assert worse.quality()[1] < worse.quality()[0] == 1


def test_two_faces_of_one_photo_are_one_person_only_when_they_are_very_alike() -> None:
    apart, together = [0, 1], [0, 0]
    assert group(good(at(0.5), apart)).labels.tolist() == [1, 1]
    assert group(good(at(0.5), together)).labels.tolist() == [STRANGER, STRANGER]
    assert group(good(at(0.1), together)).labels.tolist() == [1, 1], "a collage or a mirror"


def test_two_groups_that_photos_show_side_by_side_stay_two() -> None:
    # Brothers at .5 from each other, with four photos each, of which three show both.
    vectors, who = crowd(4, 4, within=0.05)
    vectors[who == 1] += vectors[who == 0] * 0.6
    vectors = unit(vectors).astype(np.float32)
    alone, side_by_side = list(range(8)), [0, 1, 2, 3, 0, 1, 2, 7]
    assert (group(good(vectors, alone)).labels == 1).all()
    assert same_partition(group(good(vectors, side_by_side)).labels, who)


# The user's word


def test_what_the_user_put_together_stays_together_however_far(method: str) -> None:
    vectors, _ = crowd(1, 1, 1)
    found = group(good(vectors), known(3, said=[7, 7]), method)
    assert found.labels.tolist() == [7, 7, STRANGER]


def test_two_named_people_never_become_one_however_near(method: str) -> None:
    vectors, who = crowd(30, within=0.02)
    found = group(good(vectors), known(30, said=[4, 9]), method)
    assert found.labels[:2].tolist() == [4, 9]


def test_a_rejected_face_does_not_come_back(method: str) -> None:
    vectors, who = crowd(30, 30, within=0.05)
    found = group(good(vectors), known(60, previous=[3] * 30 + [4] * 30, rejected=[(5, 3)]), method)
    assert found.labels[5] != 3
    assert found.nearest[5] != 3, "nor is it offered again"
    assert np.delete(found.labels, 5).tolist() == [3] * 29 + [4] * 30


def test_a_rejected_face_does_not_come_back_in_company() -> None:
    # Three named photos, ten others at .4 from them, and two twins at .45 from the ten and .85 from the three.
    sides = np.array([[1, 0, 0]] * 3 + [[0.6, 0.8, 0]] * 10 + [[0.15, 0.575, 0.8]] * 2)
    vectors = sides @ np.eye(3, DIMENSIONS) + np.random.default_rng(0).standard_normal((15, DIMENSIONS)) * 0.01
    faces = good(unit(vectors).astype(np.float32))
    assert (group(faces, known(15, said=[3] * 3)).labels == 3).all()
    assert group(faces, known(15, said=[3] * 3, rejected=[(13, 3)])).labels.tolist() == [3] * 13 + [4] * 2


def brothers() -> tuple[Faces, Integers]:
    """Two people at .3 from each other, with ten photos each: one group, if nothing is known."""
    vectors, who = crowd(10, 10, within=0.05)
    vectors[who == 1] += vectors[who == 0] * 1.4
    faces = good(unit(vectors).astype(np.float32))
    assert (group(faces).labels == 1).all()
    return faces, who


def test_photos_go_to_the_nearer_of_two_named_brothers() -> None:
    faces, who = brothers()
    said = np.where(np.arange(20) % 10 == 0, np.array([4, 9])[who], STRANGER)
    assert group(faces, known(20, said=said.tolist())).labels.tolist() == [4] * 10 + [9] * 10


def test_keeping_one_face_of_each_apart_keeps_brothers_apart() -> None:
    faces, who = brothers()
    assert same_partition(group(faces, known(20, apart=[(3, 15)])).labels, who)


@pytest.mark.parametrize("words", [{"rejected": [(9, 3)]}, {"apart": [(9, 0)]}], ids=["rejected", "kept apart"])
def test_a_face_taken_out_of_a_group_finds_its_own(words: dict[str, list[tuple[int, int]]]) -> None:
    vectors, who = crowd(9, 9, within=0.2)
    found = group(good(vectors), known(18, previous=[3] * 10 + [4] * 8, **words))
    assert found.labels.tolist() == [3] * 9 + [4] * 9


def test_two_faces_kept_apart_end_in_two_groups(method: str) -> None:
    vectors, _ = crowd(30, within=0.02)
    found = group(good(vectors), known(30, apart=[(2, 17)], previous=[3] * 30), method)
    assert found.labels[2] != found.labels[17] or found.labels[2] == STRANGER


def test_a_face_moved_by_the_user_is_in_the_group_that_he_said(method: str) -> None:
    vectors, _ = crowd(25, 25, within=0.1)
    said = [2, *[STRANGER] * 49]
    found = group(good(vectors), known(50, said=said, previous=[1] * 25 + [2] * 25), method)
    assert found.labels.tolist() == [2] + [1] * 24 + [2] * 25


@pytest.mark.parametrize("words", [{"rejected": [(0, 3)]}, {"apart": [(0, 1)]}])
def test_words_that_contradict_each_other_are_refused(words: dict[str, list[tuple[int, int]]]) -> None:
    vectors, _ = crowd(2)
    with pytest.raises(ValueError, match="both"):
        group(good(vectors), known(2, said=[3, 3], **words))


# Numbers that survive


def test_known_groups_keep_their_numbers_when_new_faces_come(method: str) -> None:
    vectors, who = crowd(30, 40, 25, within=0.1)
    # Before: half of the first two people, with numbers in an order of their own; the third was not there.
    old = np.concatenate([np.flatnonzero(who == 0)[:10], np.flatnonzero(who == 1)[:5]])
    order = np.concatenate([old, np.setdiff1d(np.arange(len(who)), old)])
    found = group(good(vectors[order]), known(len(who), previous=[8] * 10 + [3] * 5), method)
    assert found.labels.tolist() == np.array([8, 3, 9])[who[order]].tolist()


def test_a_number_once_used_is_never_used_again() -> None:
    vectors, _ = crowd(5, 3)
    assert set(group(good(vectors), replace(known(8), next_number=41)).labels) == {41, 42}


def test_grouping_again_changes_nothing() -> None:
    vectors, _ = crowd(30, 20, 8, 5, 3, 2, 2, *[1] * 40, within=0.5)
    first = group(good(vectors))
    again = group(good(vectors), known(len(vectors), previous=first.labels.tolist()))
    assert again.labels.tolist() == first.labels.tolist()


def test_two_known_groups_that_turn_out_to_be_one_person_keep_the_larger_ones_number() -> None:
    vectors, _ = crowd(20, within=0.2)
    assert (group(good(vectors), known(20, previous=[5] * 4 + [2] * 3)).labels == 5).all()
    assert (group(good(vectors), known(20, previous=[5] * 4 + [2] * 3, said=[*[STRANGER] * 4, 2])).labels == 2).all()


def test_a_known_group_of_which_one_face_is_left_is_a_stranger_unless_the_user_named_it() -> None:
    vectors, _ = crowd(1)
    assert group(good(vectors), known(1, previous=[5])).labels.tolist() == [STRANGER]
    assert group(good(vectors), known(1, said=[5])).labels.tolist() == [5]


# How sure


def test_the_distance_of_a_face_is_that_to_the_others_of_its_group() -> None:
    assert group(good(at(0.4))).distances == pytest.approx([0.4, 0.4], abs=1e-5)


def test_a_face_that_fits_badly_is_the_farthest_from_its_group() -> None:
    vectors, _ = crowd(10, 1, within=0.2)
    found = group(good(vectors), known(11, said=[1] * 11))
    assert found.distances.argmax() == 10
    assert found.distances[10] > 0.6 > 0.2 > found.distances[:10].max()


def test_a_stranger_is_offered_to_the_nearest_group() -> None:
    vectors, _ = crowd(10, 6, 1, within=0.2)
    vectors[16] = unit((vectors[16] + 0.45 * vectors[12])[None])[0]
    found = group(good(vectors))
    assert found.labels[16] == STRANGER
    assert found.nearest[16] == found.labels[12] == 2
    assert 0.5 < found.distances[16] < 0.7


# Methods


def test_hdbscan_finds_the_people() -> None:
    pytest.importorskip("hdbscan", reason="the library hdbscan is not in this bundle")
    vectors, who = crowd(40, 30, 25, 3, within=0.1)
    assert same_partition(group(good(vectors), method="hdbscan").labels, who)
    large = group(good(vectors), method="hdbscan-20").labels
    assert same_partition(large[who < 3], who[who < 3])
    assert large.max() == 3, "a person with three photos makes no group of their own there"


def test_hdbscan_that_is_not_there_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdbscan", None)
    with pytest.raises(UsageError, match="Leave --method out"):
        group(good(crowd(5)[0]), method="hdbscan")


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="hdbscan-20"):
        group(good(crowd(5)[0]), method="magic")


@pytest.mark.parametrize("number", [0, 1])
def test_nearly_nothing_can_be_grouped(number: int) -> None:
    found = group(good(crowd(*[1] * number)[0].reshape(number, DIMENSIONS)))
    assert found.labels.tolist() == [STRANGER] * number


MEMORY = """
import sys
from pathlib import Path
import numpy as np
from facefinder.group import Faces, group
def peak():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
number, people = int(sys.argv[1]), int(sys.argv[2])
generator = np.random.default_rng(0)
def faces(number):
    vectors = generator.standard_normal((number, 128), np.float32)
    vectors += 1.5 * generator.standard_normal((people, 128), np.float32)[np.arange(number) % people]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    good = np.full(number, 100.0)
    return Faces(vectors, good, good, good, np.arange(number) // 3)
group(faces(2000))
pile = faces(number)
before = peak()
group(pile)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from Linux's /proc")
@pytest.mark.parametrize("people", [1, 4000], ids=["all of one person", "of many people"])
def test_memory_grows_no_faster_than_the_faces(people: int) -> None:
    def kilobytes(number: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(number), str(people)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    few, many = kilobytes(5_000), kilobytes(15_000)
    assert many < 3.5 * few + 10_000
    assert many < 15_000 * 10, "10 kB a face; half of all pairs would take 30"
