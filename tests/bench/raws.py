"""Makes a camera's RAW file by hand, for the tests and the measurements."""

import struct
from typing import Any

import numpy as np

# Of a TIFF directory: tag, kind of value, values.
Entry = tuple[int, int, list[Any]]


def dng(preview: bytes | None, size: tuple[int, int], orientation: int = 1) -> bytes:
    """A grey picture of 640x480 as a sensor sees it, with a JPEG of `size` as its preview."""
    sensor = np.full((480, 640), 1000, "<u2").tobytes()
    raw: list[Entry] = [(254, 4, [0]), (256, 4, [640]), (257, 4, [480]), (258, 3, [16]), (259, 3, [1])]
    raw += [(262, 3, [32803]), (277, 3, [1]), (278, 4, [480]), (279, 4, [len(sensor)]), (33421, 3, [2, 2])]
    raw += [(33422, 1, [0, 1, 1, 2]), (50714, 3, [0]), (50717, 4, [4000])]
    camera: list[Entry] = [(271, 2, [b"Maker\0"]), (272, 2, [b"Model\0"]), (274, 3, [orientation])]
    camera += [(306, 2, [b"2015:06:07 08:09:10\0"]), (50706, 1, [1, 4, 0, 0]), (50708, 2, [b"Maker Model\0"])]
    camera += [(50721, 10, [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)])]
    camera += [(50728, 5, [(1, 1)] * 3), (50778, 3, [21])]
    if preview is None:
        directory = _directory([*camera, *raw, (273, 4, [0])], 8)
        return b"II*\0" + struct.pack("<I", 8) + _directory([*camera, *raw, (273, 4, [8 + len(directory)])], 8) + sensor
    seen = [(254, 4, [1]), (256, 4, [size[0]]), (257, 4, [size[1]]), (258, 3, [8, 8, 8]), (259, 3, [7]), (262, 3, [6])]
    seen += [(277, 3, [3]), (278, 4, [size[1]]), (279, 4, [len(preview)])]

    def first(below: int, at: int) -> bytes:
        return _directory([*camera, *seen, (273, 4, [at]), (330, 4, [below])], 8)

    below = 8 + len(first(0, 0))
    after = below + len(_directory([*raw, (273, 4, [0])], below))
    second = _directory([*raw, (273, 4, [after + len(preview)])], below)
    return b"II*\0" + struct.pack("<I", 8) + first(below, after) + second + preview + sensor


def _directory(entries: list[Entry], at: int) -> bytes:
    """A TIFF directory that will lie at `at`, with its longer values behind it."""
    letters = {1: "B", 3: "H", 4: "I", 5: "II", 10: "ii"}
    table, values = struct.pack("<H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, given in sorted(entries):
        if kind == 2:
            packed, number = given[0], len(given[0])
        else:
            packed = b"".join(struct.pack("<" + letters[kind], *np.atleast_1d(each)) for each in given)
            number = len(given)
        if len(packed) > 4:
            packed, values = struct.pack("<I", behind + len(values)), values + packed + b"\0" * (len(packed) % 2)
        table += struct.pack("<HHI", tag, kind, number) + packed.ljust(4, b"\0")
    return table + bytes(4) + values
