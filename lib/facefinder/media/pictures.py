"""Any file with pictures, and a moment in it -> that picture."""

import io
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from facefinder.media.decode import Photo, open_photo
from facefinder.media.kinds import HEAD, Kind, kind_of
from facefinder.media.motion import clip_at
from facefinder.media.raw import preview
from facefinder.media.video import Video


@dataclass(frozen=True)
class Still:
    """A picture that is decoded already. width, height: of the original, pixels; it may be larger than what is here."""

    width: int
    height: int
    _pixels: NDArray[np.uint8] = field(repr=False)

    def pixels(self, scale: float) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, whatever the scale; see Photo.pixels."""
        return self._pixels


def picture_at(file: BinaryIO, name: str, moment: float | None) -> Photo | Still:
    """The picture in which a face was found; name: the file's. moment: the face's, see faces.analyzer.Face.

    Raises UnreadablePhoto, OSError.
    """
    kind = kind_of(name, file.read(HEAD))
    file.seek(0)
    if kind is Kind.VIDEO:
        return _frame(file, moment or 0.0)
    data = file.read()
    if moment is None:
        return open_photo(preview(data) if kind is Kind.RAW else data)
    start = clip_at(data)
    if start is not None:
        return _frame(io.BytesIO(data[start:]), moment)
    pixels = open_photo(data).page(round(moment))
    return Still(pixels.shape[1], pixels.shape[0], pixels)


def _frame(file: BinaryIO, moment: float) -> Still:
    with Video(file) as video:
        pixels = video.at(moment)
        return Still(video.width, video.height, pixels)
