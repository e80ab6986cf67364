"""Root folders -> the files worth opening."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from facefinder.media.kinds import PHOTO_SUFFIXES

# Folders that hold programs, caches or deleted files: pictures in them are icons, thumbnails and rubbish.
# On other disks Linux calls its trash .Trash-1000, after the user's number.
SKIPPED_FOLDERS = frozenset(
    "$recycle.bin;system volume information;.trash;.trashes;.cache;.thumbnails;.git;.svn;.hg;"
    "node_modules;__pycache__;site-packages;.venv;.tox".split(";")
)

# FILE_ATTRIBUTE_OFFLINE, _RECALL_ON_OPEN and _RECALL_ON_DATA_ACCESS: opening such a file would download it.
_CLOUD_PLACEHOLDER = 0x1000 | 0x40000 | 0x400000


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be a photo: its path as the system spells it, bytes, and time of change in ns."""

    path: str
    bytes: int
    modified_ns: int

    @property
    def has_photo_suffix(self) -> bool:
        """False for a file without a suffix: it may be a photo (phone backups), or anything."""
        return bool(os.path.splitext(self.path)[1])


def photo_folders() -> list[Path]:
    """The folders where this computer's user keeps photos, by the platform's own conventions.

    Only those that exist, and none that lies inside another one.
    """
    home = Path.home()
    candidates = [
        Path(folder)
        for folder in (
            platformdirs.user_pictures_dir(),
            platformdirs.user_desktop_dir(),
            platformdirs.user_documents_dir(),
            platformdirs.user_downloads_dir(),
            platformdirs.user_videos_dir(),
        )
    ]
    candidates += [home / name for name in ("Photos", "OneDrive", "Dropbox", "Google Drive", "iCloudDrive")]
    return outermost([folder for folder in candidates if folder.is_dir()])


def outermost(folders: Iterable[Path]) -> list[Path]:
    """The given folders without those that lie inside another of them, so that nothing is walked twice."""
    kept: list[Path] = []
    for folder in sorted({folder.resolve() for folder in folders}, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept


def walk(
    roots: Iterable[Path],
    *,
    never: Iterable[Path] = (),
    on_problem: Callable[[str, str], None] = lambda path, why: None,
) -> Iterator[FoundFile]:
    """Yield the files under `roots` that may be photos, folder by folder, in name order.

    Links are not followed. Folders in `never` (the stick, the destination) are passed over wherever they turn
    up. A folder that cannot be listed is reported to `on_problem(path, reason)` and the walk goes on.
    """
    barred = {(status.st_dev, status.st_ino) for path in never if (status := _status(path))}
    for root in roots:
        if root.is_file():
            status = root.stat()
            yield FoundFile(str(root), status.st_size, status.st_mtime_ns)
        else:
            yield from _walk_folder(str(root), barred, on_problem)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _walk_folder(
    root: str, barred: set[tuple[int, int]], on_problem: Callable[[str, str], None]
) -> Iterator[FoundFile]:
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in barred:
                continue
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            on_problem(folder, f"folder cannot be opened: {error.strerror}")
            continue
        # Cameras number their files, so name order is close to the order on the disk.
        below: list[str] = []
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not _is_skipped(entry.name.lower()):
                        below.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and _may_be_photo(entry.name):
                    status = entry.stat(follow_symlinks=False)
                    if not getattr(status, "st_file_attributes", 0) & _CLOUD_PLACEHOLDER:
                        yield FoundFile(entry.path, status.st_size, status.st_mtime_ns)
            except OSError as error:
                on_problem(entry.path, f"cannot be looked at: {error.strerror}")
        pending.extend(reversed(below))


def _is_skipped(folder: str) -> bool:
    return folder in SKIPPED_FOLDERS or folder.startswith(".trash-")


def _may_be_photo(name: str) -> bool:
    if name.startswith("."):
        return False  # ._IMG_1.JPG of macOS, .DS_Store and the like hold no photo
    suffix = os.path.splitext(name)[1].lower()
    return not suffix or suffix in PHOTO_SUFFIXES
