"""The files that are not opened again, because they cost a worker process: a table of their own in the index."""

import os

from facefinder.index import Index
from facefinder.media.walk import FoundFile


class Quarantine:
    """By path, size and time of change, for nobody could read what is in them; each analyzer has its own."""

    def __init__(self, index: Index):
        self._index = index

    def add(self, file: FoundFile, reason: str) -> None:
        """Leave a file out from here on, as it is now. Kept at once: to find it out again would cost the most."""
        owner = (self._index.computer, os.fsencode(file.path), self._index.analyzer)
        state = (file.bytes, file.modified_ns)
        self._index.rows("INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?, ?, ?)", (*owner, *state, reason))
        self._index.commit()

    def reason_for(self, file: FoundFile) -> str | None:
        """Why a file is left out; None for one that is to be opened."""
        rows = self._index.rows(
            "SELECT reason FROM quarantine "
            "WHERE computer = ? AND path = ? AND analyzer = ? AND bytes = ? AND modified_ns = ?",
            (self._index.computer, os.fsencode(file.path), self._index.analyzer, file.bytes, file.modified_ns),
        )
        return rows[0][0] if rows else None

    def clear(self) -> None:
        """Have all files of this computer tried again."""
        owner = (self._index.computer, self._index.analyzer)
        self._index.rows("DELETE FROM quarantine WHERE computer = ? AND analyzer = ?", owner)
