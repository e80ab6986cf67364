"""What kind of file this is: by its name while walking, by its first bytes once it is open."""

import os
from enum import StrEnum


class Kind(StrEnum):
    """How a file is looked into."""

    PHOTO = "photo"
    RAW = "raw"
    VIDEO = "video"
    ARCHIVE = "archive"


SUFFIXES: dict[Kind, frozenset[str]] = {
    kind: frozenset(suffixes.split())
    for kind, suffixes in {
        Kind.PHOTO: ".jpg .jpeg .jpe .jfif .jif .jpg_large .mpo .png .apng .webp .heic .heif .hif .avif .tif .tiff "
        ".bmp .gif",
        Kind.RAW: ".cr2 .cr3 .nef .nrw .arw .sr2 .dng .raf .orf .rw2 .pef .srw",
        Kind.VIDEO: ".mp4 .m4v .mov .qt .avi .mkv .webm .mts .m2ts .m2t .3gp .3g2 .mpg .mpeg .mpe .vob .mod .tod "
        ".wmv .asf .flv .ogv .divx",
        Kind.ARCHIVE: ".zip",
    }.items()
}
# What a search opens unasked.
SEARCHED_SUFFIXES = SUFFIXES[Kind.PHOTO] | SUFFIXES[Kind.RAW] | SUFFIXES[Kind.VIDEO]
# Other files are called that too, programs' most of all: only what is in them counts.
_DOUBTFUL = frozenset(".mod .tod .vob .mpe .divx".split())

# How many of a file's first bytes kind_of_head() wants.
HEAD = 16

_PHOTO_HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_PHOTO_BRANDS = frozenset(b"heic heix heim heis hevc mif1 msf1 avif avis".split())
# Olympus, Panasonic, Fujifilm. Others look like a TIFF, so that only their names tell.
_RAW_HEADS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW")
# Matroska and WebM; Windows Media; Flash; Ogg; MPEG program and video streams.
_VIDEO_HEADS = (b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"FLV\x01", b"OggS", b"\0\0\x01\xba", b"\0\0\x01\xb3")
# Of QuickTime files older than its "ftyp".
_VIDEO_BOXES = frozenset(b"moov mdat wide".split())
_ARCHIVE_HEADS = (b"PK\x03\x04", b"PK\x05\x06")


def suffix_of(name: str) -> str:
    """`.jpg` of `Me.JPG`; empty for none."""
    return os.path.splitext(name)[1].lower()


def kind_of_name(name: str) -> Kind | None:
    """What a file's name says that it is; None for something else, or if it says nothing."""
    suffix = suffix_of(name)
    return next((kind for kind, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def kind_of_head(head: bytes) -> Kind | None:
    """What a file's first HEAD bytes say that it is; None for something else."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _PHOTO_BRANDS:
            return Kind.PHOTO
        return Kind.RAW if brand == b"crx " else Kind.VIDEO
    if head[:4] == b"RIFF":
        return {b"WEBP": Kind.PHOTO, b"AVI ": Kind.VIDEO}.get(head[8:12])
    if head.startswith(_RAW_HEADS) or head[8:10] == b"CR":
        return Kind.RAW
    if head.startswith(_PHOTO_HEADS):
        return Kind.PHOTO
    if head.startswith(_VIDEO_HEADS) or head[4:8] in _VIDEO_BOXES:
        return Kind.VIDEO
    return Kind.ARCHIVE if head.startswith(_ARCHIVE_HEADS) else None


def kind_of(name: str, head: bytes) -> Kind | None:
    """What a file is: by its first bytes, and by its name where these do not tell."""
    said, seen = kind_of_name(name), kind_of_head(head)
    if seen is Kind.PHOTO and said is Kind.RAW and head.startswith((b"II*\0", b"MM\0*")):
        return Kind.RAW
    if seen is None and suffix_of(name) in _DOUBTFUL:
        return None
    # A video stream out of a camcorder or off the air has no mark of its own in front; a damaged file has lost it.
    return seen or said
