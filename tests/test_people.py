"""Reference photos: the right face out of each, and a word about each photo that does not help."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefinder.errors import ReferencesError
from facefinder.faces.analyzer import Face, Rule
from facefinder.faces.models import recogniser
from facefinder.index import Index
from facefinder.match import distances
from facefinder.people import Person, make_person, read_people, reference_files
from facefinder.progress import NoProgress
from facefinder.scan import scan

AGREE = recogniser("sface").thresholds.maybe


@pytest.fixture
def obamas(album, refs) -> list[Path]:
    return [
        refs / "Barack Obama" / "obama2.jpg",
        refs / "Barack Obama" / "obama3.jpg",
        album / "Washington" / "2012" / "DSC_0101.jpg",
    ]


@pytest.fixture
def read(spec):
    """Read the reference photos in a folder as the program does."""

    def read(folder: Path) -> list[Person]:
        photos = reference_files(folder)
        with Index(None, spec.key, "laptop") as index:
            files = [file for files in photos.values() for file in files]
            problems = scan(files, index, spec, 1, NoProgress()).problems
            return read_people(photos, index.faces_at, problems, AGREE)

    return read


def side_by_side(*photos: Path, heights: Sequence[int]) -> Image.Image:
    """A group photo: each photo at a height of its own, from left to right."""
    pictures = []
    for photo, height in zip(photos, heights, strict=True):
        with Image.open(photo) as picture:
            pictures.append(picture.resize((round(picture.width * height / picture.height), height)))
    group = Image.new("RGB", (sum(picture.width for picture in pictures), max(heights)), "gray")
    left = 0
    for resized in pictures:
        group.paste(resized, (left, 0))
        left += resized.width
    return group


def a_face(*direction: float, size: float = 100) -> Face:
    vector = np.array(direction, np.float32)
    landmarks = np.zeros((5, 2), np.float32)
    return Face((0.0, 0.0, size, size), landmarks, 0.9, 300.0, vector / np.linalg.norm(vector))


def reasons(person: Person) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in person.problems}


def test_the_face_that_the_photos_share_is_taken_though_somebody_else_is_the_largest_in_all(
    tmp_path, album, obamas, read
):
    # The same man is the largest face in two of the three.
    biden = album / "Washington" / "2012" / "DSC_0117.jpg"
    others = [biden, biden, album / "Stage & screen" / "portrait 2.jpg"]
    folder = tmp_path / "Obama"
    folder.mkdir()
    for number, (other, obama) in enumerate(zip(others, obamas, strict=True)):
        side_by_side(other, obama, heights=(900, 500)).save(folder / f"{number}.jpg", quality=95)
    [person] = read(folder)
    assert person.problems == ()
    assert len(person.references) == 3
    for other, reference in zip(others, person.references, strict=True):
        width, height = Image.open(other).size
        assert reference.face.box[0] > 900 * width / height, "the box lies in the right half, in which Obama stands"


def test_every_photo_that_does_not_help_is_named_with_the_reason(tmp_path, album, obamas, read):
    folder = tmp_path / "refs" / "Obama"
    folder.mkdir(parents=True)
    for number, photo in enumerate(obamas):
        (folder / f"good {number}.jpg").write_bytes(photo.read_bytes())
    (folder / "landscape.jpg").write_bytes((album / "Sommer é 2019" / "IMG_2044.jpg").read_bytes())
    (folder / "biden.jpg").write_bytes((album / "Washington" / "2012" / "DSC_0117.jpg").read_bytes())
    (folder / "broken.jpg").write_bytes(obamas[0].read_bytes()[:2000])
    side_by_side(obamas[0], heights=(100,)).save(folder / "small.jpg")
    [person] = read(tmp_path / "refs")
    assert [Path(reference.path).name for reference in person.references] == [
        "good 0.jpg",
        "good 1.jpg",
        "good 2.jpg",
    ]
    said = reasons(person)
    assert said.keys() == {"landscape.jpg", "biden.jpg", "broken.jpg", "small.jpg"}
    assert said["landscape.jpg"] == "no face found in it"
    assert "does not agree with the other photos" in said["biden.jpg"]
    assert "too small" in said["small.jpg"]
    assert "40 are needed" in said["small.jpg"]
    mean = np.mean(person.vectors, axis=0)
    np.testing.assert_allclose(person.template, mean / np.linalg.norm(mean), rtol=1e-5)


def test_somebody_without_a_usable_photo_is_refused_with_each_reason_and_the_remedy(tmp_path, album, obamas, read):
    for name in ("Mom", "Obama"):
        (tmp_path / "refs" / name).mkdir(parents=True)
    (tmp_path / "refs" / "Obama" / "good.jpg").write_bytes(obamas[0].read_bytes())
    (tmp_path / "refs" / "Mom" / "landscape.jpg").write_bytes((album / "Sommer é 2019" / "IMG_2044.jpg").read_bytes())
    (tmp_path / "refs" / "Mom" / "empty.jpg").touch()
    with pytest.raises(ReferencesError) as caught:
        read(tmp_path / "refs")
    said = str(caught.value)
    assert said.startswith("No reference photo of Mom can be used.")
    assert "landscape.jpg: no face found in it" in said
    assert "empty.jpg: empty file" in said
    assert "Make a folder with the person's name" in said
    assert caught.value.exit_code == 3


def test_one_photo_of_one_person_is_enough(obamas, analyzer):
    person = make_person("Obama", {"a.jpg": analyzer.analyse(obamas[0].read_bytes()).faces}, AGREE)
    assert person.problems == ()
    np.testing.assert_allclose(person.template, person.vectors[0], rtol=1e-5)


def test_a_single_group_photo_is_used_with_a_doubt(obamas, album, analyzer):
    data = io.BytesIO()
    side_by_side(obamas[0], album / "Stage & screen" / "portrait 2.jpg", heights=(400, 800)).save(data, "JPEG")
    faces = analyzer.analyse(data.getvalue()).faces
    assert len(faces) == 2
    person = make_person("Mom", {"a.jpg": faces}, AGREE)
    assert person.references[0].face is max(faces, key=lambda face: face.size)
    assert "nothing says who is meant" in reasons(person)["a.jpg"]


def test_two_photos_of_a_couple_are_used_with_a_doubt():
    couple = [a_face(1, 0, 0), a_face(0, 1, 0)]
    person = make_person("Mom", {"a.jpg": couple, "b.jpg": [a_face(0.1, 1, 0), a_face(1, 0.1, 0)]}, 0.5)
    assert len(person.references) == 2
    assert float(person.vectors[0] @ person.vectors[1]) > 0.9, "the same one of the two in both"
    assert all("add one of the person alone" in reason for reason in reasons(person).values())
    assert reasons(person).keys() == {"a.jpg", "b.jpg"}
    # A third photo, of one of them, settles it.
    alone = make_person("Mom", {"a.jpg": couple, "b.jpg": couple, "c.jpg": [a_face(0, 1, 0.1)]}, 0.5)
    assert alone.problems == ()
    assert all(vector[1] > 0.9 for vector in alone.vectors)


def test_two_photos_that_do_not_agree_are_both_used_and_both_doubted():
    person = make_person("Mom", {"child.jpg": [a_face(1, 0)], "grown up.jpg": [a_face(0, 1)]}, 0.5)
    assert len(person.references) == 2
    assert reasons(person).keys() == {"child.jpg", "grown up.jpg"}
    assert all("no two of the photos agree" in reason for reason in reasons(person).values())


def test_where_nothing_agrees_a_photo_of_one_person_alone_is_believed():
    crowd = [a_face(0, 1, 0, size=300), a_face(0, 0, 1)]
    person = make_person("Mom", {"alone.jpg": [a_face(1, 0, 0)], "crowd.jpg": crowd}, 0.5)
    assert [reference.path for reference in person.references] == ["alone.jpg"]
    assert "does not agree" in reasons(person)["crowd.jpg"]
    assert "alone.jpg" not in reasons(person)


def test_a_small_face_in_the_background_is_not_taken_for_a_person():
    group = [a_face(1, 0), a_face(0, 1, size=20)]
    person = make_person("Mom", {"a.jpg": group}, 0.5)
    assert person.problems == ()
    assert person.vectors[0][0] == 1


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"photo")


def names(folder: Path) -> dict[str, list[str]]:
    return {name: [Path(file.path).name for file in files] for name, files in reference_files(folder).items()}


def test_photos_in_the_folder_are_one_person_and_subfolders_one_each(tmp_path):
    mom = tmp_path / "Mom"
    put(mom / "a.jpg", mom / "b.HEIC")
    assert names(mom) == {"Mom": ["a.jpg", "b.HEIC"]}
    put(mom / "Oma Änne 奶奶" / "c.png", mom / "Oma Änne 奶奶" / "1960" / "scans" / "d.tif", mom / "Dad" / "e.jpg")
    put(mom / "notes.txt", mom / "Dad" / "README", mom / ".hidden" / "f.jpg")
    (mom / ".nothing").mkdir()
    found = names(mom)
    assert found == {"Mom": ["a.jpg", "b.HEIC"], "Dad": ["e.jpg"], "Oma Änne 奶奶": ["c.png", "d.tif"]}


def test_the_folder_in_which_one_stands_has_its_own_name(tmp_path, monkeypatch):
    put(tmp_path / "Mom" / "a.jpg")
    (tmp_path / "link to Mom").symlink_to(tmp_path / "Mom")
    monkeypatch.chdir(tmp_path / "Mom")
    assert names(Path(".")) == {"Mom": ["a.jpg"]}
    assert names(Path("../link to Mom")) == {"link to Mom": ["a.jpg"]}
    [files] = reference_files(Path(".")).values()
    assert files[0].path == str(tmp_path / "Mom" / "a.jpg"), "the index remembers where a photo lies, not from where"


def test_a_folder_without_photos_is_refused_by_name_with_the_remedy(tmp_path):
    with pytest.raises(ReferencesError, match=r"no folder .*Mum.* Make a folder"):
        reference_files(tmp_path / "Mum")
    (tmp_path / "refs").mkdir()
    with pytest.raises(ReferencesError, match=r"no photos in .*refs\. Make a folder"):
        reference_files(tmp_path / "refs")
    put(tmp_path / "refs" / "Mom" / "a.jpg", tmp_path / "refs" / "Dad" / "film.mp4")
    with pytest.raises(ReferencesError, match=r"no photos in .*refs/Dad\. Make a folder"):
        reference_files(tmp_path / "refs")


def test_by_the_rule_of_deepface_every_face_counts_and_the_nearest_decides():
    couple, small = [a_face(1, 0, 0), a_face(0, 1, 0)], a_face(0, 0, 1, size=12)
    photos = {"a.jpg": couple, "b.jpg": [small], "c.jpg": []}
    person = make_person("Mom", photos, 0.5, rule=Rule.NEAREST)
    assert [reference.path for reference in person.references] == ["a.jpg", "a.jpg", "b.jpg"]
    assert person.problems == (
        ("c.jpg", "no face found in it"),
        ("a.jpg", "shows 2 faces, and each of them counts as Mom"),
    )
    seen = np.stack([couple[1].vector, small.vector])
    np.testing.assert_allclose(distances(seen, [person], Rule.NEAREST), 0, atol=1e-6)
    assert distances(seen, [person]).min() > 0.04
