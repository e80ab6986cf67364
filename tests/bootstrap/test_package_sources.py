"""A file out of a published package: taken out, checked, and no line of the package's code runs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from archives import MemberMissing, read_member
from fetch import Fetcher
from layout import SetupError

WEIGHTS = b"weights of a model" * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def take(cache: Path, source: dict[str, str]) -> bytes:
    with Fetcher(cache) as fetcher:
        return fetcher.fetch("model.onnx", [source], SHA256, len(WEIGHTS)).read_bytes()


def test_a_file_is_taken_out_of_a_wheel(index, tmp_path):
    index.wheel("facepack", "1.0", {"facepack/model.onnx": WEIGHTS})
    assert take(tmp_path / "cache", {"pypi": "facepack==1.0", "member": "facepack/model.onnx"}) == WEIGHTS


def test_a_file_is_taken_out_of_an_sdist_without_running_its_setup(index, tmp_path):
    ran = tmp_path / "setup.py ran"
    setup = f"import setuptools\nopen({str(ran)!r}, 'w').close()\nsetuptools.setup(name='facepack')\n"
    index.sdist("facepack", "1.0", {"setup.py": setup.encode(), "data/model.onnx": WEIGHTS})
    assert take(tmp_path / "cache", {"pypi": "facepack==1.0", "member": "data/model.onnx"}) == WEIGHTS
    assert not ran.exists()
    # The bait works: this is what pip's own command does with it.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-build-isolation", "facepack==1.0"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert ran.exists()


def test_the_archive_can_be_named_where_a_package_has_several(index, tmp_path):
    index.wheel("facepack", "1.0", {"facepack/__init__.py": b""})
    index.sdist("facepack", "1.0", {"data/model.onnx": WEIGHTS})
    source = {"pypi": "facepack==1.0", "file": "facepack-1.0.tar.gz", "member": "data/model.onnx"}
    assert take(tmp_path / "cache", source) == WEIGHTS


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"pypi": "facepack==2.0", "member": "facepack/model.onnx"}, "has no facepack==2.0"),
        ({"pypi": "facepack==1.0", "member": "facepack/other.onnx"}, "other.onnx is not in the archive"),
        ({"pypi": "facepack==1.0", "member": "facepack/large.onnx"}, "was refused: its bytes"),
    ],
)
def test_a_package_without_the_right_file_is_refused(index, tmp_path, source, message):
    index.wheel("facepack", "1.0", {"facepack/model.onnx": WEIGHTS, "facepack/large.onnx": WEIGHTS * 50})
    with pytest.raises(SetupError, match=message):
        take(tmp_path / "cache", source)


def test_a_damaged_archive_is_an_error_that_names_it(tmp_path):
    archive = tmp_path / "facepack-1.0.tar.gz"
    archive.write_bytes(b"not an archive")
    with pytest.raises(MemberMissing, match="facepack-1.0.tar.gz is damaged"):
        read_member(archive, "model.onnx", 10)
