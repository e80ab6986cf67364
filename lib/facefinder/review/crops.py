"""A face in a photo -> a small picture of it for the groups folder, which carries its identity."""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefinder.media.archives import open_found
from facefinder.media.decode import Photo, UnreadablePhoto
from facefinder.media.pictures import Still, picture_at
from facefinder.review.word import Box

# A crop under way. A killed run leaves at most one in a folder, and the next uses it up.
PART = "~face-finder-crop.part"
SIDE = 200  # of a crop, pixels
AROUND = 1.6  # how much of the photo it shows, in sides of the face's box
QUALITY = 88  # JPEG's
EXIF_DETAILS, UNIQUE_ID = 0x8769, 0xA420
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

_IN_NAME = re.compile(r"~([0-9a-z]+)\b[^~]*$")


def cut_crops(
    paths: Sequence[str],
    sha256: bytes | None,
    boxes: Sequence[Box],
    side: int = SIDE,
    around: float = AROUND,
    moments: Sequence[float | None] = (),
) -> list[NDArray[np.uint8]] | None:
    """Cut faces out of a photo or video that lies at one of `paths`: (side, side, 3) RGB each, upright.

    around: how much of the photo is shown, see frame(). moments: the faces' own (see Face), none if all are in the
    main picture. None if the file does not lie there unchanged (sha256 None: if none can be read).
    """
    for path in paths:
        try:
            with open_found(path) as file:
                if sha256 in (None, hashlib.file_digest(file, "sha256").digest()):
                    return _cut_all(file, path, boxes, moments or [None] * len(boxes), side, around)
        except (OSError, UnreadablePhoto):
            continue
    return None


def _cut_all(
    file: BinaryIO, path: str, boxes: Sequence[Box], moments: Sequence[float | None], side: int, around: float
) -> list[NDArray[np.uint8]]:
    crops: dict[int, NDArray[np.uint8]] = {}
    for moment in dict.fromkeys(moments):
        here = [number for number, each in enumerate(moments) if each == moment]
        file.seek(0)
        cut = _cut(picture_at(file, path, moment), [boxes[number] for number in here], side, around)
        crops |= dict(zip(here, cut, strict=True))
    return [crops[number] for number in range(len(boxes))]


def frame(box: Box, width: float, height: float, around: float = AROUND) -> Box:
    """The part of a photo of this size that a crop shows: a square `around` times as large as the face.

    Where the photo ends it is moved inwards, so that it has no black edge, or is no square.
    """
    left, top, box_width, box_height = box
    side = max(box_width, box_height) * around
    left = min(max(left + (box_width - side) / 2, 0), max(width - side, 0))
    top = min(max(top + (box_height - side) / 2, 0), max(height - side, 0))
    return left, top, min(side, width), min(side, height)


def _cut(photo: Photo | Still, boxes: Sequence[Box], side: int, around: float) -> list[NDArray[np.uint8]]:
    frames = [frame(box, photo.width, photo.height, around) for box in boxes]
    # JPEG is decoded no larger than the smallest face needs.
    pixels = photo.pixels(min(1.0, side / min(max(width, height) for _, _, width, height in frames)))
    scale = pixels.shape[1] / photo.width
    crops = []
    for left, top, width, height in frames:
        x, y = int(left * scale), int(top * scale)
        columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
        region = np.ascontiguousarray(pixels[y : y + rows, x : x + columns])
        shrink = side / max(region.shape[:2])
        shape = tuple(max(1, round(length * shrink)) for length in region.shape[1::-1])
        interpolation = cv2.INTER_AREA if shrink < 1 else cv2.INTER_CUBIC
        crops.append(cv2.resize(region, shape, interpolation=interpolation))
    return crops  # type: ignore[return-value]


def write_crop(path: Path, pixels: NDArray[np.uint8], index_name: str, face: int) -> None:
    """Write a crop with its identity in its metadata. Raises OSError."""
    exif = Image.Exif()
    exif.get_ifd(EXIF_DETAILS)[UNIQUE_ID] = f"face-finder {index_name} {face_name(face)}"
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=QUALITY, exif=exif)
    part = path.with_name(PART)
    try:
        part.write_bytes(encoded.getvalue())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def identity(path: Path, index_name: str) -> int | None:
    """Which face of this index a file shows: by its metadata, and by its name where it has none any more.

    None for a foreign file, also for a crop of another index.
    """
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            mark = str(image.getexif().get_ifd(EXIF_DETAILS).get(UNIQUE_ID, "")).split()
    except Exception:  # noqa: BLE001 - whatever lies there, Pillow may raise almost anything on it
        return None
    if mark[:1] == ["face-finder"]:
        return face_number(mark[2]) if len(mark) == 3 and mark[1] == index_name else None
    found = _IN_NAME.search(path.stem)
    return face_number(found[1]) if found else None


def face_name(face: int) -> str:
    """A face's row number in the index, short: letters and digits."""
    name = ""
    while face:
        face, digit = divmod(face, 36)
        name = DIGITS[digit] + name
    return name or "0"


def face_number(name: str) -> int | None:
    """The inverse of face_name(); None for anything else."""
    return int(name, 36) if re.fullmatch("[0-9a-z]{1,12}", name) else None
