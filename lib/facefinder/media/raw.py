"""A camera's RAW file -> the picture that the camera put into it for looking at, as a JPEG."""

import io
from datetime import datetime
from typing import Any

import numpy as np
import rawpy
from PIL import ExifTags, Image

from facefinder.media.decode import DAMAGED, UnreadablePhoto

UNKNOWN = "not a camera's RAW file, or of a kind that is not read here"

# The smallest preview that shows faces (long side, pixels). Where there is none, the RAW picture itself is developed,
# at half its size.
SMALLEST_PREVIEW = 1000
QUALITY = 92  # of the JPEG made of a picture that is none

# LibRaw's word for how the camera was held -> EXIF's.
_ORIENTATION = {0: 1, 3: 3, 5: 8, 6: 6}


def preview(data: bytes) -> bytes:
    """The preview of a RAW file, as a JPEG that says which way is up. Raises UnreadablePhoto."""
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            orientation, taken = _ORIENTATION.get(raw.sizes.flip, 1), _time_taken(raw)
            picture = _embedded(raw)
            if picture is None:
                # LibRaw turns what it develops.
                pixels = raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8)
                picture, orientation = _as_jpeg(pixels), 1
    except rawpy.LibRawFileUnsupportedError as error:
        raise UnreadablePhoto(UNKNOWN) from error
    except MemoryError as error:
        raise UnreadablePhoto("too large for this computer's memory") from error
    except Exception as error:  # on hostile files LibRaw and Pillow raise almost anything
        raise UnreadablePhoto(DAMAGED) from error
    return _with_exif(picture, orientation, taken)


def _embedded(raw: Any) -> bytes | None:
    """The largest preview as a JPEG; None if there is none that is large enough and whole."""
    try:
        thumbnail = raw.extract_thumb()
        is_jpeg = thumbnail.format == rawpy.ThumbFormat.JPEG
        picture = thumbnail.data if is_jpeg else _as_jpeg(np.asarray(thumbnail.data))
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as opened:
            return picture if max(opened.size) >= SMALLEST_PREVIEW else None
    except (rawpy.LibRawError, rawpy.NotSupportedError, OSError, ValueError, AttributeError):
        return None


def _as_jpeg(pixels: np.ndarray[Any, Any]) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()


def _time_taken(raw: Any) -> str | None:
    stamp = getattr(getattr(raw, "other", None), "timestamp", None)
    if isinstance(stamp, datetime):
        return stamp.strftime("%Y:%m:%d %H:%M:%S")
    return datetime.fromtimestamp(stamp).strftime("%Y:%m:%d %H:%M:%S") if stamp else None


def _with_exif(jpeg: bytes, orientation: int, taken: str | None) -> bytes:
    """The same JPEG with what the RAW file knows of it in front; what the camera wrote there itself stays behind it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    if taken:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    body = exif.tobytes()
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return jpeg[:2] + segment + jpeg[2:]
