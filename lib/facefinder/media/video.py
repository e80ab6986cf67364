"""A video -> some of its pictures, upright, at the moments worth looking at."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Self

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from facefinder.media.decode import MAX_PIXELS, UnreadablePhoto
from facefinder.media.kinds import HEAD, Kind, kind_of_head

# Containers that cameras, phones and messengers write. Others would let a file name further files, or a network.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,dv,ogg"

# A frame is decoded no larger than this (long side): it is moving, and shows no more of a face at 4K.
LONG_SIDE = 1920
# Seconds between two looks: long enough for a face to turn, short enough that nobody passes unseen.
STEP, STEP_SHORT, STEP_LONG = 1.0, 0.5, 2.0
SHORT, LONG = 10.0, 600.0  # seconds: of a clip with few looks each counts, of a film there are many
# Frames between two keyframes are decoded only where these lie further apart than so many steps: they cost the most.
SPARSE = 2.0
HELD_BYTES = 64 << 20  # of packets that wait for this to be known

CHECK = 0.2  # seconds between two comparisons that look for a change of scene
THUMBNAIL = (32, 18)
CUT = 22.0  # mean difference of two thumbnails (0 to 255) from which on they are two scenes

# Seconds at the end of which there is no picture, from which on a part of the file is missing.
MISSING = 5.0

DAMAGED = "broken video: a part of it is damaged or missing"
UNKNOWN = "not a video, or of a kind that is not read here"


@dataclass(frozen=True, slots=True)
class Look:
    """moment: seconds from the start. pixels: (H, W, 3) uint8 RGB, upright. scene: counts the cuts before it."""

    moment: float
    pixels: NDArray[np.uint8]
    scene: int


class Video:
    """An open video, to be used as a context manager. taken: as EXIF writes it. seconds: as far as the file tells.

    width, height: of the upright picture, pixels; 0 before the first look. damaged: whether something was missing.
    """

    def __init__(self, file: BinaryIO):
        """Raises UnreadablePhoto, OSError."""
        self.damaged = False
        self._file = _Nameless(file)
        try:
            self._container = av.open(self._file, metadata_errors="replace", container_options=_OPTIONS)
        except Exception as error:  # on hostile files FFmpeg and PyAV raise almost anything
            self._file.check()
            file.seek(0)
            is_other = isinstance(error, av.InvalidDataError) and kind_of_head(file.read(HEAD)) is not Kind.VIDEO
            raise UnreadablePhoto(UNKNOWN if is_other else DAMAGED) from error
        self._stream = _picture_stream(self._container)
        self.width = self.height = 0
        self.taken = _time_taken(self._container.metadata)
        self.seconds = (self._container.duration or 0) / av.time_base

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what FFmpeg holds; the file itself stays open."""
        self._container.close()

    def looks(self) -> Iterator[Look]:
        """The moments worth looking at: one every STEP and one after each cut, as far as the video can be read.

        Raises OSError where the disk cannot.
        """
        if not self._stream:
            return
        step = STEP_SHORT if self.seconds < SHORT else STEP_LONG if self.seconds > LONG else STEP
        scene, looked, checked = 0, -math.inf, -math.inf
        before: NDArray[np.int16] | None = None
        for moment, frame in self._frames(SPARSE * min(step, STEP)):
            # Times that jump, as in joined files, start anew.
            if 0 <= moment - checked < CHECK and moment - looked < step:
                continue
            now = _thumbnail(frame)
            cut = before is not None and float(np.abs(now - before).mean()) > CUT
            before, checked = now, moment
            scene += cut
            if cut or not 0 <= moment - looked < step:
                looked = moment
                yield Look(moment, self._upright(frame), scene)
        self._file.check()
        length = self._stream.duration
        if length is not None and checked + MISSING < float(length * self._stream.time_base):
            self.damaged = True

    def at(self, moment: float) -> NDArray[np.uint8]:
        """The picture shown at a moment that looks() gave. Raises UnreadablePhoto."""
        if self._stream:
            start = self._start()
            with suppress(av.FFmpegError):
                self._container.seek(max(0, int((moment + start) * av.time_base)), backward=True)
            for seen, frame in self._frames(0.0):
                if seen >= moment - 1e-3:
                    return self._upright(frame)
        raise UnreadablePhoto(DAMAGED)

    def _frames(self, sparse: float) -> Iterator[tuple[float, VideoFrame]]:
        """(seconds, frame) of each keyframe, and of the others where keyframes lie more than `sparse` seconds apart."""
        start, moment = self._start(), 0.0
        context = self._stream.codec_context
        # One thread: each worker process has a core of its own.
        context.thread_count = 1
        context.skip_frame = "NONREF"  # frames that no other one needs are as many again, and no better
        for packet in self._packets(sparse):
            try:
                frames = packet.decode()
            except Exception:  # noqa: BLE001 - see __init__; what follows may be whole
                self.damaged = True
                continue
            for frame in frames:
                if frame.is_corrupt or frame.width * frame.height > MAX_PIXELS:
                    self.damaged = True
                    continue
                # Some AVI files give no times.
                moment = frame.time - start if frame.time is not None else moment + 1 / self._rate()
                yield moment, frame

    def _packets(self, sparse: float) -> Iterator[Any]:
        held: list[Any] = []  # since the last keyframe; let go when the next one comes soon
        key_time, held_bytes, is_sparse = 0.0, 0, sparse == 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except Exception:  # noqa: BLE001 - see __init__
                self.damaged = True
                packet = None
            if packet is None:
                return
            time = self._time_of(packet)
            if packet.is_keyframe or not packet.size:  # an empty one brings out what the decoder still holds
                held, held_bytes, is_sparse = [], 0, sparse == 0
                key_time = time if time is not None else key_time
                yield packet
            elif is_sparse:
                yield packet
            else:
                held.append(packet)
                held_bytes += packet.size
                if (time is not None and time - key_time > sparse) or held_bytes > HELD_BYTES:
                    yield from held
                    held, is_sparse = [], True

    def _time_of(self, packet: Any) -> float | None:
        time = packet.pts if packet.pts is not None else packet.dts
        return float(time * packet.time_base) if time is not None else None

    def _start(self) -> float:
        start = self._stream.start_time
        return float(start * self._stream.time_base) if start is not None else 0.0

    def _rate(self) -> float:
        return float(self._stream.average_rate or 25)

    def _pixel_width(self) -> float:
        """How much wider than high a pixel is: camcorders store fewer columns than they show."""
        ratio = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
        return float(ratio) if ratio and 0.25 <= ratio <= 4 else 1.0

    def _upright(self, frame: VideoFrame) -> NDArray[np.uint8]:
        width, height = round(frame.width * self._pixel_width()), frame.height
        self.width, self.height = (height, width) if _turn(frame.rotation) % 2 else (width, height)
        scale = min(1.0, LONG_SIDE / max(width, height))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if frame.interlaced_frame and size[1] > frame.height // 2:
            # Two fields of different moments: one of them, its missing lines filled in.
            pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[::2])
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
        else:
            pixels = frame.to_ndarray(format="rgb24", width=size[0], height=size[1], interpolation="AREA")
        return np.ascontiguousarray(np.rot90(pixels, _turn(frame.rotation)))


class _Nameless:
    """A file whose name FFmpeg does not get to see: it would judge the video by it.

    error: what the disk said when it could not be read. FFmpeg takes it for damage of the video.
    """

    def __init__(self, file: BinaryIO):
        self._read, self.seek, self.tell = file.read, file.seek, file.tell
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        try:
            return self._read(size)
        except OSError as error:
            self.error = error
            return b""

    def check(self) -> None:
        """Raise what the disk said."""
        if self.error:
            raise self.error


_OPTIONS = {"format_whitelist": CONTAINERS}


def _turn(rotation: int) -> int:
    """Quarter turns to the left that make a frame upright."""
    return round(rotation / 90) % 4


def _picture_stream(container: Any) -> Any:
    """The video stream, or None: a cover picture in a song is none."""
    streams = [each for each in container.streams.video if not each.disposition & _COVER and each.codec_context]
    return max(streams, key=lambda each: each.codec_context.width * each.codec_context.height, default=None)


_COVER = av.stream.Disposition.attached_pic


def _thumbnail(frame: VideoFrame) -> NDArray[np.int16]:
    width, height = THUMBNAIL
    small: NDArray[np.uint8] = frame.to_ndarray(
        format="gray", width=width, height=height, interpolation="FAST_BILINEAR"
    )
    return small.astype(np.int16)


def _time_taken(metadata: dict[str, str]) -> str | None:
    """The local time where the camera wrote it (Apple), else the one in UTC; "YYYY:MM:DD HH:MM:SS"."""
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        with suppress(ValueError):
            taken = datetime.fromisoformat(metadata.get(key, ""))
            if taken.year > 1970:  # cameras without a clock say 1904 or 1970
                return taken.strftime("%Y:%m:%d %H:%M:%S")
    return None
