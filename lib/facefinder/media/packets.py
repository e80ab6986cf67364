"""A photo's XMP, wherever a program put it: inside the file or in a sidecar beside it."""

import os
from dataclasses import dataclass

from PIL import ExifTags, Image

from facefinder.media.archives import open_found
from facefinder.media.decode import FORMATS
from facefinder.media.files import open_untouched, reachable
from facefinder.media.kinds import Kind, kind_of_name

SIDECAR = ".xmp"


@dataclass(frozen=True)
class Packets:
    """sidecars: path -> packet, what counts most first. embedded: what the photo itself holds.

    orientation: EXIF's, 1 to 8. size: of the stored picture, pixels; None where Pillow cannot open it (a RAW file, a
    video).
    """

    sidecars: dict[str, bytes]
    embedded: bytes | None = None
    orientation: int = 1
    size: tuple[int, int] | None = None


def sidecar_of(path: str) -> str:
    """Where programs look for a photo's sidecar: `a.jpg.xmp`; for a camera's RAW file `a.xmp`.

    The first is what digiKam, darktable and Immich write, and it tells a.jpg and a.heic apart. Lightroom reads none
    beside a JPEG, and the second beside RAW; so do digiKam and darktable.
    """
    return (os.path.splitext(path)[0] if kind_of_name(path) is Kind.RAW else path) + SIDECAR


def read_sidecars(path: str) -> dict[str, bytes]:
    """Path -> packet of what lies beside a photo under either name."""
    beside = dict.fromkeys([sidecar_of(path), path + SIDECAR, os.path.splitext(path)[0] + SIDECAR])
    return {name: packet for name in beside if (packet := _read(name)) is not None}


def read_packets(path: str) -> Packets:
    """The XMP of a file. What cannot be opened has none."""
    sidecars = read_sidecars(path)
    if kind_of_name(path) is not Kind.PHOTO:
        return Packets(sidecars)
    try:
        with open_found(path) as file, Image.open(file, formats=FORMATS) as image:
            # Of a HEIF this is what its EXIF said before it was turned.
            exif = image.info.get("original_orientation") or image.getexif().get(ExifTags.Base.Orientation, 1)
            size, embedded = image.size, image.info.get("xmp")
            is_turned = image.format in ("TIFF", "HEIF")
    except Exception:  # noqa: BLE001 - on hostile files Pillow raises almost anything
        return Packets(sidecars)
    orientation = exif if exif in range(1, 9) else 1
    if is_turned and orientation in (5, 6, 7, 8):
        size = size[::-1]
    return Packets(sidecars, embedded if isinstance(embedded, bytes) else None, orientation, size)


def _read(path: str) -> bytes | None:
    if not os.path.isfile(reachable(path)):
        return None
    try:
        with open_untouched(path) as file:
            return file.read()
    except OSError:
        return None
