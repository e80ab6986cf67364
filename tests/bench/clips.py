"""Makes small videos out of photos, for the tests and the measurements."""

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray


def write_clip(
    file: Any,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    format: str = "mp4",
    codec: str = "libx264",
    rate: int = 10,
    keyframes: int = 250,
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    container_options: dict[str, str] | None = None,
) -> None:
    """Encode (H, W, 3) uint8 RGB pictures of even sizes; keyframes: frames from one to the next, at most."""
    with av.open(file, "w", format=format, options=container_options or {}) as container:
        stream: Any = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                stream.codec_context.gop_size = keyframes
                stream.codec_context.bit_rate = 2_000_000
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def clip(pictures: Iterable[NDArray[np.uint8]], **how: Any) -> bytes:
    """The same as bytes."""
    file = io.BytesIO()
    write_clip(file, pictures, **how)
    return file.getvalue()


def turned(mp4: bytes, degrees: int) -> bytes:
    """An MP4 whose track says that it is to be shown turned to the right, as phones write it."""
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    at = mp4.index(b"tkhd") + 4 + 40  # a header of version 0, as FFmpeg writes it
    one, deep = 1 << 16, 1 << 30
    matrix = np.array([cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, deep], ">i4").tobytes()
    return mp4[:at] + matrix + mp4[at + len(matrix) :]
