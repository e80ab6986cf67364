"""Every kind of file is known by its name before it is opened, and by its first bytes afterwards."""

import pytest

from facefinder.media.kinds import HEAD, Kind, kind_of, kind_of_head, kind_of_name


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.JPG", Kind.PHOTO), ("b.heic", Kind.PHOTO), ("c.CR2", Kind.RAW), ("d.dng", Kind.RAW), ("e.MOV", Kind.VIDEO)]
    + [("f.3gp", Kind.VIDEO), ("00012.MTS", Kind.VIDEO), ("g.zip", Kind.ARCHIVE), ("h.txt", None), ("IMG_1", None)],
)
def test_a_name_tells_the_kind(name, kind):
    assert kind_of_name(name) is kind


def test_what_a_file_holds_is_stronger_than_its_name():
    jpeg, clip = b"\xff\xd8\xff\xe0".ljust(HEAD, b"\0"), b"\0\0\0\x18ftypmp42\0\0\0\0"
    assert kind_of("clip.mp4", jpeg) is Kind.PHOTO
    assert kind_of("photo.jpg", clip) is Kind.VIDEO
    assert kind_of("no suffix", clip) is Kind.VIDEO


def test_a_raw_file_that_looks_like_a_tiff_is_known_by_its_name():
    tiff = b"II*\0\x08\0\0\0".ljust(HEAD, b"\0")
    assert kind_of("scan.tif", tiff) is Kind.PHOTO
    assert kind_of("DSC_1.NEF", tiff) is Kind.RAW
    assert kind_of_head(b"II*\0\x10\0\0\0CR\x02\0".ljust(HEAD, b"\0")) is Kind.RAW


def test_what_has_lost_its_first_bytes_is_what_its_name_says():
    assert kind_of("00012.mts", bytes(HEAD)) is Kind.VIDEO
    assert kind_of("photo.jpg", bytes(HEAD)) is Kind.PHOTO
    assert kind_of("unknown", bytes(HEAD)) is None
    assert kind_of("go.mod", b"module example.o") is None
