"""Files known by their SHA-256: from the first source that has them, kept in the cache by that name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from archives import MemberMissing, read_member
from layout import CACHE_REMEDY, SetupError, megabytes, say
from record import matches
from web import DownloadFailed, Unreachable, download

Source = Mapping[str, str]


class SourceFailed(Exception):
    """One source could not give the file; the message says why."""


class Fetcher:
    """Fetches files into a cache; remembers which hosts are cut off and which archives it has already.

    A source is one of
        {"url": address},
        {"pypi": "name==version", "member": path in the archive, and if need be "file": name of the archive},
        {"npm": "name@version", "member": path in the archive}.
    Without "member" the archive itself is the file.
    """

    def __init__(self, cache: Path, *, from_cache: bool = False) -> None:
        """Use this folder as the cache; it is made when needed. `from_cache`: and nothing else."""
        self.cache = cache
        self._from_cache = from_cache
        self._unreachable: dict[str, str] = {}
        self._archives: dict[tuple[str, str], Path] = {}

    def __enter__(self) -> Self:
        (self.cache / "sha256").mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="archives-", dir=self.cache))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)

    def fetch(self, name: str, sources: Sequence[Source], sha256: str, size: int | None) -> Path:
        """Return the place in the cache of the file with this SHA-256 and size; `name` is for messages.

        A size of None is one that nobody has noted down.

        Raises:
            SetupError: no source has it; says for each why.
        """
        kept = self.cache / "sha256" / sha256
        if matches(kept, sha256, size):
            return kept
        if self._from_cache:
            raise SetupError(f"Not in the cache, and --from-cache forbids to download: {name} ({kept}). {CACHE_REMEDY}")
        tried = []
        for source in sources:
            announced = self._is_new(source)
            if announced:
                say(f"    {name}, {f'{megabytes(size)}, ' if size else ''}from {describe(source)}")
            part = kept.with_suffix(".part")
            try:
                resumed = part.exists()
                self._bring(source, part, size)
                if resumed and not matches(part, sha256, size):
                    # What an earlier run or another source left there may have been something else.
                    part.unlink()
                    self._bring(source, part, size)
                if matches(part, sha256, size):
                    os.replace(part, kept)
                    return kept
                part.unlink()
                raise SourceFailed("was refused: its bytes are not the pinned ones")
            except SourceFailed as failure:
                if announced:
                    say(f"      {failure}")
                tried.append(f"  {describe(source)}: {failure}")
        raise SetupError(
            f"{name} could not be fetched; nothing was put in its place. Tried:\n" + "\n".join(tried) + "\n"
            "Check the network and start again: what has arrived is kept. "
            "If bytes were refused again, do not use that source and tell the makers of Face Finder."
        )

    def _is_new(self, source: Source) -> bool:
        """Return whether it needs the network: a host not known to be cut off, an archive not here yet."""
        if "url" in source:
            return urlsplit(source["url"]).netloc not in self._unreachable
        return archive_key(source) not in self._archives

    def _bring(self, source: Source, part: Path, size: int | None) -> None:
        """Put a source's bytes at `part`."""
        if "url" in source:
            self._from_web(source["url"], part, size)
            return
        if "member" not in source or size is None:
            shutil.copyfile(self._archive(source), part)
            return
        try:
            part.write_bytes(read_member(self._archive(source), source["member"], size))
        except MemberMissing as error:
            raise SourceFailed(str(error)) from error

    def _from_web(self, url: str, part: Path, size: int | None) -> None:
        host = urlsplit(url).netloc
        if host in self._unreachable:
            raise SourceFailed(self._unreachable[host])
        try:
            download(url, part, size)
        except Unreachable as error:
            self._unreachable[host] = str(error)
            raise SourceFailed(str(error)) from error
        except DownloadFailed as error:
            raise SourceFailed(str(error)) from error

    def _archive(self, source: Source) -> Path:
        """Return a package's archive, downloaded at most once."""
        key = archive_key(source)
        if key not in self._archives:
            command = self._npm_command(source) if "npm" in source else self._pip_command(source)
            result = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
            if result.returncode:
                reason = result.stderr.strip().splitlines()[-1:] or [f"{Path(command[0]).name} failed"]
                raise SourceFailed(reason[0])
            # Both commands print the archive's path, or its name in the current folder, as their last line.
            self._archives[key] = self._folder / result.stdout.strip().splitlines()[-1]
        return self._archives[key]

    def _pip_command(self, source: Source) -> list[str]:
        script = Path(__file__).with_name("pip_sources.py")
        file = [source["file"]] if "file" in source else []
        return [sys.executable, str(script), source["pypi"], str(self._folder), *file]

    def _npm_command(self, source: Source) -> list[str]:
        npm = shutil.which("npm")
        if not npm:
            raise SourceFailed("npm is not installed")
        # --ignore-scripts: a package's own programs never run here.
        return [npm, "pack", "--ignore-scripts", "--silent", source["npm"]]


def archive_key(source: Source) -> tuple[str, str]:
    """Return what tells one package's archive from another."""
    return source.get("pypi") or source["npm"], source.get("file", "")


def describe(source: Source) -> str:
    """Return a source's name as it is shown to the user."""
    if "url" in source:
        return urlsplit(source["url"]).netloc
    if "pypi" in source:
        return f"the package {source['pypi'].replace('==', ' ')}"
    return f"the npm package {source['npm']}"
