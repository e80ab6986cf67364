"""Photos of several people together, and of one without another."""

from dataclasses import replace

from facefinder.match import PhotoMatch, Verdict
from facefinder.together import narrow

SURE, MAYBE = Verdict.SURE, Verdict.MAYBE


def match(photo: str, person: str, verdict: Verdict = SURE, distance: float = 0.3) -> PhotoMatch:
    where = (f"/{photo}.jpg", (), photo)
    return PhotoMatch(person, *where, 1, distance, verdict, (0, 0, 1, 1), None, taken_from=distance)


def told(matches: list[PhotoMatch]) -> set[tuple[str, str, Verdict]]:
    return {(found.sha256, found.person, found.verdict) for found in matches}


MATCHES = [
    match("alone", "Mom"),
    match("both", "Mom"),
    match("both", "Dad"),
    match("perhaps", "Mom"),
    match("perhaps", "Dad", MAYBE, 0.5),
    match("dad", "Dad"),
]


def test_everybody_has_their_own_photos():
    assert len(narrow(MATCHES, ["Mom", "Dad"], together=False, without=[])) == 6
    assert told(narrow(MATCHES, ["Dad"], False, [])) == {
        *(("both", "Dad", SURE), ("perhaps", "Dad", MAYBE), ("dad", "Dad", SURE))
    }


def test_together_is_one_match_for_a_photo_and_as_sure_as_the_least_sure_of_them():
    found = narrow(MATCHES, ["Mom", "Dad"], together=True, without=[])
    assert told(found) == {("both", "Mom and Dad", SURE), ("perhaps", "Mom and Dad", MAYBE)}
    assert [each.distance for each in found] == [0.3, 0.5]


def test_without_leaves_out_who_is_surely_there_and_doubts_who_may_be():
    found = narrow(MATCHES, ["Mom"], together=False, without=["Dad"])
    assert told(found) == {("alone", "Mom", SURE), ("perhaps", "Mom", MAYBE)}


def test_together_a_threshold_takes_the_photo_once_it_takes_everybody():
    both = [match("both", "Mom", SURE, 0.2), match("both", "Dad", MAYBE, 0.5)]
    [found] = narrow(both, ["Mom", "Dad"], True, [])
    assert found.taken_from == 0.5
    [found] = narrow([both[0], replace(both[1], taken_from=None)], ["Mom", "Dad"], True, [])
    assert found.taken_from is None, "one of them only looks like somebody who was ruled out"
