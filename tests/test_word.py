"""The user's word: a history whose replay is what holds, on faces that any model may find again."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from facefinder.faces.analyzer import Face
from facefinder.index import Content, Index
from facefinder.review.word import Box, History, Said, Step, Verdict, Word, overlap

MOM, DAD, ANN = 1, 2, 3
PHOTO, OTHER_PHOTO = hashlib.sha256(b"photo").digest(), hashlib.sha256(b"other").digest()
LEFT, RIGHT = (100.0, 100.0, 80.0, 100.0), (300.0, 100.0, 80.0, 100.0)


def face(box: Box) -> Face:
    return Face(box, np.zeros((5, 2), np.float32), 0.9, 200.0, np.array([1, 0], np.float32))


@pytest.fixture
def index() -> Index:
    index = Index(None, "one model", "computer")
    index.add_analysis(Content(PHOTO, 1000), [face(LEFT), face(RIGHT)], None)
    return index


@pytest.fixture
def history(index) -> History:
    return History(index)


def say(history: History, *words: tuple[Box, int, Verdict], **parts: list) -> None:
    history.add(Step("You did something.", [Word(PHOTO, *word) for word in words], **parts))


def undone(history: History) -> str | None:
    step = history.undo()
    return step.what if step else None


def on_the_left(said: Said, box: Box = LEFT) -> dict[int, Verdict]:
    """What was said of the face in the left half."""
    boxes = np.array([RIGHT, box], np.float32)
    return dict(said.on(np.array([1, 1]), boxes)).get(1, {})


def test_the_later_word_wins(history):
    say(history, (LEFT, MOM, Verdict.NOT))
    say(history, (LEFT, MOM, Verdict.IS))
    assert on_the_left(history.said()) == {MOM: Verdict.IS}
    say(history, (LEFT, DAD, Verdict.IS))
    assert on_the_left(history.said()) == {DAD: Verdict.IS}
    say(history, (LEFT, DAD, Verdict.NOT), (LEFT, ANN, Verdict.IS))
    assert on_the_left(history.said()) == {DAD: Verdict.NOT, ANN: Verdict.IS}


def test_each_step_can_be_undone_the_last_one_first_and_stays_in_the_history(history):
    history.add(Step("You named group 0001 Mom.", names=[(MOM, "Mom")]))
    history.add(Step("You renamed Mom to Anna.", names=[(MOM, "Anna")]))
    assert undone(history) == "You renamed Mom to Anna."
    assert history.said().names == {MOM: "Mom"}
    history.add(Step("You named group 0002 Anna.", names=[(DAD, "Anna")]))
    assert undone(history) == "You named group 0002 Anna."
    assert undone(history) == "You named group 0001 Mom."
    assert undone(history) is None
    assert history.said() == Said()
    assert [(step.number, step.undone) for step in history.steps()] == [(1, True), (2, True), (3, True)]


def test_a_face_that_another_model_finds_a_little_differently_is_the_same_face(history):
    say(history, (LEFT, MOM, Verdict.IS))
    said = history.said()
    assert on_the_left(said, (95.0, 90.0, 90.0, 120.0)) == {MOM: Verdict.IS}
    assert on_the_left(said, (160.0, 100.0, 80.0, 100.0)) == {}
    assert [row for row, _ in said.on(np.array([2, 2]), np.array([LEFT, RIGHT], np.float32))] == []


def test_overlap_is_the_common_area_over_the_area_of_both():
    assert overlap(LEFT, LEFT) == 1
    assert overlap(LEFT, RIGHT) == 0
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)


def test_two_people_who_are_joined_share_what_was_said_of_either(history):
    say(history, (LEFT, MOM, Verdict.IS), (RIGHT, MOM, Verdict.NOT), names=[(MOM, "Mom")])
    say(history, joins=[(MOM, DAD)])
    said = history.said()
    assert (said.root(MOM), said.names) == (DAD, {DAD: "Mom"})
    assert on_the_left(said) == {DAD: Verdict.IS}
    assert dict(said.on(np.array([1]), np.array([RIGHT], np.float32))) == {0: {DAD: Verdict.NOT}}
    history.undo()
    assert on_the_left(history.said()) == {MOM: Verdict.IS}


def test_joining_does_not_take_back_a_face_that_went_from_one_to_the_other_before(history):
    say(history, (LEFT, MOM, Verdict.NOT), (LEFT, DAD, Verdict.IS))
    say(history, joins=[(MOM, DAD)])
    assert on_the_left(history.said()) == {DAD: Verdict.IS}
    say(history, (LEFT, DAD, Verdict.NOT))
    assert on_the_left(history.said()) == {DAD: Verdict.NOT}


def test_joining_two_people_both_ways_or_in_a_ring_ends(history):
    for person, other in ((MOM, DAD), (DAD, ANN), (ANN, MOM), (DAD, MOM)):
        say(history, joins=[(person, other)])
    assert {history.said().root(person) for person in (MOM, DAD, ANN)} == {ANN}


def test_somebody_put_aside_comes_back_with_a_new_name(history):
    say(history, aside=[MOM])
    assert history.said().aside == {MOM}
    say(history, names=[(MOM, "Mom")])
    assert history.said().aside == set()


@pytest.mark.parametrize("spelling", ["zoë", "ZOË", "Zoe\u0308"])
def test_a_name_is_known_in_other_capitals_and_in_the_spelling_of_a_mac(history, spelling):
    say(history, names=[(MOM, "Zoë")])
    assert history.said().person_called(spelling) == MOM
    assert history.said().person_called("Zoe") is None


def test_a_word_on_a_photo_that_is_not_known_yet_holds_once_it_is(index, history):
    history.add(Step("You imported 1 person.", [Word(OTHER_PHOTO, LEFT, MOM, Verdict.IS)]))
    assert history.said().faces == {}
    index.add_analysis(Content(OTHER_PHOTO, 500), [face(LEFT)], None)
    assert history.said().faces == {2: [(LEFT, {MOM: Verdict.IS})]}


def test_the_word_survives_the_end_of_the_program(tmp_path: Path):
    with Index(tmp_path / "index.sqlite", "one model", "computer") as index:
        index.add_analysis(Content(PHOTO, 1000), [face(LEFT)], None)
        say(History(index), (LEFT, MOM, Verdict.IS), names=[(MOM, "Mom")])
    with Index(tmp_path / "index.sqlite", "another model", "another computer") as index:
        said = History(index).said()
        assert said.names == {MOM: "Mom"}
        assert on_the_left(said) == {MOM: Verdict.IS}
