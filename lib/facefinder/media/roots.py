"""Where a search begins."""

from collections.abc import Iterable
from pathlib import Path

import platformdirs

from facefinder.media.patience import Patience


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
    # One that does not answer, on a server say, is kept: the walk will say so.
    return outermost([folder for folder in candidates if Patience().ask_or(True, folder.is_dir)])


def outermost(folders: Iterable[Path]) -> list[Path]:
    """The given folders without those that lie inside another of them, so that nothing is walked twice."""
    kept: list[Path] = []
    resolved = {Patience().ask_or(folder.absolute(), folder.resolve) for folder in folders}
    for folder in sorted(resolved, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept
