"""A file's bytes -> upright RGB arrays, decoded no larger than needed."""

import io
import math
import threading
import warnings
from dataclasses import dataclass, field

import cv2
import numpy as np
import pi_heif
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from facefinder.media.kinds import HEAD, Kind, kind_of_head

pi_heif.register_heif_opener(thumbnails=False)
Image.MAX_IMAGE_PIXELS = None  # MAX_PIXELS below is ours; Pillow's own limit refuses the photos of today's phones

# Formats that a camera, a phone or a messenger writes (MPO comes with JPEG). Pillow reads many more, each with its own
# bugs.
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "DIB", "GIF")

# The largest pictures that phones and cameras take have 200 megapixels; what claims more is a bomb.
MAX_PIXELS = 250_000_000

# Held while Pillow is told to make do with a part of a file: it is told so for the whole process.
_TRUNCATED = threading.Lock()

# Rows of a picture that are converted at once.
STRIP = 256

# What a decoder says of it ("decoder error -2") helps nobody.
DAMAGED = "broken picture: a part of it is damaged or missing"
UNKNOWN = "not a photo, or of a kind that is not read here"


class UnreadablePhoto(Exception):
    """The bytes are no picture, a broken one, or one too large to open. The message is the reason, in words."""


@dataclass
class Photo:
    """A picture whose header is read and whose pixels are not yet.

    width, height: of the upright picture, pixels. taken: EXIF time "YYYY:MM:DD HH:MM:SS", or None. problem: what turned
    out to be wrong while the pixels were decoded.
    """

    width: int
    height: int
    taken: str | None
    _data: bytes = field(repr=False)
    _image: Image.Image = field(repr=False)
    _orientation: int = field(repr=False)
    problem: str | None = None

    def pixels(self, scale: float) -> NDArray[np.uint8]:
        """The upright picture, (H, W, 3) uint8 RGB, at `scale` (0 to 1) of its size or the next larger cheap one.

        Only JPEG is decoded smaller (inside the decoder); other formats come at full size. The array
        may be a turned view of what was decoded. Of a damaged file the readable part comes, the rest of it grey or
        black, and `problem` is set. Raises UnreadablePhoto.
        """
        try:
            return self._decode(scale)
        except MemoryError as error:
            raise UnreadablePhoto("too large for this computer's memory") from error
        except Exception:  # noqa: BLE001 - on hostile files decoders raise almost anything: struct, zlib, value errors
            self.problem = DAMAGED
            return self._readable_part()

    def page(self, number: int) -> NDArray[np.uint8]:
        """Another picture of the file, from 1, upright and at full size. Raises UnreadablePhoto."""
        try:
            if self._image.format == "HEIF":
                return _heif_pixels(pi_heif.open_heif(io.BytesIO(self._data))[number])
            if not 0 < number < getattr(self._image, "n_frames", 1):
                raise UnreadablePhoto(DAMAGED)
            return self._decode_with_pillow(self._image, number)
        except UnreadablePhoto:
            raise
        except Exception as error:  # see pixels()
            raise UnreadablePhoto(DAMAGED) from error

    @property
    def pages(self) -> int:
        """How many pictures the file holds; one that cannot be told counts as 1."""
        try:
            if self._image.format == "HEIF":
                return len(pi_heif.open_heif(io.BytesIO(self._data)))
            return int(getattr(self._image, "n_frames", 1))
        except Exception:  # noqa: BLE001 - see pixels()
            return 1

    def _readable_part(self) -> NDArray[np.uint8]:
        try:
            with _TRUNCATED, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ImageFile.LOAD_TRUNCATED_IMAGES = True
                try:
                    return self._decode_with_pillow(Image.open(io.BytesIO(self._data), formats=FORMATS))
                finally:
                    ImageFile.LOAD_TRUNCATED_IMAGES = False
        except Exception as error:  # see pixels()
            raise UnreadablePhoto(DAMAGED) from error

    def _decode(self, scale: float) -> NDArray[np.uint8]:
        if self._image.format == "HEIF":
            return _heif_pixels(pi_heif.open_heif(io.BytesIO(self._data)))
        if self._image.mode in ("RGB", "L"):
            if self._image.format in ("JPEG", "MPO"):
                pixels = _decode_jpeg(self._data, self._image.size, scale)
            elif self._image.format in ("PNG", "WEBP"):
                flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
                pixels = cv2.imdecode(np.frombuffer(self._data, np.uint8), flags)  # type: ignore[assignment]
            else:
                pixels = None
            if pixels is not None:
                return _upright(pixels, self._orientation)
            # Pillow reads some files that these give up on, and says what is wrong with the others.
        return self._decode_with_pillow(self._image)

    def _decode_with_pillow(self, image: Image.Image, page: int = 0) -> NDArray[np.uint8]:
        image.seek(page)
        image.load()
        if image.width * image.height > MAX_PIXELS:  # a later page may be larger than the first
            raise UnreadablePhoto(DAMAGED)
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            # Pillow would cut 16-bit grey off at 255 instead of scaling it.
            deep = np.asarray(image, dtype=np.float32)
            image = Image.fromarray((deep * (255.0 / max(float(deep.max()), 255.0))).astype(np.uint8))
        pixels = np.empty((image.height, image.width, 3), np.uint8)
        for top in range(0, image.height, STRIP):  # each step of a conversion would hold a large picture once more
            bottom = min(top + STRIP, image.height)
            pixels[top:bottom] = _on_white(image.crop((0, top, image.width, bottom)))
        return _upright(pixels, self._orientation)


def _on_white(image: Image.Image) -> Image.Image:
    """As RGB, with white where it is transparent."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground
    return image.convert("RGB")


def _decode_jpeg(data: bytes, size: tuple[int, int], scale: float) -> NDArray[np.uint8] | None:
    """As large as `scale` asks for or a little larger, in eighths of the full size; None if libjpeg finds a fault."""
    width, height = size
    try:
        return simplejpeg.decode_jpeg(  # type: ignore[no-any-return]
            data,
            "RGB",
            min_width=math.ceil(width * scale),
            min_height=math.ceil(height * scale),
            min_factor=1,
        )
    except ValueError:
        return None


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror as EXIF orientation 1 to 8 says; a view, so that a large photo is not held twice."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


class _Lent:
    """The pixels of a HEIF picture, which numpy is to use where they lie and no longer than the picture lives.

    An array made of the picture itself would not keep it alive, and soon show memory that has been given back.
    """

    def __init__(self, picture: pi_heif.HeifFile | pi_heif.HeifImage):
        self._picture = picture
        interface = picture.__array_interface__
        address = np.frombuffer(interface["data"], np.uint8).ctypes.data
        self.__array_interface__ = interface | {"data": (address, True)}


def _heif_pixels(picture: pi_heif.HeifFile | pi_heif.HeifImage) -> NDArray[np.uint8]:
    # Not through a Pillow image, which would hold the pixels a second time. libheif turns them upright itself.
    return _as_rgb(np.asarray(_Lent(picture))[:, : picture.size[0]])


def _as_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels[:, :, :3]


def open_photo(data: bytes) -> Photo:
    """Read the header of a picture. Raises UnreadablePhoto."""
    if not data:
        raise UnreadablePhoto("empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata; only the pixels matter here
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            exif = _exif(image)
    except UnidentifiedImageError as error:
        raise UnreadablePhoto(DAMAGED if kind_of_head(data[:HEAD]) is Kind.PHOTO else UNKNOWN) from error
    except Exception as error:  # see Photo.pixels
        raise UnreadablePhoto(DAMAGED) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadablePhoto(f"claims {width * height / 1e6:.0f} megapixels, more than any camera takes")
    # Pillow and libheif turn these two themselves.
    orientation = 1 if image.format in ("TIFF", "HEIF") else exif.get(ExifTags.Base.Orientation, 1)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    return Photo(width, height, _time_taken(exif), data, image, orientation)


def _exif(image: Image.Image) -> Image.Exif:
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return Image.Exif()  # asked for it, Pillow would decode the whole picture in search of it
    return image.getexif()


def _time_taken(exif: Image.Exif) -> str | None:
    details = exif.get_ifd(ExifTags.IFD.Exif)
    taken = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    return str(taken).strip("\0 ") or None if taken else None
