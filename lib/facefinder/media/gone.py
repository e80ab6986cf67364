"""Which of the places that are searched have gone meanwhile: a card pulled out, a share switched off."""

import os
from collections.abc import Sequence
from pathlib import Path

from facefinder.media.files import reachable
from facefinder.media.mounts import mount_points
from facefinder.media.patience import Patience


class Watch:
    """Some places and the disks mounted below them, as they are now."""

    def __init__(self, places: Sequence[Path]):
        self._disks = {place: _disk_of(place) for place in places}
        self._mounts = self._mounted()

    def gone(self) -> list[Path]:
        """Those that are not there any more, or do not answer; of disks below a place, where they were mounted."""
        places = [place for place, disk in self._disks.items() if disk is None or _disk_of(place) != disk]
        return places + sorted(self._mounts - self._mounted() - set(places))

    def _mounted(self) -> set[Path]:
        mounts = [Path(mount) for mount in mount_points()]
        return {mount for mount in mounts if any(mount.is_relative_to(place) for place in self._disks)}


def _disk_of(place: Path) -> int | None:
    """The number of the disk on which a place lies; another one comes to light where a disk was mounted."""
    try:
        status = Patience().ask_or(None, os.stat, reachable(str(place)))
    except OSError:
        return None
    return status and status.st_dev
