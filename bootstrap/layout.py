"""Where things lie: the source tree, what is built from it, and the cache of downloads."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_VERSION = (3, 11)
_PLATFORMS = {
    ("Linux", "x86_64"): "linux-x86_64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Darwin", "arm64"): "macos-arm64",
    ("Windows", "AMD64"): "windows-x86_64",
}
PLATFORMS = tuple(_PLATFORMS.values())
CACHE_REMEDY = (
    "Run the same command without --from-cache on a computer that has a network, and take its cache along "
    "(--cache names it)."
)


class SetupError(Exception):
    """Set-up cannot go on; the message says why and what to do."""


def say(message: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(message, flush=True)


def megabytes(size: int) -> str:
    """Return a size in bytes as people read it."""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 100e6 else f"{size / 1e6:.0f} MB"


def remove(path: Path) -> None:
    """Delete a file or a folder of ours, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def host_platform() -> str:
    """Return this machine's platform name, such as `linux-x86_64`.

    Raises:
        SetupError: there are no locked packages for this kind of machine.
    """
    machine = (platform.system(), platform.machine())
    if machine not in _PLATFORMS:
        raise SetupError(f"{' '.join(machine)} is not supported. Face Finder runs on {', '.join(PLATFORMS)}.")
    return _PLATFORMS[machine]


def default_cache() -> Path:
    """Return the folder for downloads: $FACE_FINDER_CACHE, else the platform's own place for caches."""
    if os.environ.get("FACE_FINDER_CACHE"):
        return Path(os.environ["FACE_FINDER_CACHE"]).expanduser().absolute()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return local / "face-finder" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "face-finder"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "face-finder"


@dataclass(frozen=True)
class Layout:
    """The places of one build.

    Attributes:
        source: the checkout, with the locks, `models.json` and `demo.json`.
        target: the folder that is made ready; the checkout itself when built in place.
        platform: the platform that is built for.
        cache: downloads, kept so that a second build needs no network.
        from_cache: take everything from the cache and nothing from the network.
    """

    source: Path
    target: Path
    platform: str
    cache: Path
    from_cache: bool = False

    @property
    def models(self) -> Path:
        return self.target / "models"

    @property
    def models_json(self) -> Path:
        return self.source / "models" / "models.json"

    @property
    def interpreter(self) -> Path:
        return self.target / "python" / self.platform

    @property
    def interpreters_json(self) -> Path:
        return self.source / "bootstrap" / "interpreters.json"

    @property
    def demo(self) -> Path:
        return self.target / "demo"

    @property
    def demo_json(self) -> Path:
        return self.source / "bootstrap" / "demo.json"

    def lock(self, pack: str) -> Path:
        """Return the lock of a pack; `default` is what everybody gets."""
        suffix = "" if pack == "default" else f".{pack}"
        return self.source / "bootstrap" / "locks" / f"{self.platform}{suffix}.txt"

    def vendor(self, pack: str) -> Path:
        """Return the folder that holds a pack's packages."""
        suffix = "" if pack == "default" else f"+{pack}"
        return self.target / "lib" / "vendor" / f"{self.platform}{suffix}"


@contextlib.contextmanager
def one_at_a_time(cache: Path) -> Iterator[None]:
    """Hold the cache's lock file, so that of two set-ups started together the second finds the work done."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".in-use").open("a") as file:
        if sys.platform == "win32":
            import msvcrt

            # LK_LOCK gives up after ten seconds; another set-up may take minutes.
            while True:
                with contextlib.suppress(OSError):
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Another set-up is running; waiting until it has finished ...")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
