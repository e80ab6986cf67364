"""Names that other programs wrote into photos serve as references: the faces they mean, and no others."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from facefinder.faces.analyzer import Face, Rule
from facefinder.index import Content, Index
from facefinder.media.walk import FoundFile
from facefinder.progress import NoProgress
from facefinder.tags.named import NamedPeople, named_people
from facefinder.tags.xmp import Area, NamedFace, add_faces

SIZE = (400, 300)


def sure(run: subprocess.CompletedProcess[str]) -> dict[str, set[str]]:
    """Person -> SHA-256 of the photos that surely show them."""
    assert run.returncode == 0, run.stderr
    matches = json.loads(run.stdout)["matches"]
    names = {match["person"] for match in matches}
    return {
        name: {match["sha256"] for match in matches if (match["person"], match["verdict"]) == (name, "sure")}
        for name in names
    }


@pytest.fixture(scope="module")
def tagged(tmp_path_factory, album, refs) -> tuple[Path, dict[str, set[str]], Path]:
    """The album's copies with sidecars, and strangers beside them; what the search by photos found; its index."""
    folder = tmp_path_factory.mktemp("tagged")
    words = ["--refs", refs, "--copy", folder / "out", "--tag", "xmp", "--index", folder / "index", "--json", album]
    run = subprocess.run(["bash", "run.sh", *map(str, words)], capture_output=True, text=True)
    shutil.copytree(album / "From phone", folder / "out" / "strangers")
    return folder / "out", sure(run), folder / "index"


def test_what_tag_xmp_wrote_finds_the_same_photos_again(tagged, face_finder_command):
    out, found, index = tagged
    # Half of the names are gone: these photos have to be found by the others.
    for name in ("Barack Obama", "Jerry Seinfeld"):
        for sidecar in sorted((out / name).glob("*.xmp"))[::2]:
            sidecar.rename(sidecar.with_suffix(".was"))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    run = face_finder_command("--refs-from-tags", "--json", "--index", index, out)
    assert sure(run) == found
    assert json.loads(run.stdout)["named"] == {"Barack Obama": 2, "Jerry Seinfeld": 3}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    words = face_finder_command("--refs-from-tags", "--index", index, out).stdout
    assert "Known by names in these photos: Barack Obama in 2 photos, Jerry Seinfeld in 3\nphotos." in words


def test_names_go_together_with_reference_photos_and_with_person(tagged, face_finder_command, refs, tmp_path):
    out, found, index = tagged
    one = sure(face_finder_command("--refs-from-tags", "--person", "jerry seinfeld", "--json", "--index", index, out))
    assert one == {"Jerry Seinfeld": found["Jerry Seinfeld"]}
    shutil.copytree(refs / "Barack Obama", tmp_path / "refs" / "Barry")
    both = sure(face_finder_command("--refs-from-tags", "--refs", tmp_path / "refs", "--json", "--index", index, out))
    assert both["Jerry Seinfeld"] == found["Jerry Seinfeld"]
    assert both["Barry"] | both["Barack Obama"] == found["Barack Obama"]
    nobody = face_finder_command("--refs-from-tags", "--person", "Elaine", "--index", index, out)
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "There is no person called 'Elaine'. There are: Barack Obama, Jerry Seinfeld." in nobody.stderr


def test_without_any_name_the_remedy_is_told(tagged, face_finder_command):
    run = face_finder_command("--refs-from-tags", "--index", tagged[2], tagged[0] / "strangers")
    assert (run.returncode, run.stdout) == (3, "")
    assert "--refs DIR" in run.stderr


def test_names_inside_a_turned_photo_are_read(face_finder_command, album, tmp_path):
    """As digiKam leaves a phone's photo: two people beside each other, the region measured before it is turned."""
    with (
        Image.open(album / "Stage & screen" / "glasses.jpg") as left,
        Image.open(album / "From phone" / "IMG_0048.jpg") as right,
    ):
        pair = Image.new("RGB", (800, 500), "grey")
        pair.paste(ImageOps.contain(left, (400, 500)), (0, 0))
        pair.paste(ImageOps.contain(right, (400, 500)), (400, 0))
    turned = pair.transpose(Image.Transpose.ROTATE_90)
    # The left half of the upright picture is the lower half of what is stored.
    area = Area(0.5, 0.75, 1, 0.5)
    exif = Image.Exif()
    exif[0x0112] = 6
    place = tmp_path / "photos"
    place.mkdir()
    packet = add_faces(None, [NamedFace("Jerry", area)], turned.size)
    turned.save(place / "pair.jpg", xmp=packet, exif=exif, quality=95)
    for name in ("monologue", "portrait 1"):
        shutil.copy(album / "Stage & screen" / f"{name}.jpg", place)
    run = face_finder_command("--refs-from-tags", "--json", "--jobs", 1, place)
    assert run.returncode == 0, run.stderr
    found = [match for match in json.loads(run.stdout)["matches"] if match["verdict"] == "sure"]
    assert {Path(match["source"]).name for match in found} == {"pair.jpg", "monologue.jpg"}


def vector(direction: int, likeness: float = 1.0) -> np.ndarray:
    """Length 1; all of one direction are alike."""
    made = np.zeros(16, np.float32)
    made[direction], made[15] = likeness, (1 - likeness**2) ** 0.5
    return made


@pytest.fixture
def read(tmp_path):
    """Photos (name -> faces as left, direction; and named areas) -> the people named in them."""

    def run(photos: dict[str, tuple[list[tuple[float, int]], list[NamedFace]]]) -> NamedPeople:
        with Index(None, "model", "here") as index:
            for name, (faces, named) in photos.items():
                path = tmp_path / name
                Image.new("RGB", SIZE).save(path, xmp=add_faces(None, named, SIZE) or b"")
                content = Content(name.encode(), 1, *SIZE)
                boxes = [((left, 100.0, 60.0, 80.0), vector(direction)) for left, direction in faces]
                index.add_analysis(
                    content, [Face(box, np.zeros((5, 2), np.float32), 0.9, 9.0, like) for box, like in boxes], None
                )
                index.add_place(FoundFile(str(path), 1, 1), name.encode())
            return named_people(index, 0.5, Rule.AGREED, NoProgress())

    return run


def at(name: str, left: float, top: float, width: float, height: float) -> NamedFace:
    return NamedFace(name, Area.of_box((left, top, width, height), *SIZE))


def test_a_name_belongs_to_the_face_in_its_frame_whatever_the_frames_size(read):
    named = read(
        {
            # The whole head; less than the face; between the two, nearer to the right one; where no face is.
            "a.jpg": ([(50, 1), (150, 2)], [at("Mom", 20, 60, 120, 150)]),
            "b.jpg": ([(50, 1), (150, 2)], [at("Mom", 65, 120, 30, 40)]),
            "c.jpg": ([(50, 3), (150, 2)], [at("Dad", 60, 100, 200, 80)]),
            "d.jpg": ([(50, 1)], [at("Mom", 300, 200, 60, 80)]),
        }
    )
    assert named.photos == {"Mom": 2, "Dad": 1}
    dad, mom = named.people
    assert (mom.name, dad.name) == ("Mom", "Dad")
    assert np.allclose(mom.vectors, [vector(1)] * 2) and np.allclose(dad.vectors, [vector(2)])


def test_a_face_that_was_given_a_wrong_name_is_told_and_not_used(read):
    photos = {f"{number}.jpg": ([(50.0, 1)], [at("Mom", 50, 100, 60, 80)]) for number in range(4)}
    named = read(photos | {"wrong.jpg": ([(50.0, 2)], [at("mom", 50, 100, 60, 80)])})
    [mom] = named.people
    assert len(mom.references) == 4
    assert [Path(path).name for path, _ in mom.problems] == ["wrong.jpg"]


def test_a_face_with_two_names_counts_once(read, tmp_path):
    beside = add_faces(None, [at("Mother", 50, 100, 60, 80)], SIZE)
    (tmp_path / "a.jpg.xmp").write_bytes(beside or b"")
    named = read({"a.jpg": ([(50, 1)], [at("Mom", 50, 100, 60, 80)])})
    assert named.photos == {"Mother": 1}
    assert [person.name for person in named.people] == ["Mother"]


def test_damaged_packets_and_no_packets_name_nobody(read, tmp_path):
    (tmp_path / "a.jpg.xmp").write_bytes(b"<x:xmpmeta")
    assert read({"a.jpg": ([(50, 1)], []), "b.jpg": ([], [])}) == NamedPeople()
