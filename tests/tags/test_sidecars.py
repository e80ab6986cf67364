"""Names for other programs: beside the copies only, as exiftool reads them, without loss of what others wrote."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from facefinder.collect import Collector, CopyReport
from facefinder.match import PhotoMatch, Verdict
from facefinder.media.packets import read_packets, sidecar_of
from facefinder.progress import NoProgress

# EXIF orientation -> what a camera held like this would have stored of an upright picture.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
BOX = (40.0, 60.0, 80.0, 100.0)  # of a face in an upright photo of SIZE
SIZE = (300, 400)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The computer that is searched."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def exiftool():
    if not shutil.which("exiftool"):
        pytest.skip("needs exiftool (Debian: libimage-exiftool-perl)")

    def run(*words: object) -> str:
        return subprocess.run(["exiftool", *map(str, words)], capture_output=True, text=True, check=True).stdout

    return run


def photo(path: Path, orientation: int = 1, **options: Any) -> Path:
    picture = Image.effect_noise(SIZE, 60).convert("RGB")
    turned = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture.transpose(turned) if turned is not None else picture).save(path, exif=exif, **options)
    return path


def found(path: Path, person: str = "Mom", **details: Any) -> PhotoMatch:
    data = path.read_bytes()
    match = PhotoMatch(
        person, str(path), (), hashlib.sha256(data).hexdigest(), len(data), 0.3, Verdict.SURE, BOX, None, *SIZE
    )
    return dataclasses.replace(match, **details)


def copy(out: Path, *matches: PhotoMatch) -> CopyReport:
    """One run with --tag xmp."""
    collector = Collector(out)
    report = collector.copy(matches, NoProgress())
    collector.tag(matches, report)
    return report


def said_by(exiftool, sidecar: Path) -> dict[str, Any]:
    """What exiftool reads in a sidecar; it finds nothing to object to."""
    tags: dict[str, Any]
    [tags] = json.loads(exiftool("-json", "-struct", "-validate", "-XMP:all", sidecar))
    assert tags["Validate"] == "OK"
    return tags


def test_names_keywords_and_faces_are_read_by_exiftool(disk, out, exiftool):
    one = photo(disk / "a.jpg")
    report = copy(out, found(one, "Mom"), found(one, "Пап'а & <日>", box=(150.0, 200.0, 60.0, 80.0)))
    tags = said_by(exiftool, out / "Mom" / "a.jpg.xmp")
    names = ["Mom", "Пап'а & <日>"]
    assert tags["PersonInImage"] == tags["Subject"] == names
    assert tags["HierarchicalSubject"] == [f"People|{name}" for name in names]
    assert tags["RegionInfo"]["AppliedToDimensions"] == {"W": 300, "H": 400, "Unit": "pixel"}
    mom, dad = tags["RegionInfo"]["RegionList"]
    assert (mom["Name"], mom["Type"], dad["Name"], dad["Type"]) == ("Mom", "Face", names[1], "Face")
    assert mom["Area"] == pytest.approx(
        {"X": 80 / 300, "Y": 110 / 400, "W": 80 / 300, "H": 100 / 400, "Unit": "normalized"}, abs=1e-6
    )
    # Everybody stands beside each of the copies.
    assert (out / "Пап'а & _日_" / "a.jpg.xmp").read_bytes() == (out / "Mom" / "a.jpg.xmp").read_bytes()
    assert report.tagged == 2


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_face_in_a_turned_photo_lies_where_it_lies_in_the_stored_one(disk, out, exiftool, orientation, suffix):
    """The region is painted into the stored picture; Pillow, which knows nothing of it, then turns that upright."""
    copy(out, found(photo(disk / f"a.{suffix}", orientation)))
    region = said_by(exiftool, out / "Mom" / f"a.{suffix}.xmp")["RegionInfo"]
    width, height = region["AppliedToDimensions"]["W"], region["AppliedToDimensions"]["H"]
    assert (width, height) == (SIZE if orientation < 5 else SIZE[::-1])
    area = region["RegionList"][0]["Area"]
    painted = Image.new("L", (width, height))
    left, top = (area["X"] - area["W"] / 2) * width, (area["Y"] - area["H"] / 2) * height
    painted.paste(255, (round(left), round(top), round(left + area["W"] * width), round(top + area["H"] * height)))
    painted.getexif()[0x0112] = orientation
    box = ImageOps.exif_transpose(painted).getbbox()
    assert box == (BOX[0], BOX[1], BOX[0] + BOX[2], BOX[1] + BOX[3])


def test_a_phones_heic_is_known_as_it_was_before_it_was_turned(shared_photos):
    packets = read_packets(str(shared_photos / "awkward" / "heif" / "200MP.heic"))
    assert (packets.orientation, packets.size) == (6, (16320, 12240))  # as exiftool says of it


def test_what_is_not_sure_gets_no_name(disk, out):
    one, two = photo(disk / "a.jpg"), photo(disk / "b.jpg")
    report = copy(out, found(one), found(one, "Dad", verdict=Verdict.MAYBE), found(two, verdict=Verdict.MAYBE))
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.xmp")} == {
        "Mom/a.jpg.xmp",
        "Dad/maybe/a.jpg.xmp",
    }
    assert b"Dad" not in (out / "Dad" / "maybe" / "a.jpg.xmp").read_bytes()
    assert report.tagged == 2


def test_nothing_is_written_beside_the_originals(disk, out):
    copy(out, found(photo(disk / "a.jpg")))
    assert [path.name for path in disk.iterdir()] == ["a.jpg"]


def test_a_second_run_adds_people_and_keeps_what_another_program_wrote(disk, out, exiftool):
    one = photo(disk / "a.jpg")
    assert copy(out, found(one)).tagged == 1
    sidecar = out / "Mom" / "a.jpg.xmp"
    exiftool(
        *(
            "-overwrite_original",
            "-XMP:Rating=4",
            "-XMP-dc:Subject+=Holiday",
            "-XMP-dc:Title=Été",
            "-XMP-photoshop:City=Oslo",
        ),
        "-XMP-mwg-rs:RegionList+={Name=Rex,Type=Pet,Area={X=0.5,Y=0.5,W=0.1,H=0.1,Unit=normalized}}",
        sidecar,
    )
    before = said_by(exiftool, sidecar)
    assert copy(out, found(one)).tagged == 0
    assert said_by(exiftool, sidecar) == before
    copy(out, found(one, "Dad"))
    after = said_by(exiftool, sidecar)
    assert (after["Rating"], after["Title"], after["City"]) == (4, "Été", "Oslo")
    assert after["Subject"] == ["Mom", "Holiday", "Dad"]
    assert after["PersonInImage"] == ["Mom", "Dad"]
    regions = {region["Name"]: region for region in after["RegionInfo"]["RegionList"]}
    assert list(regions) == ["Mom", "Rex", "Dad"]
    assert [regions["Mom"], regions["Rex"]] == before["RegionInfo"]["RegionList"]


def test_the_name_that_somebody_gave_a_face_keeps_its_place(disk, out, exiftool):
    one = photo(disk / "a.jpg")
    region = "{RegionList=[{Name=Mom,Type=Face,Area={X=0.9,Y=0.9,W=0.1,H=0.1,Unit=normalized}}]}"
    exiftool("-overwrite_original", f"-XMP-mwg-rs:RegionInfo={region}", "-XMP-xmp:Label=Red", one)
    copy(out, found(one))
    tags = said_by(exiftool, out / "Mom" / "a.jpg.xmp")
    assert [face["Area"]["X"] for face in tags["RegionInfo"]["RegionList"]] == [0.9]
    # What the photo itself says goes into its first sidecar, for programs that then look no further.
    assert (tags["Label"], tags["PersonInImage"]) == ("Red", ["Mom"])


def test_a_sidecar_beside_the_original_is_gone_on_from_and_stays(disk, out, exiftool):
    one = photo(disk / "a.jpg")
    exiftool("-XMP:Rating=5", "-o", disk / "a.jpg.xmp", one)
    before = (disk / "a.jpg.xmp").read_bytes()
    copy(out, found(one))
    tags = said_by(exiftool, out / "Mom" / "a.jpg.xmp")
    assert (tags["Rating"], tags["PersonInImage"]) == (5, ["Mom"])
    assert (disk / "a.jpg.xmp").read_bytes() == before


@pytest.mark.parametrize(
    "damaged", [b"", b"<x:xmpmeta", b"<html/>", b"\xff\xd8\xff\xe0", b"<!DOCTYPE a [<!ENTITY b 'c'>]>"]
)
def test_a_damaged_sidecar_is_told_and_left_as_it_is(disk, out, damaged):
    one, two = photo(disk / "a.jpg"), photo(disk / "b.jpg")
    copy(out, found(one))
    sidecar = out / "Mom" / "a.jpg.xmp"
    sidecar.write_bytes(damaged)
    report = copy(out, found(one), found(two))
    assert report.failures == [(str(sidecar), "is damaged, or no XMP; it is left as it is")]
    assert sidecar.read_bytes() == damaged
    assert report.tagged == 1


def test_damaged_xmp_inside_a_photo_does_not_keep_it_from_a_sidecar(disk, out, exiftool):
    copy(out, found(photo(disk / "a.jpg", xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>")))
    assert said_by(exiftool, out / "Mom" / "a.jpg.xmp")["PersonInImage"] == ["Mom"]


def test_a_bomb_of_entities_is_damaged_xmp(disk, out):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 50}">' for n in range(1, 9))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e8;</x:xmpmeta>'
    one = photo(disk / "a.jpg")
    copy(out, found(one))
    (out / "Mom" / "a.jpg.xmp").write_text(bomb)
    assert copy(out, found(one)).failures


def test_videos_and_raw_files_get_names_without_a_place(disk, out, exiftool):
    for name in ("clip.mp4", "DSC_1.NEF"):
        (disk / name).write_bytes(np.random.default_rng(1).bytes(100) + name.encode())
    copy(out, found(disk / "clip.mp4", moment=3.0), found(disk / "DSC_1.NEF"))
    for sidecar in ("clip.mp4.xmp", "DSC_1.xmp"):
        tags = said_by(exiftool, out / "Mom" / sidecar)
        assert tags["PersonInImage"] == ["Mom"] and "RegionInfo" not in tags


def test_a_name_that_is_no_text_does_not_break_a_sidecar(disk, out, exiftool):
    copy(out, found(photo(disk / "a.jpg"), "M\udce9\x07m"))
    [sidecar] = out.rglob("*.xmp")
    assert said_by(exiftool, sidecar)["PersonInImage"] == ["M\ufffd\ufffdm"]


def test_a_copy_that_was_changed_since_gets_no_names(disk, out):
    one = photo(disk / "a.jpg")
    collector = Collector(out)
    report = collector.copy([found(one)], NoProgress())
    (out / "Mom" / "a.jpg").write_bytes(b"something else")
    collector.tag([found(one)], report)
    assert not list(out.rglob("*.xmp"))


def test_where_sidecars_lie():
    assert (sidecar_of("x/a.b.jpg"), sidecar_of("x/a.CR2")) == ("x/a.b.jpg.xmp", "x/a.xmp")
