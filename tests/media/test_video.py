"""Videos of every kind become upright pictures of the moments worth looking at."""

import io
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from clips import clip, turned
from facefinder.media import video
from facefinder.media.decode import UnreadablePhoto, open_photo
from facefinder.media.video import Look, Video

# Container -> codec that devices put into it.
KINDS = {
    "mp4": "libx264",
    "mov": "libx265",
    "matroska": "libx264",
    "webm": "libvpx-vp9",
    "avi": "mpeg4",
    "mpegts": "libx264",
    "3gp": "mpeg4",
    "asf": "wmv2",
    "mpeg": "mpeg2video",
    "flv": "flv",
}


@pytest.fixture(scope="module")
def portrait(album: Path) -> np.ndarray:
    """A real photo, 352x288: a size that every codec takes."""
    photo = open_photo((album / "Washington" / "2012" / "DSC_0101.jpg").read_bytes()).pixels(1.0)
    return np.ascontiguousarray(photo[:288, :352])


def looks(data: bytes) -> list[Look]:
    with Video(io.BytesIO(data)) as opened:
        return list(opened.looks())


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("format", KINDS)
def test_every_kind_of_video_is_looked_at_once_a_second_or_so(portrait, format):
    seen = looks(clip([portrait] * 50, format=format, codec=KINDS[format]))
    assert 5 <= len(seen) <= 11
    assert np.diff([look.moment for look in seen]).max() <= 2.0
    for look in seen:
        assert difference(look.pixels, portrait) <= 12
        assert look.scene == 0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_phone_held_in_any_way_gives_upright_pictures(portrait, degrees):
    data = turned(clip([np.rot90(portrait, degrees // 90)] * 10), degrees)
    with Video(io.BytesIO(data)) as opened:
        [first, *_] = opened.looks()
        assert (opened.width, opened.height) == (352, 288)
    assert difference(first.pixels, portrait) <= 12


def test_each_scene_is_seen_however_short(portrait):
    flowers = np.ascontiguousarray(portrait[::-1])
    dark = portrait // 4
    seen = looks(clip([portrait] * 12 + [flowers] * 4 + [dark] * 4 + [portrait] * 130, keyframes=1000))
    for scene, moment in ((flowers, 1.2), (dark, 1.6)):
        assert any(moment <= look.moment < moment + 0.4 and difference(look.pixels, scene) < 15 for look in seen)
    assert seen[-1].scene == 3


def test_between_keyframes_far_apart_the_others_are_looked_at_too(portrait):
    for keyframes in (5, 10, 40, 1000):
        moments = [look.moment for look in looks(clip([portrait] * 200, keyframes=keyframes))]
        assert moments[0] == 0
        assert moments[-1] >= 18
        assert np.diff(moments).max() <= 2.0
        assert len(moments) <= 25


def test_pixels_that_are_not_square_are_made_square(portrait):
    data = bytearray(clip([portrait] * 5, format="avi", codec="mpeg4", options={"aspect": "2"}))
    with Video(io.BytesIO(bytes(data))) as opened:
        [first, *_] = opened.looks()
        if opened.width == 352:
            pytest.skip("this FFmpeg did not write the shape of the pixels")
    assert first.pixels.shape[1] / first.pixels.shape[0] == pytest.approx(opened.width / opened.height, rel=0.01)


def test_a_large_video_is_decoded_no_larger_than_needed(portrait):
    large = np.tile(portrait, (8, 11, 1))[:2160, :3840]
    with Video(io.BytesIO(clip([large] * 3, options={"preset": "ultrafast"}))) as opened:
        [first, *_] = opened.looks()
        assert first.pixels.shape == (1080, 1920, 3)
        assert (opened.width, opened.height) == (3840, 2160)


def test_any_moment_that_was_looked_at_is_found_again(portrait):
    pictures = [np.roll(portrait, 7 * number, axis=1) for number in range(80)]
    data = clip(pictures, keyframes=25)
    seen = looks(data)
    for look in seen[::3]:
        with Video(io.BytesIO(data)) as opened:
            assert difference(opened.at(look.moment), look.pixels) <= 1


def test_what_is_left_of_a_video_that_was_cut_short_is_looked_at(portrait):
    data = clip([portrait] * 100, format="mpegts", keyframes=10)
    with Video(io.BytesIO(data[: len(data) // 2])) as opened:
        seen = list(opened.looks())
    assert 3 <= len(seen) <= 8
    parts = {"movflags": "frag_keyframe+empty_moov"}  # as cameras write that may lose power
    whole = clip([portrait] * 100, keyframes=10, container_options=parts)
    assert len(looks(whole[: len(whole) // 2])) >= 3


def test_what_is_no_video_says_so_and_names_no_other_file(tmp_path):
    secret = tmp_path / "other.mp4"
    secret.write_bytes(b"x")
    for data in (
        b"",
        b"Dear diary, " * 100,
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n".encode(),
        f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
    ):
        with pytest.raises(UnreadablePhoto) as error:
            Video(io.BytesIO(data))
        assert str(error.value) in (video.UNKNOWN, video.DAMAGED)


def test_a_song_is_no_fault(tmp_path):
    with av.open(song := io.BytesIO(), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for _ in range(9):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with Video(io.BytesIO(song.getvalue())) as opened:
        assert list(opened.looks()) == []
        assert not opened.damaged


def test_memory_does_not_grow_with_the_length(portrait):
    peaks = []
    for length in (100, 400):
        data = clip([portrait] * length, keyframes=30)
        with Video(io.BytesIO(data)) as opened:
            tracemalloc.start()
            try:
                for _ in opened.looks():
                    pass
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2


def test_real_clips_are_looked_at(shared_photos):
    moments = {}
    for name in ("faces.mp4", "short_hamilton_clip.mp4"):
        moments[name] = [look.moment for look in looks((shared_photos / "awkward" / "video" / name).read_bytes())]
    assert moments["faces.mp4"][-1] >= 3.5
    assert np.diff(moments["short_hamilton_clip.mp4"]).max() <= 2.1
