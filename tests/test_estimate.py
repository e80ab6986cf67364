"""The estimate of the share found: right where all of somebody's photos are known, silent where too little is.

How it does on real photos: `python3 tests/bench/estimate.py DIR`.
"""

import numpy as np
import pytest

from facefinder.estimate import CERTAINTY, Estimate, estimate, estimates, left_out_distances
from facefinder.faces.analyzer import Face, Rule
from facefinder.find import FURTHER, find
from facefinder.match import Limits, PhotoMatch, Verdict, distances
from facefinder.people import Person, make_person
from facefinder.progress import NoProgress
from facefinder.settings import read_settings

LIMITS = Limits(0.46, 0.58)
LOOSEST = LIMITS.maybe * FURTHER


def a_person(count: int, apart: float, seed: int = 0) -> Person:
    """Somebody with so many references, each at such an angle from one direction (its tangent)."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(count, 128)) * apart / np.sqrt(128)
    vectors = np.eye(128)[0] + noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    faces = [Face((0, 0, 99, 99), np.zeros((5, 2), np.float32), 0.9, 300.0, vector) for vector in vectors]
    return make_person("Mom", {f"{number}.jpg": [face] for number, face in enumerate(faces)}, 2.0)


def told(person: Person, found, beyond=(), limits: Limits = LIMITS) -> Estimate | None:
    return estimate(person, list(found), list(beyond), limits, limits.maybe * FURTHER, LIMITS.maybe)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(1)
    lone, held, errors = a_person(1, 0.5), [], []
    for _ in range(150):
        median, spread = generator.uniform(0.25, 0.45), generator.uniform(0.2, 0.4)
        own = np.exp(generator.normal(np.log(median), spread, 60))
        truth = (own <= LIMITS.sure).mean()
        if found := told(lone, own[own <= LIMITS.sure], own[(own > LIMITS.sure) & (own <= LOOSEST)]):
            held.append(found.low <= truth <= found.high)
            errors.append(abs(found.share - truth))
    assert len(held) > 100
    assert np.mean(held) > CERTAINTY - 0.05
    assert np.mean(errors) < 0.06


def test_faces_a_little_beyond_the_limit_lower_the_share_and_answering_them_raises_it():
    person, found = a_person(1, 0.5), np.linspace(0.2, 0.44, 30)
    nobody = told(person, found)
    somebody = told(person, found, np.linspace(0.47, 0.6, 8))
    assert nobody and somebody
    assert nobody.share > somebody.share + 0.03
    assert nobody.low > somebody.low
    # Of the eight, three were confirmed and five rejected.
    answered = told(person, [*found, 0.05, 0.05, 0.05])
    assert answered
    assert answered.share > somebody.share


def test_references_that_lie_far_from_each_other_lower_the_share():
    found, beyond = np.linspace(0.25, 0.45, 6), np.linspace(0.47, 0.65, 12)
    near, far = (told(a_person(8, apart), found, beyond) for apart in (0.9, 1.5))
    assert near
    assert far is None or far.share < near.share - 0.05


def test_more_photos_make_it_more_certain_but_never_quite():
    few, many = (told(a_person(1, 0.5), np.linspace(0.15, 0.4, count)) for count in (5, 200))
    assert few and many
    assert many.high - many.low < few.high - few.low
    assert few.low < 0.9
    assert many.low < 1


@pytest.mark.parametrize("found", [[], [0.3, 0.3], [0.05] * 9], ids=["none", "two", "only the references themselves"])
def test_nothing_is_said_where_there_is_too_little(found):
    assert told(a_person(3, 0.5), found) is None


def test_a_users_threshold_is_no_news_of_what_distances_are_like():
    strict = Limits(0.25, 0.25)
    own = np.exp(np.random.default_rng(3).normal(np.log(0.26), 0.3, 100))
    near = own[(own > strict.sure) & (own <= strict.maybe * FURTHER)]
    found = told(a_person(5, 0.6), own[own <= strict.sure], near, strict)
    assert found is None or found.low <= (own <= strict.sure).mean() <= found.high


@pytest.mark.parametrize("rule", list(Rule))
def test_each_reference_is_compared_with_the_person_that_the_others_make(rule):
    person = a_person(5, 0.7)
    expected = []
    for left_out in person.references:
        others = {one.path: [one.face] for one in person.references if one is not left_out}
        rest = make_person("Mom", others, 2.0, rule=rule)
        expected.append(distances(left_out.face.vector[None], [rest], rule)[0, 0])
    assert left_out_distances(person, rule) == pytest.approx(expected, abs=1e-5)
    assert len(left_out_distances(a_person(1, 0.7), rule)) == 0


def test_only_what_the_user_did_not_rule_out_may_have_been_missed():
    person = a_person(1, 0.5)

    def a_match(number: int, distance: float, verdict: Verdict) -> PhotoMatch:
        return PhotoMatch("Mom", f"{number}.jpg", (), "ab" * 32, 1, distance, verdict, (0, 0, 9, 9), None)

    sure = [a_match(number, distance, Verdict.SURE) for number, distance in enumerate(np.linspace(0.2, 0.44, 20))]
    ruled_out = [a_match(number, 0.3, Verdict.MAYBE) for number in range(20, 30)]
    all_told = [
        estimates([person], matches, LIMITS, LOOSEST, LIMITS.maybe)["Mom"] for matches in (sure, sure + ruled_out)
    ]
    assert all_told[0] == all_told[1]


def test_a_search_of_real_photos_tells_it_and_the_truth_lies_within(album, refs, models, tmp_path, people_in_album):
    words = ["--refs", refs, album, "--jobs", "1", "--index", tmp_path / "index.sqlite"]
    outcome = find(read_settings(list(map(str, words)), models.parent), NoProgress())
    assert outcome.shares
    for name, share in outcome.shares.items():
        own = sum(name in people for people in people_in_album.values())
        found = sum(match.person == name and match.verdict is Verdict.SURE for match in outcome.matches)
        assert share.low <= found / own <= share.high
        assert 0 < share.low < share.share
