"""What is said on the page is one history with the groups folder, and the next search knows it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from facefinder.match import Verdict
from facefinder.progress import NoProgress
from facefinder.report.write import report_on
from facefinder.review import word
from facefinder.review.crops import face_name
from facefinder.review_page.album import Somebody
from facefinder.review_page.command import ReviewOutcome, in_words
from facefinder.review_page.session import Refused, Session

JERRY, OBAMA = "Jerry Seinfeld", "Barack Obama"


def called(session: Session, name: str) -> Somebody:
    return next(person for person in session.everybody() if person.called == name)


def photo(index, face: int) -> str:
    """The name of the photo in which a face is."""
    [(path,)] = index.rows("SELECT min(path) FROM face JOIN place USING (content) WHERE face.id = ?", (face,))
    return Path(path.decode()).stem


def photos(index, person: Somebody) -> set[str]:
    return {photo(index, face.id) for face in person.sure}


def group_of(index, session: Session, name: str) -> Somebody:
    """The group without a name that has most faces of a photo."""
    groups = [person for person in session.everybody() if not person.name]
    return max(groups, key=lambda group: sum(photo(index, face.id) == name for face in group.sure))


def answer(session: Session, index, answers: dict[str, str]) -> None:
    """Answer the questions about Jerry by photo, yes or no."""
    for face in session.questions(called(session, JERRY)):
        if said := answers.get(photo(index, face.id)):
            verdict = word.Verdict.IS if said == "yes" else word.Verdict.NOT
            session.answer(called(session, JERRY), face.id, verdict)


def test_the_page_shows_what_the_last_search_found_and_the_groups(stick):
    matches = stick.find().matches
    with stick.index() as (index, session):
        for name in (JERRY, OBAMA):
            mine = [match for match in matches if match.person == name]
            person = called(session, name)
            assert photos(index, person) >= {Path(match.source).stem for match in mine if match.verdict == "sure"}
            asked = {photo(index, face.id) for face in session.questions(person)}
            assert asked == {Path(match.source).stem for match in mine if match.verdict == "maybe"}
        assert asked == set()
        assert len(session.questions(called(session, JERRY))) == 4
        obamas = group_of(index, session, "DSC_0101 left half")
        assert obamas.probably and obamas.probably.name == OBAMA
        assert session.problem == ""


def test_answers_make_the_next_search_surer_also_of_photos_that_were_not_asked_about(stick):
    assert stick.found(JERRY)["street"] is Verdict.MAYBE
    with stick.index() as (index, session):
        answer(session, index, {"glasses": "yes", "IMG_0047": "yes", "monologue": "yes"})
        assert session.last() == f"You said of 1 face: {JERRY}."
    found = stick.found(JERRY)
    assert {found[name] for name in ("glasses", "IMG_0047", "monologue")} == {Verdict.SURE}
    assert found["street"] is Verdict.SURE, "the confirmed faces sharpened the template"


def test_a_rejected_face_is_never_found_again_and_undo_in_the_folders_brings_it_back(stick):
    with stick.index() as (index, session):
        answer(session, index, {"glasses": "no"})
        assert "glasses" not in {photo(index, face.id) for face in session.questions(called(session, JERRY))}
    assert "glasses" not in stick.found(JERRY)
    assert stick.groups("--undo").undone == f"You said of 1 face: not {JERRY}."
    assert stick.found(JERRY)["glasses"] is Verdict.MAYBE
    with stick.index() as (index, session):
        assert [step.undone for step in session.steps()] == [True]
        assert called(session, JERRY).number is None, "the number came with the first answer, and went with it"


def test_a_question_passed_over_comes_again_and_undo_takes_the_passing_over_back(stick):
    with stick.index() as (_, session):
        first, second, *_ = session.questions(called(session, JERRY))
        session.pass_over(called(session, JERRY), first.id)
        assert session.questions(called(session, JERRY))[0] == second
        assert session.last() == ""
        session.take_back()
        assert session.questions(called(session, JERRY))[0] == first
        session.pass_over(called(session, JERRY), first.id)
        session.ask_again(called(session, JERRY))
        assert session.questions(called(session, JERRY))[0] == first
        assert session.steps() == []
        assert session.take_back() is None


def test_a_group_is_named_merged_split_and_put_aside_and_each_step_is_undone(stick):
    with stick.index() as (index, session):
        before = {person.key: len(person.sure) for person in session.everybody()}
        elton, woman = group_of(index, session, "red glasses"), group_of(index, session, "many faces")
        session.name(elton, "  Elton \n John ")
        assert photos(index, called(session, "Elton John")) == photos(index, elton)
        session.merge(woman, called(session, "Elton John"))
        assert len(called(session, "Elton John").sure) == len(elton.sure) + len(woman.sure)
        assert session.person(woman.key) is called(session, "Elton John")
        key = session.split(called(session, "Elton John"), [face.id for face in woman.sure[:2]], "Ann")
        assert session.person(key) is called(session, "Ann")
        assert {face.id for face in called(session, "Ann").sure} == {face.id for face in woman.sure[:2]}
        session.put_aside(called(session, "Ann"))
        assert "Ann" not in {person.called for person in session.everybody()}
        assert [step.what.split()[1] for step in session.steps()] == ["put", "made", "merged", "named"]
        while session.take_back():
            pass
        assert {person.key: len(person.sure) for person in session.everybody()} == before


def test_a_group_that_gets_the_name_of_somebody_of_refs_becomes_that_person(stick):
    with stick.index() as (index, session):
        obamas = group_of(index, session, "DSC_0101 left half")
        session.name(obamas, OBAMA.upper())
        assert session.last() == f"You merged {obamas.called} into {OBAMA} ({len(obamas.sure)} faces)."
        assert called(session, OBAMA).of_refs
        assert session.person(obamas.key) is called(session, OBAMA)
    outcome = stick.groups()
    assert OBAMA in {person.name for person in outcome.people}


@pytest.mark.parametrize("name", ["", " \t", "1234", "0003 (25)", "Strangers", "not sure"])
def test_a_name_that_the_groups_folder_could_not_tell_from_its_own_is_refused(stick, name):
    with stick.index() as (index, session):
        with pytest.raises(Refused):
            session.name(group_of(index, session, "red glasses"), name)
        assert session.steps() == []


def test_people_of_refs_keep_their_name_and_stay(stick):
    with stick.index() as (_, session):
        for deed in (
            lambda: session.name(called(session, JERRY), "Elton"),
            lambda: session.put_aside(called(session, JERRY)),
            lambda: session.merge(called(session, JERRY), called(session, OBAMA)),
        ):
            with pytest.raises(Refused):
                deed()
        assert session.steps() == []


def test_what_was_done_in_the_folders_is_read_first(stick):
    [folder] = [path for path in stick.tree.iterdir() if list(path.glob("*red glasses ~*")) and path.name[0] == "0"]
    folder.rename(stick.tree / "Elton")
    with stick.index() as (_, session):
        assert called(session, "Elton")
        assert session.reading.steps == [session.last()]


def test_the_folders_follow_the_page_and_nothing_of_it_is_read_as_the_users_doing(stick):
    with stick.index() as (index, session):
        elton, woman = group_of(index, session, "red glasses"), group_of(index, session, "many faces")
        session.name(elton, "Elton")
        key = session.split(woman, [face.id for face in woman.sure[:2]], "Ann")
        steps = len(session.steps())
        stick.bring_up_to_date(index)
        crops = {path.stem.rpartition("~")[2] for path in (stick.tree / "Ann (2)").iterdir()}
        assert crops == {face_name(face.id) for face in session.person(key).sure}
        assert len(list(stick.tree.glob("Elton (*)"))) == 1
    outcome = stick.groups()
    assert outcome.reading.steps == []
    with stick.index() as (_, session):
        assert len(session.steps()) == steps


def test_folders_that_the_page_left_behind_are_not_misread(stick):
    """The program was killed before the folders followed: what lies there is older than what was said."""
    with stick.index() as (index, session):
        jerrys, woman = group_of(index, session, "1992 gala"), group_of(index, session, "many faces")
        moved = [face.id for face in woman.sure[:2]]
        session.split(woman, moved, "Ann")
        session.merge(jerrys, called(session, JERRY))
        old = {one.key: next(stick.tree.glob(f"{one.called} (*)")) for one in (jerrys, woman)}
    assert stick.find().reading.steps == []
    # Now the user works on with the old folders: names the one out of which the page took two faces, and deletes the
    # one whose person the page made part of another.
    old[woman.key].rename(stick.tree / "Zoe")
    shutil.rmtree(old[jerrys.key])
    with stick.index() as (index, session):
        assert session.reading.steps == [
            f"You named group {woman.called} Zoe ({len(woman.sure) - len(moved)} faces)."
        ], "the page's word on single faces is stronger than a folder's name, and a folder merged away says nothing"
        assert {face.id for face in called(session, "Ann").sure} == set(moved)
        assert "1992 gala" in photos(index, called(session, JERRY))


def test_a_run_of_groups_after_the_search_leaves_its_questions(stick):
    stick.find()
    stick.groups(stick.place)
    with stick.index() as (index, session):
        assert len(session.questions(called(session, JERRY))) == 4
        assert len(photos(index, called(session, OBAMA))) >= 4


def test_reference_photos_in_the_searched_place_stay_found(stick, album, tmp_path):
    shutil.copytree(album / "From phone", tmp_path / "pile")
    shutil.move(stick.refs, tmp_path / "pile" / "refs")
    stick.refs, stick.place = tmp_path / "pile" / "refs", tmp_path / "pile"
    found = {Path(match.source).stem for match in stick.find().matches if match.person == OBAMA}
    with stick.index() as (index, session):
        assert photos(index, called(session, OBAMA)) >= found
    assert len(found) >= 3


def test_a_photo_that_was_changed_after_it_was_confirmed_breaks_nothing(stick, album, tmp_path):
    pile = tmp_path / "pile"
    shutil.copytree(album, pile)
    stick.place = pile
    stick.find()
    with stick.index() as (index, session):
        confirmed = session.questions(called(session, JERRY))[0]
        name = photo(index, confirmed.id)
        session.answer(called(session, JERRY), confirmed.id, word.Verdict.IS)
        elsewhere = "DELETE FROM place WHERE content = ? AND CAST(path AS TEXT) NOT LIKE ?"
        index.rows(elsewhere, (confirmed.content, f"{pile}%"))
    [path] = pile.rglob(f"{name}.jpg")
    path.write_bytes(next(pile.rglob("red glasses.jpg")).read_bytes())
    for _ in range(2):
        outcome = stick.find()
        jerry = next(person for person in outcome.people if person.name == JERRY)
        assert len(jerry.references) == 2
        assert not any(match.source == str(path) for match in outcome.matches if match.person == JERRY)
    with stick.index() as (_, session):
        assert called(session, JERRY)
    assert report_on(outcome, replace(stick.settings(), report=tmp_path / "report.html"), NoProgress())
    assert "Reference photo of Jerry Seinfeld" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "report.html").read_text("utf-8").count("Reference photo of Jerry Seinfeld") == 1


def test_what_was_only_taken_back_is_said_at_the_end():
    outcome = ReviewOutcome((), None, "", ("You said of 1 face: Mom.",))
    assert "What you took back:\n  You said of 1 face: Mom." in in_words(outcome)
    assert in_words(ReviewOutcome((), None, "")) == "You changed nothing."
