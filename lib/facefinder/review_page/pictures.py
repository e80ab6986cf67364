"""A face of the index -> a picture for the page. What is shown is named by a row number, never by a path."""

import io
import os
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from PIL import Image

from facefinder.index import Index
from facefinder.review.crops import AROUND, cut_crops, frame
from facefinder.review.word import Box

FACE_SIDE, LARGE_SIDE, PHOTO_SIDE = 200, 480, 1000  # pixels
AROUND_PHOTO = 9.0  # how much of the photo is shown around a face to judge, in sides of its box
QUALITY = 86  # JPEG's
KEPT = 1500  # pictures kept at hand, some 15 MB


@dataclass(frozen=True)
class Origin:
    """Where a face comes from. width, height: of the photo, in pixels; paths: where it lies on this computer.

    moment: of a video, in seconds; None for a photo.
    """

    sha256: bytes
    box: Box
    width: int
    height: int
    taken: str | None
    moment: float | None
    paths: tuple[str, ...]

    @property
    def place(self) -> str:
        """A path to name it by; "" for a photo of another computer."""
        return self.paths[0] if self.paths else ""

    @property
    def area(self) -> Box:
        """What of the photo is shown around the face."""
        return frame(self.box, self.width, self.height, AROUND_PHOTO)

    @property
    def mark(self) -> Box:
        """The face's box in that area."""
        left, top, *_ = self.area
        return self.box[0] - left, self.box[1] - top, self.box[2], self.box[3]


def origin(index: Index, face: int) -> Origin | None:
    """Where a face comes from; None if the index has no such face."""
    rows = index.rows(
        "SELECT content, sha256, x, y, face.width, face.height, content.width, content.height, taken, moment "
        "FROM face JOIN content ON content.id = content WHERE face.id = ?",
        (face,),
    )
    if not rows:
        return None
    [(content, sha256, x, y, width, height, photo_width, photo_height, taken, moment)] = rows
    places = "SELECT path FROM place WHERE content = ? AND computer = ? ORDER BY run DESC, path"
    paths = tuple(os.fsdecode(path) for (path,) in index.rows(places, (content, index.computer)))
    return Origin(sha256, (x, y, width, height), photo_width or 1, photo_height or 1, taken, moment, paths)


class Pictures:
    """Cuts pictures out of photos, and keeps the last ones: the browser is told to keep none on its disk."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, Box, float | None, str], bytes] = OrderedDict()
        self._lock = Lock()

    def jpeg(self, face: Origin, size: str) -> bytes | None:
        """A picture of a face: size is face, large or photo. None if the photo is not there unchanged."""
        key = (face.sha256, face.box, face.moment, size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        photo_side = min(PHOTO_SIDE, int(max(face.area[2:])))
        side, around = {
            "face": (FACE_SIDE, AROUND),
            "large": (LARGE_SIDE, AROUND),
            "photo": (photo_side, AROUND_PHOTO),
        }[size]
        crops = cut_crops(face.paths, face.sha256, [face.box], side, around, [face.moment])
        if not crops:
            return None
        encoded = io.BytesIO()
        Image.fromarray(crops[0]).save(encoded, "JPEG", quality=QUALITY)
        made = encoded.getvalue()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
