"""A photo that moves: where the clip begins that a phone hangs behind the still picture.

Samsung, Google and others each note it in their own way (MotionPhoto_Data, XMP's MicroVideoOffset or
Container:Directory, a box called mpvd), and all of them hang a whole MP4 file behind the picture.
"""

from facefinder.media.kinds import HEAD, Kind, kind_of_head

LONGEST_HEADER = 256  # of an MP4 file's first box; those of phones have 24 to 40 bytes


def clip_at(data: bytes) -> int | None:
    """The position of the clip's first byte in a photo's file; None for a photo that does not move."""
    at = data.find(b"ftyp", HEAD)
    while at >= 0:
        start = at - 4
        if 8 < int.from_bytes(data[start:at], "big") <= LONGEST_HEADER and _is_clip(data[start : start + HEAD]):
            return start
        at = data.find(b"ftyp", at + 4)
    return None


def _is_clip(head: bytes) -> bool:
    return kind_of_head(head) is Kind.VIDEO and head[8:12].strip().isalnum()
