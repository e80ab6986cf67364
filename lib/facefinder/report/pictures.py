"""Faces -> small pictures for the page, as text; those of the last page are used again."""

import base64
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facefinder.progress import Progress
from facefinder.review.crops import cut_crops, frame
from facefinder.review.word import Box

AROUND = 2.4  # how much of the photo is shown, in sides of the face's box
LARGE, SMALL = 208, 128  # sides of a picture, pixels: for few, and for so many that the page would become too large
MANY = 1000  # from so many on they are small
QUALITY = 74  # JPEG's
MOST_PICTURES = 10_000  # on one page; beyond that a browser gets slow
LINE, LIGHT, DARK = 2, (255, 255, 255), (40, 40, 40)  # of the mark: pixels, RGB

_PICTURE = re.compile(rb'data-key="([0-9a-z,.-]+)" src="data:image/jpeg;base64,([0-9A-Za-z+/=]+)"')


@dataclass(frozen=True)
class Wanted:
    """A face to be shown. paths: where its photo lies. sha256: None for whatever lies there. moment: as in Face.

    photo: width and height of the upright photo, pixels, for the mark around the face; None to leave it unmarked.
    """

    paths: tuple[str, ...]
    sha256: bytes | None
    box: Box
    moment: float | None = None
    photo: tuple[int, int] | None = None

    def key(self, side: int) -> str:
        """What names this picture in the page; empty for one that cannot be used again."""
        if self.sha256 is None:
            return ""
        numbers = [round(number) for number in self.box]
        moment = "" if self.moment is None else f"{self.moment:.3f}"
        return ",".join([self.sha256.hex()[:24], *map(str, numbers), moment, str(side)])


def side_of(count: int) -> int:
    """How large the pictures are on a page with so many of them, pixels."""
    return LARGE if count < MANY else SMALL


def pictures_on(page: Path) -> dict[str, str]:
    """Key -> the picture, of a page that was written before; none if there is no such page."""
    try:
        data = page.read_bytes()
    except OSError:
        return {}
    return {found[1].decode(): found[2].decode() for found in _PICTURE.finditer(data)}


def make_pictures(
    wanted: Iterable[Wanted], side: int, known: Mapping[str, str], jobs: int, progress: Progress
) -> dict[Wanted, str]:
    """Face -> JPEG as Base64, its longer side `side` pixels. Left out are faces whose photo is not there unchanged."""
    made: dict[Wanted, str] = {}
    photos: dict[tuple[bytes | None, tuple[str, ...]], list[Wanted]] = {}
    for face in dict.fromkeys(wanted):
        if picture := known.get(face.key(side)):
            made[face] = picture
        else:
            photos.setdefault((face.sha256, face.paths), []).append(face)
    progress.start("Making the report", len(photos))
    # Threads: nearly all of the work is done by libraries that let the others run meanwhile.
    pool = ThreadPoolExecutor(jobs)
    try:
        for faces, pictures in zip(photos.values(), pool.map(_cut, photos.values(), repeat(side)), strict=True):
            made |= zip(faces, pictures, strict=False)
            progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)
        progress.finish()
    return made


def _cut(faces: Sequence[Wanted], side: int) -> list[str]:
    """The pictures of the faces of one photo; none if it is not there."""
    boxes, moments = [face.box for face in faces], [face.moment for face in faces]
    crops = cut_crops(faces[0].paths, faces[0].sha256, boxes, side, AROUND, moments) or []
    pictures = []
    for face, crop in zip(faces, crops, strict=False):
        if face.photo:
            _mark(crop, face.box, face.photo)
        encoded = io.BytesIO()
        Image.fromarray(crop).save(encoded, "JPEG", quality=QUALITY, optimize=True)
        pictures.append(base64.b64encode(encoded.getvalue()).decode())
    return pictures


def _mark(crop: NDArray[np.uint8], box: Box, photo: tuple[int, int]) -> None:
    """Draw a frame around the face: light, with a dark line around it, so that it is seen on everything."""
    left, top, width, height = frame(box, *photo, AROUND)
    across, down = crop.shape[1] / width, crop.shape[0] / height
    first = round((box[0] - left) * across), round((box[1] - top) * down)
    last = round((box[0] + box[2] - left) * across), round((box[1] + box[3] - top) * down)
    for thickness, colour in ((LINE + 2, DARK), (LINE, LIGHT)):
        cv2.rectangle(crop, first, last, colour, thickness)
