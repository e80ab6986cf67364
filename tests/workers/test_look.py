"""Every kind of file goes through one door, with real models: the person in it is found, and when."""

import errno
import io
import os
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from clips import clip
from facefinder.faces.analyzer import with_all_pictures
from facefinder.media.decode import DAMAGED, open_photo
from facefinder.media.motion import clip_at
from facefinder.media.walk import FoundFile
from facefinder.review.crops import SIDE, cut_crops
from facefinder.workers.look import FileResult, look_into
from raws import dng


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


def test_a_long_video_gives_a_sign_of_life_at_each_look(frames, tmp_path, spec):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip(frames))
    signs: list[None] = []
    look_into(FoundFile(str(path), path.stat().st_size, 1), frozenset(), spec, lambda: signs.append(None))
    assert len(signs) >= 5  # it has five seconds


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/self/mem, whose beginning cannot be read")
@pytest.mark.parametrize("name", ["photo.jpg", "raw.nef", "clip.mp4"])
def test_a_file_that_the_disk_cannot_read_or_that_has_gone_is_named_and_not_taken_for_a_broken_one(
    tmp_path, spec, name
):
    path = tmp_path / name
    gone = look_into(FoundFile(str(path), 1000, 1), frozenset(), spec)
    assert (gone.sha256, gone.problem) == (None, "cannot be opened: No such file or directory")
    path.symlink_to("/proc/self/mem")
    failing = look_into(FoundFile(str(path), 1000, 1), frozenset(), spec)
    assert (failing.sha256, failing.problem) == (None, "cannot be opened: Input/output error")


def test_a_video_whose_disk_fails_on_the_way_is_tried_again_the_next_time(frames, tmp_path, spec, monkeypatch):
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip(frames, format="matroska"))

    class Failing(io.BytesIO):
        """The file's checksum can still be told, and then the disk goes."""

        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.reads += 1
            if self.reads > 3:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

    monkeypatch.setattr("facefinder.workers.look.open_found", lambda path: Failing(Path(path).read_bytes()))
    result = look_into(FoundFile(str(path), path.stat().st_size, 1), frozenset(), spec)
    assert (result.sha256, result.problem) == (None, "cannot be opened: Input/output error")
