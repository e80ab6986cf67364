"""Downloads over the web that go on where they were broken off."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

# Covers connecting and each wait for more bytes. An address that is cut off must not hold a build up.
TIMEOUT_SECONDS = 10
ATTEMPTS = 5
CHUNK = 1 << 20
HEADERS = {"User-Agent": "face-finder", "Accept-Encoding": "identity"}


class Unreachable(Exception):
    """No connection to the host; it is not worth asking again."""


class DownloadFailed(Exception):
    """The host answered, but the file did not arrive."""


def download(url: str, part: Path, size: int | None) -> None:
    """Bring the file at `part` to `size` bytes (None: as many as the host says), going on after those it has.

    Raises:
        Unreachable: the host does not answer.
        DownloadFailed: the host has no such file, or one of another size, or the line breaks again and again.
    """
    reason = "no more bytes came"
    for _ in range(ATTEMPTS):
        before = bytes_there(part)
        if before == size:
            return
        try:
            size = size or announced_size(url)
            receive(url, part, size)
        except urllib.error.HTTPError as error:
            raise DownloadFailed(f"answered {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise Unreachable(f"cannot be reached ({error.reason})") from error
        except (HTTPException, OSError) as error:
            if isinstance(error, TimeoutError) and bytes_there(part) <= before:
                raise Unreachable(f"does not answer ({error})") from error
            reason = str(error) or type(error).__name__
        if bytes_there(part) <= before:
            break
    if bytes_there(part) != size:
        raise DownloadFailed(f"broke off ({reason})")


def bytes_there(part: Path) -> int:
    """Return how much of a file has arrived."""
    return part.stat().st_size if part.exists() else 0


def announced_size(url: str) -> int:
    """Ask the host how many bytes a file has."""
    request = urllib.request.Request(url, headers=HEADERS, method="HEAD")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        length = response.headers.get("Content-Length")
    if not length:
        raise DownloadFailed("does not say how large the file is")
    return int(length)


def receive(url: str, part: Path, size: int) -> None:
    """Make one request for the bytes that are missing and add them to `part`."""
    have = bytes_there(part)
    if have > size:
        have = 0
    headers = HEADERS | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if response.status != 206:
            have = 0
        check_size(response.headers, have, size)
        with part.open("ab" if have else "wb") as file:
            copy(response, file, size - have)


def check_size(headers: HTTPMessage, have: int, size: int) -> None:
    """Refuse an answer of another length at once, such as an error page or a pointer to the file."""
    length = headers.get("Content-Length")
    if length is not None and have + int(length) != size:
        raise DownloadFailed(f"offers {have + int(length)} bytes in place of {size}")


def copy(source: IO[bytes], target: IO[bytes], limit: int) -> None:
    """Copy until the source ends; more than `limit` bytes are refused."""
    while chunk := source.read(CHUNK):
        limit -= len(chunk)
        if limit < 0:
            raise DownloadFailed("sends more bytes than the file has")
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
