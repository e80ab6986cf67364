"""Downloads: they go on where they broke off, other bytes are refused, and nothing is asked for twice."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fetch
import web
from fetch import Fetcher
from layout import SetupError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def fetcher(tmp_path: Path) -> Iterator[Fetcher]:
    with Fetcher(tmp_path / "cache") as fetcher:
        yield fetcher


def get(fetcher: Fetcher, *urls: str) -> Path:
    return fetcher.fetch("model.onnx", [{"url": url} for url in urls], SHA256, len(CONTENT))


def test_a_download_that_breaks_off_goes_on_where_it_was(site, fetcher):
    site.files["model"] = CONTENT
    site.cut["model"] = 300_000
    assert get(fetcher, site.url("model")).read_bytes() == CONTENT
    assert site.requests == [("model", None), ("model", "bytes=300000-")]


def test_a_download_goes_on_in_the_next_run(site, fetcher):
    site.files["model"] = CONTENT
    (fetcher.cache / "sha256" / f"{SHA256}.part").write_bytes(CONTENT[:1000])
    assert get(fetcher, site.url("model")).read_bytes() == CONTENT
    assert site.requests == [("model", "bytes=1000-")]


def test_what_another_source_left_half_done_does_not_spoil_the_file(site, fetcher):
    site.files["model"] = CONTENT
    (fetcher.cache / "sha256" / f"{SHA256}.part").write_bytes(b"<html>Please log in to this network</html>")
    assert get(fetcher, site.url("model")).read_bytes() == CONTENT


def test_a_changed_byte_is_refused_with_the_name_of_the_file(site, fetcher):
    site.files["model"] = b"\xff" + CONTENT[1:]
    with pytest.raises(SetupError, match=r"(?s)model\.onnx.*was refused: its bytes are not the pinned ones"):
        get(fetcher, site.url("model"))
    assert list((fetcher.cache / "sha256").iterdir()) == []


def test_a_file_of_another_length_is_refused_before_it_is_downloaded(site, fetcher):
    site.files["model"] = CONTENT + b"more"
    with pytest.raises(SetupError, match=f"offers {len(CONTENT) + 4} bytes in place of {len(CONTENT)}"):
        get(fetcher, site.url("model"))


def test_the_second_source_serves_when_the_first_has_no_such_file(site, fetcher):
    site.files["mirror"] = CONTENT
    assert get(fetcher, site.url("gone"), site.url("mirror")).read_bytes() == CONTENT
    assert [path for path, _ in site.requests] == ["gone", "mirror"]


def test_the_second_source_serves_when_the_first_has_other_bytes(site, fetcher):
    site.files |= {"changed": CONTENT[::-1], "mirror": CONTENT}
    assert get(fetcher, site.url("changed"), site.url("mirror")).read_bytes() == CONTENT


def test_what_the_cache_has_is_not_asked_for_again(site, fetcher):
    site.files["model"] = CONTENT
    get(fetcher, site.url("model"))
    get(fetcher, site.url("model"))
    assert len(site.requests) == 1


def test_a_damaged_file_in_the_cache_is_fetched_anew(site, fetcher):
    site.files["model"] = CONTENT
    get(fetcher, site.url("model")).write_bytes(b"\0" * len(CONTENT))
    assert get(fetcher, site.url("model")).read_bytes() == CONTENT
    assert len(site.requests) == 2


def test_a_host_that_cannot_be_reached_is_asked_once(site, fetcher, monkeypatch):
    asked = []

    def download(url: str, *rest: Any) -> None:
        asked.append(url)
        web.download(url, *rest)

    monkeypatch.setattr(fetch, "download", download)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cut_off = f"http://127.0.0.1:{unused.getsockname()[1]}"
        site.files["model"] = CONTENT
        get(fetcher, f"{cut_off}/model", site.url("model"))
        with pytest.raises(SetupError, match="cannot be reached"):
            fetcher.fetch("other.onnx", [{"url": f"{cut_off}/other"}], "0" * 64, 5)
    assert asked == [f"{cut_off}/model", site.url("model")]


def test_a_host_that_never_answers_is_given_up_and_asked_once(fetcher, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/model"
        with pytest.raises(SetupError, match="does not answer"):
            get(fetcher, url, url)
        silent.setblocking(False)
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_file_whose_size_nobody_noted_down_arrives_and_goes_on_where_it_broke_off(site, tmp_path):
    site.files["python.tar.gz"] = CONTENT
    site.cut["python.tar.gz"] = 1000
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    with Fetcher(tmp_path) as fetcher:
        assert fetcher.fetch("python", [{"url": site.url("python.tar.gz")}], sha256, None).read_bytes() == CONTENT
    assert ("python.tar.gz", "bytes=1000-") in site.requests


def test_from_the_cache_nothing_is_asked_for(site, tmp_path):
    site.files["a.onnx"] = CONTENT
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    with Fetcher(tmp_path, from_cache=True) as fetcher, pytest.raises(SetupError, match="forbids to download"):
        fetcher.fetch("a.onnx", [{"url": site.url("a.onnx")}], sha256, len(CONTENT))
    assert site.requests == []


def test_the_archive_itself_can_be_the_file(index, tmp_path):
    wheel = index.wheel("tinypack", "1.0", {"a.txt": CONTENT})
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with Fetcher(tmp_path) as fetcher:
        kept = fetcher.fetch("tinypack", [{"pypi": "tinypack==1.0"}], sha256, wheel.stat().st_size)
    assert kept.read_bytes() == wheel.read_bytes()
