"""Faces to people: everybody who is on a photo gets it, and each face is one person's."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import face_finder
from facefinder.faces.analyzer import Face
from facefinder.find import Outcome, find
from facefinder.index import Content
from facefinder.match import BY_WORD, NEAREST_MARGIN, Limits, PhotoMatch, Sighting, Verdict, match
from facefinder.people import Person, make_person
from facefinder.progress import NoProgress
from facefinder.settings import read_settings


def direction(*numbers: float) -> NDArray[np.float32]:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def at_distance(distance: float, axis: int = 0, dimensions: int = 4) -> NDArray[np.float32]:
    """A unit vector at this cosine distance from an axis, away from the other axes but the last."""
    vector = np.zeros(dimensions, np.float32)
    vector[axis] = 1 - distance
    vector[-1] = np.sqrt(1 - (1 - distance) ** 2)
    return vector


def a_person(name: str, *vectors: NDArray[np.float32]) -> Person:
    faces = [Face((0, 0, 99, 99), np.zeros((5, 2), np.float32), 0.9, 300.0, vector) for vector in vectors]
    return make_person(name, {f"{n}.jpg": [face] for n, face in enumerate(faces)}, 0.55)


MOM, DAD = a_person("Mom", direction(1, 0, 0, 0)), a_person("Dad", direction(0, 1, 0, 0))


def test_the_thresholds_are_inclusive_and_maybe_lies_between_them():
    faces = np.stack([at_distance(distance) for distance in (0.25, 0.5, 0.51, 0.75, 0.76)])
    found = match(faces, [MOM], Limits(0.5, 0.75))
    assert [(one.face, one.verdict) for one in found] == [
        (0, Verdict.SURE),
        (1, Verdict.SURE),
        (2, Verdict.MAYBE),
        (3, Verdict.MAYBE),
    ]
    assert found[1].distance == 0.5


def test_a_face_is_given_to_the_nearest_person_only():
    between = direction(0.8, 0.7, 0, 0)
    [found] = match(between[None], [DAD, MOM], Limits(0.5, 0.6))
    assert found.person == 1
    assert 1 - float(between[1]) < 0.5, "it is near enough to Dad too"


def test_a_face_that_looks_more_like_a_rejected_one_is_not_sure_and_a_maybe_is_not_asked_again():
    rejected = direction(0.6, 0, 0.8, 0)
    mom = replace(MOM, rejected=(rejected,))
    near, far = direction(0.65, 0, 0.76, 0), direction(0.4, 0, 0.9, 0)
    limits = Limits(0.45, 0.7)
    assert [found.verdict for found in match(np.stack([near, far]), [MOM], limits)] == [Verdict.SURE, Verdict.MAYBE]
    assert [(found.face, found.verdict) for found in match(np.stack([near, far]), [mom], limits)] == [
        (0, Verdict.MAYBE)
    ]
    herself = direction(0.97, 0.1, 0.1, 0)
    assert [found.verdict for found in match(herself[None], [mom], limits)] == [Verdict.SURE]
    confirmed = np.array([[1]], np.int8)
    assert [found.verdict for found in match(near[None], [mom], limits, confirmed)] == [Verdict.SURE]


def test_of_each_match_it_is_known_from_which_threshold_on_it_is_taken():
    rejected = direction(0.6, 0, 0.8, 0)
    mom = replace(MOM, rejected=(rejected,))
    plain, alike = direction(0.7, 0.7, 0.1, 0), direction(0.75, 0, 0.66, 0)
    said = np.array([[0], [0], [1]], np.int8)
    found = match(np.stack([plain, alike, alike]), [mom], Limits(0.46, 0.58), said)
    assert [one.taken_from for one in found] == [found[0].distance, None, BY_WORD]
    sightings = [Sighting(one.verdict, one.distance, (0, 0, 9, 9), taken_from=one.taken_from) for one in found]

    def taken_from(*seen: Sighting) -> float | None:
        return PhotoMatch.of("Mom", Content(b"x" * 32, 1), ["/a.jpg"], seen).taken_from

    assert taken_from(sightings[1]) is None
    assert taken_from(*sightings[:2]) == found[0].distance
    assert taken_from(*sightings) == BY_WORD


def test_one_reference_alone_recognises_only_what_is_nearer_by_the_margin():
    # Two ages of one person; the template lies between them.
    young, old = direction(1, 0, 0, 0), direction(0.6, 0.8, 0, 0)
    person = a_person("Mom", young, old)
    near_young = direction(1, -0.5, 0, 0)
    to_template, to_young = 1 - float(near_young @ person.template), 1 - float(near_young @ young)
    [found] = match(near_young[None], [person], Limits(0.5, 0.5))
    assert to_young + NEAREST_MARGIN < to_template
    assert found.distance == pytest.approx(to_young + NEAREST_MARGIN)
    [found] = match(person.template[None], [person], Limits(0.5, 0.5))
    assert found.distance == pytest.approx(0, abs=1e-6)


def test_strangers_and_no_faces_match_nobody():
    assert match(direction(0, 0, 0, 1)[None], [MOM, DAD], Limits(0.5, 0.6)) == []
    assert match(np.zeros((0, 4), np.float32), [MOM, DAD], Limits(0.5, 0.6)) == []


def search(place: Path, refs: Path, index: Path | None, *flags: object) -> Outcome:
    words = ["--refs", refs, "--jobs", 1, *(["--index", index] if index else ["--no-index"]), *flags, place]
    return find(read_settings([str(word) for word in words], face_finder.HOME), NoProgress())


def test_a_photo_of_two_people_goes_to_both_with_the_box_of_each(tmp_path, album, refs):
    photos = album / "Washington" / "2012" / "DSC_0101.jpg", album / "Stage & screen" / "what.jpg"
    obama, seinfeld = (Image.open(photo).resize((700, 800)) for photo in photos)
    stranger = Image.open(album / "Stage & screen" / "portrait 1.jpg").resize((700, 800))
    together = Image.new("RGB", (2100, 800))
    for number, picture in enumerate((stranger, obama, seinfeld)):
        together.paste(picture, (700 * number, 0))
    (tmp_path / "place").mkdir()
    together.save(tmp_path / "place" / "together.jpg", quality=95)
    found = search(tmp_path / "place", refs, None).matches
    assert [(one.person, Path(one.source).name) for one in found] == [
        ("Barack Obama", "together.jpg"),
        ("Jerry Seinfeld", "together.jpg"),
    ]
    assert 700 < found[0].box[0] < 1400 < found[1].box[0]


def test_a_users_threshold_replaces_both(tmp_path, album, refs):
    place, index = tmp_path / "place", tmp_path / "index.sqlite"
    shutil.copytree(album / "Stage & screen", place)
    distances = {Path(one.source).name: one.distance for one in search(place, refs, index).matches}
    assert {"what.jpg", "stand-up.jpg", "monologue.jpg", "glasses.jpg", "1992 gala.jpg"} == distances.keys()
    limit = sorted(distances.values())[2]
    outcome = search(place, refs, index, "--threshold", repr(limit))
    assert {Path(one.source).name for one in outcome.matches} == {
        name for name, distance in distances.items() if distance <= limit
    }
    assert len(outcome.matches) == 3
    assert {one.verdict for one in outcome.matches} == {Verdict.SURE}
    assert outcome.limits == Limits(limit, limit)
