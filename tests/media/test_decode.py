"""Every format, depth and orientation becomes the same upright RGB picture; what cannot is refused with a reason."""

import io
import math
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from facefinder.media.decode import DAMAGED, UNKNOWN, UnreadablePhoto, open_photo
from facefinder.media.kinds import HEAD, Kind, kind_of_head

# How to save in each format, and how far a pixel may then be off on average (of 255).
FORMATS = {
    "JPEG": ({"quality": 95}, 3),
    "PNG": ({}, 0),
    "WEBP": ({"quality": 95}, 3),
    "HEIF": ({"quality": 95}, 2),
    "AVIF": ({"quality": 95}, 2),
    "TIFF": ({}, 0),
    "BMP": ({}, 0),
    "GIF": ({}, 8),
}

# What was done to the pixels of a file that says orientation N: the inverse of what N tells the viewer to do.
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def portrait(album: Path) -> Image.Image:
    """A real photo, 273x341."""
    with Image.open(album / "Washington" / "2012" / "DSC_0101.jpg") as photo:
        return photo.convert("RGB").resize((273, 341))


def save(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    if format == "HEIF":  # written by another library than the program's, which only reads
        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, format, **options)
    return buffer.getvalue()


def decode(data: bytes) -> np.ndarray:
    photo = open_photo(data)
    pixels = photo.pixels(1.0)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (photo.height, photo.width, 3)
    return pixels


def difference(pixels: np.ndarray, image: Image.Image) -> float:
    """Mean difference of two pictures of the same size, 0 to 255."""
    expected = np.asarray(image.convert("RGB"))
    assert pixels.shape == expected.shape
    return float(np.abs(pixels.astype(int) - expected).mean())


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadablePhoto) as error:
        open_photo(data).pixels(1.0)
    return str(error.value)


def damage(data: bytes) -> str | None:
    """What is said of a file that may be readable in part."""
    try:
        photo = open_photo(data)
        pixels = photo.pixels(1.0)
    except UnreadablePhoto as reason:
        return str(reason)
    assert pixels.shape == (photo.height, photo.width, 3)
    return photo.problem


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_decoded_to_the_same_picture(portrait, format):
    options, tolerance = FORMATS[format]
    data = save(portrait, format, **options)
    assert difference(decode(data), portrait) <= tolerance
    assert kind_of_head(data[:HEAD]) is Kind.PHOTO, "it would not be found without its suffix"


def test_a_wrong_suffix_does_not_matter(album):
    data = (album / "From phone" / "IMG_0032.jpg").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert decode(data).shape == (1200, 626, 3)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_a_moving_or_many_paged_picture_the_first_is_taken(portrait, format):
    black = Image.new("RGB", portrait.size)
    data = save(portrait, format, save_all=True, append_images=[black, black])
    assert difference(decode(data), portrait) <= 8


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(
    ("format", "mode"),
    [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("TIFF", "RGB")]
    + [("HEIF", "RGB"), ("AVIF", "RGB")],
)
def test_every_orientation_gives_the_same_upright_picture(portrait, format, mode, orientation):
    turn = TURNS[orientation]
    turned = portrait.convert(mode) if turn is None else portrait.convert(mode).transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = save(turned, format, exif=exif.tobytes(), **FORMATS[format][0])
    assert difference(decode(data), portrait) <= 5


def test_an_orientation_in_xmp_alone_never_turns_the_pixels_without_the_size(portrait):
    note = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    words = PngImagePlugin.PngInfo()
    words.add_itxt("XML:com.adobe.xmp", note)
    for data in (
        save(portrait.convert("RGBA"), "PNG", pnginfo=words),
        save(portrait.convert("CMYK"), "JPEG", xmp=note.encode()),
        save(portrait, "WEBP", xmp=note.encode()),
        save(portrait, "HEIF", xmp=note.encode()),
    ):
        decode(data)  # checks that size and pixels agree


@pytest.mark.parametrize(
    ("format", "mode"),
    [("JPEG", "L"), ("PNG", "L"), ("TIFF", "L"), ("HEIF", "L"), ("PNG", "1"), ("BMP", "P"), ("PNG", "LA")]
    + [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "YCbCr")],
)
def test_grey_palette_and_print_colours_are_decoded_as_they_look(portrait, format, mode):
    image = portrait.convert(mode)
    assert difference(decode(save(image, format)), image) <= 4


def test_sixteen_bits_become_eight_without_losing_light_or_dark(portrait):
    grey = portrait.convert("L")
    for suffix in (".png", ".tiff"):
        for image in (portrait, grey):
            deep = np.asarray(image).astype(np.uint16) * 257
            data = cv2.imencode(suffix, deep[..., ::-1] if deep.ndim == 3 else deep)[1].tobytes()
            assert difference(decode(data), image) <= 1.5
    for mode, number in (("I;16B", ">u2"), ("I", "<i4"), ("F", "<f4")):
        deep = np.asarray(grey).astype(number) * 257
        data = save(Image.frombytes(mode, grey.size, deep.tobytes()), "TIFF")
        assert difference(decode(data), grey) <= 1.5


def test_transparent_parts_become_white(portrait):
    clear = portrait.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 100, portrait.height))
    seen = portrait.copy()
    seen.paste("white", (0, 0, 100, portrait.height))
    for data in (save(clear, "PNG"), save(clear, "WEBP", lossless=True), save(clear, "TIFF"), save(clear, "GIF")):
        assert difference(decode(data), seen) <= 8
    palette = save(clear.quantize(200), "PNG")
    assert Image.open(io.BytesIO(palette)).mode == "P"
    assert difference(decode(palette), seen) <= 8


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_decoded_smaller_but_never_smaller_than_asked(portrait, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = open_photo(save(portrait.resize((1001, 1503)), "JPEG", exif=exif))
    for scale in (0.01, 0.125, 0.2, 0.26, 0.5, 0.6, 0.9, 1.0):
        height, width, _ = photo.pixels(scale).shape
        assert math.ceil(photo.height * scale) <= height <= math.ceil(photo.height * (scale + 0.125))
        assert math.ceil(photo.width * scale) <= width <= math.ceil(photo.width * (scale + 0.125))


def test_the_time_a_photo_was_taken_is_read(portrait):
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2020:02:02 02:02:02"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2019:07:01 10:11:12"
    for format in ("JPEG", "HEIF", "PNG", "WEBP"):
        assert open_photo(save(portrait, format, exif=exif)).taken == "2019:07:01 10:11:12"
    assert open_photo(save(portrait, "JPEG")).taken is None


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_short_says_so(portrait, format, part):
    data = save(portrait, format)
    assert damage(data[: int(len(data) * part)]) == DAMAGED


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_what_is_left_of_a_file_that_was_cut_short_is_read(portrait, format):
    data = save(portrait, format)
    photo = open_photo(data[: len(data) * 7 // 10])
    half = photo.height // 2
    assert difference(photo.pixels(1.0)[:half], portrait.crop((0, 0, portrait.width, half))) <= 6
    assert photo.problem == DAMAGED


def test_the_other_pictures_of_a_file_are_read_when_asked_for(portrait):
    mirrored = portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for format in ("GIF", "PNG", "WEBP", "TIFF", "MPO", "HEIF"):
        buffer = io.BytesIO()
        if format == "HEIF":
            heif = pillow_heif.from_pillow(portrait)
            heif.add_from_pillow(mirrored)
            heif.save(buffer, quality=95)
        else:
            portrait.save(buffer, format, save_all=True, append_images=[mirrored])
        photo = open_photo(buffer.getvalue())
        assert photo.pages == 2, format
        assert difference(photo.page(1), mirrored) <= 10, format
        assert difference(photo.pixels(1.0), portrait) <= 10, format
        with pytest.raises(UnreadablePhoto):
            photo.page(2)


def test_what_is_no_photo_says_so():
    assert refusal(b"") == "empty file"
    assert refusal(b"Dear diary, " * 100) == UNKNOWN
    assert refusal(bytes(10_000)) == UNKNOWN
    assert refusal(b"\xff\xd8\xff" + b"\x55" * 1000) == DAMAGED


def test_a_decompression_bomb_is_refused_without_being_unpacked():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000_000), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    jpeg = bytearray(save(Image.new("RGB", (16, 16)), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    tracemalloc.start()
    try:
        assert refusal(png) == "claims 3600 megapixels, more than any camera takes"
        assert refusal(bytes(jpeg)) == "claims 4225 megapixels, more than any camera takes"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_every_awkward_file_is_decoded_or_refused_in_plain_words(shared_photos, capfd):
    files = [file for file in sorted((shared_photos / "awkward").rglob("*")) if file.is_file()]
    refused = {}
    for file in files:
        if file.parent.name != "video" and (reason := damage(file.read_bytes())):
            refused[file.name] = reason
    capfd.readouterr()  # libtiff writes to the terminal what it thinks of them
    assert refused["truncated_jpeg.jpg"] == refused["truncated_image.png"] == refused["corrupted.heic"] == DAMAGED
    assert refused["decompression_bomb.gif"] == "claims 4365 megapixels, more than any camera takes"
    assert refused["empty.heic"] == "empty file"
    assert set(refused.values()) <= {DAMAGED, UNKNOWN, "empty file", refused["decompression_bomb.gif"]}
    photos = {file.name for file in files if not file.name.startswith("crash-")} - refused.keys()
    assert {"cmyk.jpg", "200MP.heic", "iss634.gif", "16bit.cropped.tif", "10bit-HDR-P3-nclx.avif"} <= photos
