"""Every kind of file goes through one door, with real models: the person in it is found, and when."""

import io
import struct
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from clips import clip
from facefinder.faces.analyzer import with_all_pictures
from facefinder.look import FileResult, look_into
from facefinder.media.decode import DAMAGED, open_photo
from facefinder.media.motion import clip_at
from facefinder.media.walk import FoundFile
from facefinder.review.crops import SIDE, cut_crops


@pytest.fixture(scope="module")
def portrait(album: Path) -> bytes:
    """A real photo of one person, as the album has it."""
    return (album / "Washington" / "2012" / "DSC_0101.jpg").read_bytes()


@pytest.fixture(scope="module")
def frames(portrait: bytes) -> list[np.ndarray]:
    """Two seconds of grey, then three of the portrait, 10 frames a second."""
    with Image.open(io.BytesIO(portrait)) as photo:
        shown = np.asarray(photo.convert("RGB").resize((544, 680)))
    return [np.full_like(shown, 90)] * 20 + [shown] * 30


def cut(result: FileResult, box: tuple[float, float, float, float], moment: float | None = None) -> np.ndarray:
    assert result.sha256
    crops = cut_crops([result.file.path], result.sha256, [box], moments=[moment])
    assert crops
    return crops[0]


@pytest.fixture
def look(tmp_path, spec):
    def look(name: str, data: bytes) -> FileResult:
        path = tmp_path / name
        path.write_bytes(data)
        return look_into(FoundFile(str(path), len(data), 1), frozenset(), spec)

    return look


def likeness(result: FileResult, portrait: bytes, analyzer) -> float:
    """How far the nearest face is from the one of the portrait."""
    assert result.analysis
    [wanted] = analyzer.analyse(portrait).faces
    return min(1 - float(face.vector @ wanted.vector) for face in result.analysis.faces)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.MOV", "no suffix", "a clip that is called.jpg"])
def test_a_person_in_a_video_counts_once_with_the_time(look, frames, portrait, analyzer, name):
    result = look(name, clip(frames))
    assert result.problem is None
    [face] = result.analysis.faces
    assert face.seen == pytest.approx((2.0, 4.5), abs=0.6)
    assert face.seen[0] <= face.moment <= face.seen[1]
    assert likeness(result, portrait, analyzer) < 0.3
    [again] = analyzer.faces_in(cut(result, face.box, face.moment))
    assert 1 - float(again.vector @ face.vector) < 0.3


def test_a_photo_that_moves_is_looked_at_as_a_still_and_as_a_clip(look, frames, portrait, analyzer):
    grey = io.BytesIO()
    Image.new("RGB", (640, 480), "grey").save(grey, "JPEG")
    moving = grey.getvalue() + clip(frames) + b"MotionPhoto_Data"
    assert clip_at(moving) == len(grey.getvalue())
    assert clip_at(portrait) is None
    result = look("IMG_1.jpg", moving)
    [face] = result.analysis.faces
    assert face.moment is not None
    assert likeness(result, portrait, analyzer) < 0.3
    assert cut(result, face.box, face.moment).shape == (SIDE, SIDE, 3)
    assert [face.moment for face in look("IMG_2.jpg", portrait + clip(frames[:5])).analysis.faces] == [None]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "MPO", "HEIF"])
def test_of_several_pictures_the_main_one_is_looked_at_and_the_others_if_wanted(
    look, portrait, analyzer, spec, tmp_path, kind
):
    with Image.open(io.BytesIO(portrait)) as photo:
        shown = photo.convert("RGB").resize((544, 680))
    grey = Image.new("RGB", shown.size, "grey")
    data = io.BytesIO()
    if kind == "HEIF":
        heif = pillow_heif.from_pillow(grey)
        heif.add_from_pillow(shown)
        heif.save(data)
    else:
        grey.save(data, kind, save_all=True, append_images=[shown, shown])
    main = look("several", data.getvalue())
    assert main.analysis and (main.problem, main.analysis.faces) == (None, [])
    result = look_into(main.file, frozenset(), with_all_pictures(spec))
    assert result.analysis
    [face] = result.analysis.faces
    assert (result.problem, face.seen) == (None, None)
    assert face.moment in (1, 2)
    assert likeness(result, portrait, analyzer) < 0.2
    [again] = analyzer.faces_in(cut(result, face.box, face.moment))
    assert 1 - float(again.vector @ face.vector) < 0.3


def test_a_raw_file_is_looked_at_by_its_preview_the_right_way_up(look, portrait, analyzer):
    with Image.open(io.BytesIO(portrait)) as photo:
        large = photo.convert("RGB").resize((1088, 1360)).transpose(Image.Transpose.ROTATE_90)
    preview = io.BytesIO()
    large.save(preview, "JPEG", quality=92)
    result = look("IMG_1.DNG", dng(preview.getvalue(), large.size, orientation=6))
    assert result.problem is None
    assert (result.analysis.width, result.analysis.height) == (1088, 1360)
    assert result.analysis.taken == "2015:06:07 08:09:10"
    assert likeness(result, portrait, analyzer) < 0.2
    [face] = result.analysis.faces
    assert len(analyzer.faces_in(cut(result, face.box))) == 1


def test_a_raw_file_without_a_preview_is_developed(look):
    result = look("IMG_2.dng", dng(None, (64, 48)))
    assert (result.analysis.width, result.analysis.height) == (320, 240)


def test_a_face_that_survived_is_found_in_a_damaged_photo_which_is_named(look, portrait, analyzer):
    result = look("cut short.jpg", portrait[: len(portrait) * 3 // 4])
    assert result.problem == DAMAGED
    assert likeness(result, portrait, analyzer) < 0.2
    assert open_photo(portrait).problem is None


def test_other_files_are_left_alone_or_named(look):
    assert look("README", b"Dear diary") == FileResult(look("README", b"Dear diary").file)
    assert look("go.mod", b"module example.org/name").problem is None
    assert look("clip.mp4", b"Dear diary, " * 99).problem == "not a video, or of a kind that is not read here"
    assert look("photo.nef", b"II*\0" + bytes(99)).problem is not None


def dng(preview: bytes | None, size: tuple[int, int], orientation: int = 1) -> bytes:
    """A grey picture of 640x480 as a sensor sees it, with a JPEG of `size` as its preview."""
    sensor = np.full((480, 640), 1000, "<u2").tobytes()
    raw: list[tuple[int, int, list]] = [(254, 4, [0]), (256, 4, [640]), (257, 4, [480]), (258, 3, [16]), (259, 3, [1])]
    raw += [(262, 3, [32803]), (277, 3, [1]), (278, 4, [480]), (279, 4, [len(sensor)]), (33421, 3, [2, 2])]
    raw += [(33422, 1, [0, 1, 1, 2]), (50714, 3, [0]), (50717, 4, [4000])]
    camera: list[tuple[int, int, list]] = [(271, 2, [b"Maker\0"]), (272, 2, [b"Model\0"]), (274, 3, [orientation])]
    camera += [(306, 2, [b"2015:06:07 08:09:10\0"]), (50706, 1, [1, 4, 0, 0]), (50708, 2, [b"Maker Model\0"])]
    camera += [(50721, 10, [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)])]
    camera += [(50728, 5, [(1, 1)] * 3), (50778, 3, [21])]
    if preview is None:
        directory = _directory([*camera, *raw, (273, 4, [0])], 8)
        return b"II*\0" + struct.pack("<I", 8) + _directory([*camera, *raw, (273, 4, [8 + len(directory)])], 8) + sensor
    seen = [(254, 4, [1]), (256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6])]
    seen += [(277, 3, [3]), (278, 4, [size[1]]), (279, 4, [len(preview)])]

    def first(below: int, at: int) -> bytes:
        return _directory([*camera, *seen, (273, 4, [at]), (330, 4, [below])], 8)

    below = 8 + len(first(0, 0))
    after = below + len(_directory([*raw, (273, 4, [0])], below))
    second = _directory([*raw, (273, 4, [after + len(preview)])], below)
    return b"II*\0" + struct.pack("<I", 8) + first(below, after) + second + preview + sensor


def _directory(entries: list[tuple[int, int, list]], at: int) -> bytes:
    """A TIFF directory that will lie at `at`, with its longer values behind it."""
    letters = {1: "B", 3: "H", 4: "I", 5: "II", 10: "ii"}
    table, values = struct.pack("<H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, given in sorted(entries):
        if kind == 2:
            packed, number = given[0], len(given[0])
        else:
            packed = b"".join(struct.pack("<" + letters[kind], *np.atleast_1d(each)) for each in given)
            number = len(given)
        if len(packed) > 4:
            packed, values = struct.pack("<I", behind + len(values)), values + packed + b"\0" * (len(packed) % 2)
        table += struct.pack("<HHI", tag, kind, number) + packed.ljust(4, b"\0")
    return table + bytes(4) + values
