"""Matches -> verified copies and a manifest. The only room that writes outside the stick's index."""

import csv
import errno
import hashlib
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pathvalidate import sanitize_filename

from facefinder.errors import DestinationError
from facefinder.match import PhotoMatch, Verdict
from facefinder.media.archives import open_found, times_of
from facefinder.media.packets import sidecar_of
from facefinder.progress import Progress
from facefinder.tags.sidecars import sidecar_packet, sure_people
from facefinder.tags.xmp import UnreadablePacket

# A copy under way. A killed run leaves at most one in a folder, and the next uses it up.
PART = ".face-finder-copy.part"
LONGEST_NAME = 240  # bytes; most file systems allow 255, and a number may have to be added
BLOCK = 1 << 20
SPARE_BYTES = 16 << 20  # left free for the manifest and the file system's own needs
NAME_ERRORS = sys.getfilesystemencodeerrors()  # so that a name which is not valid Unicode comes out as it was
COLUMNS = ("source", "copy", "person", "verdict", "distance", "box", "taken", "seen_at", "sha256", "also_at")


@dataclass
class CopyReport:
    """What was copied. failures: (path, reason). tagged: how many sidecars were written or added to."""

    copied: int = 0
    bytes: int = 0
    already_there: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    tagged: int = 0


class Collector:
    """Copies matches to a destination folder: DEST/NAME/ and DEST/NAME/maybe/, with the manifest in DEST.

    Nothing that lies there is ever overwritten, moved or deleted.
    """

    def __init__(self, destination: Path):
        """Raises DestinationError when it cannot be written to, or another program's manifest lies there."""
        self.destination = destination
        _check_folder(destination)
        self._rows = read_manifest(destination)

    def missing(self, matches: Sequence[PhotoMatch]) -> list[PhotoMatch]:
        """The matches whose copy does not lie in the destination yet."""
        return [match for match in matches if not self._lies_there(match)]

    def copy_of(self, match: PhotoMatch) -> Path | None:
        """Where the copy of a match lies; None while it has none."""
        row = self._rows.get((match.person, match.verdict, match.sha256))
        return self.destination / row["copy"] if row else None

    def copy(self, matches: Sequence[PhotoMatch], progress: Progress) -> CopyReport:
        """Copy what is missing and write the manifest. Raises DestinationError; what was copied stays."""
        missing = self.missing(matches)
        report = CopyReport(already_there=len(matches) - len(missing))
        try:
            if missing:
                self._copy_all(missing, report, progress)
            elif self._rows and not self._table_is_new():
                self._write_manifest()
        except OSError as error:
            raise _destination_error(self.destination, error) from error
        return report

    def tag(self, matches: Sequence[PhotoMatch], report: CopyReport) -> None:
        """Write who is surely on a photo into an XMP sidecar beside each copy of it, and nowhere else.

        What another program wrote into a sidecar, or into the photo itself, is kept in it. Raises DestinationError.
        """
        shown = sure_people(matches)
        copies = dict.fromkeys((row["copy"], row["sha256"]) for row in self._rows.values() if row["sha256"] in shown)
        try:
            for name, sha256 in copies:
                copy, people = self.destination / name, shown[sha256]
                if not _has_size(copy, people[0].bytes):
                    continue  # it was taken away, or changed
                sidecar = Path(sidecar_of(str(copy)))
                try:
                    packet = sidecar_packet(str(copy), people)
                except UnreadablePacket:
                    report.failures.append((str(sidecar), "is damaged, or no XMP; it is left as it is"))
                    continue
                if packet:
                    _replace(sidecar, packet)
                    report.tagged += 1
        except OSError as error:
            raise _destination_error(self.destination, error) from error

    def _copy_all(self, missing: Sequence[PhotoMatch], report: CopyReport, progress: Progress) -> None:
        device = self._make_room(sum(match.bytes for match in missing))
        progress.start("Copying", len(missing))
        try:
            for match in missing:
                self._check_there(device)
                self._copy_one(match, report)
                progress.advance()
        finally:
            progress.finish()
            self._check_there(device)
            self._write_manifest()

    def _lies_there(self, match: PhotoMatch) -> bool:
        row = self._rows.get((match.person, match.verdict, match.sha256))
        return row is not None and _has_size(self.destination / row["copy"], match.bytes)

    def _make_room(self, needed: int) -> int:
        """Make the folder, check that it has room for `needed` bytes, and return the number of its drive."""
        self.destination.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.destination).free
        if needed + SPARE_BYTES > free:
            raise DestinationError(
                f"There is not enough room in {self.destination}: the copies need {_megabytes(needed + SPARE_BYTES)}, "
                f"{_megabytes(free)} are free. Free {_megabytes(needed + SPARE_BYTES - free)} or name another folder "
                "with --copy."
            )
        return os.stat(self.destination).st_dev

    def _check_there(self, device: int) -> None:
        # Where a pulled stick was mounted, an empty folder of the searched computer may come to light.
        if os.stat(self.destination).st_dev != device:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def _copy_one(self, match: PhotoMatch, report: CopyReport) -> None:
        folder = self.destination / safe_name(match.person)
        if match.verdict is Verdict.MAYBE:
            folder /= "maybe"
        folder.mkdir(parents=True, exist_ok=True)
        copy, is_there = _free_name(folder, safe_name(os.path.basename(match.source)), match)
        if is_there:
            report.already_there += 1
        elif reason := _copy_verified(match, folder / PART, copy):
            report.failures.append((match.source, reason))
            return
        else:
            report.copied += 1
            report.bytes += match.bytes
        row = asdict(match) | {
            "copy": copy.relative_to(self.destination).as_posix(),
            "distance": round(match.distance, 4),
            "box": [round(side) for side in match.box],
            "seen_at": match.when,
        }
        self._rows[match.person, match.verdict, match.sha256] = {column: row[column] for column in COLUMNS}

    def _table_is_new(self) -> bool:
        """Whether manifest.csv was written after manifest.json; a run may have been broken off in between."""
        try:
            rows, table = (os.stat(self.destination / f"manifest.{suffix}").st_mtime_ns for suffix in ("json", "csv"))
        except FileNotFoundError:
            return False
        return table >= rows

    def _write_manifest(self) -> None:
        rows = sorted(self._rows.values(), key=lambda row: (row["copy"], row["person"]))
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"box": " ".join(map(str, row["box"])), "also_at": " | ".join(row["also_at"])})
        _replace(self.destination / "manifest.json", json.dumps(rows, indent=1).encode())
        # With its byte order mark a spreadsheet reads é and 日 as they are.
        _replace(self.destination / "manifest.csv", table.getvalue().encode("utf-8-sig", NAME_ERRORS))


def safe_name(name: str) -> str:
    """The name itself, without what some file system (a stick is carried around) refuses: characters, length."""
    encoded = name.encode("utf-8", NAME_ERRORS)
    if len(encoded) > LONGEST_NAME:
        encoded = encoded[: LONGEST_NAME - 20] + encoded[-20:]  # its end tells what kind of file it is
        encoded = encoded.decode("utf-8", "ignore").encode()
    name = encoded.decode("utf-8", "replace")
    return sanitize_filename(name, replacement_text="_", platform="universal") or "_"


def _check_folder(destination: Path) -> None:
    """Say before the search, which may take hours, that there is nowhere to copy to."""
    ancestors = (destination, *destination.absolute().parents)
    existing = next((folder for folder in ancestors if os.path.lexists(folder)), None)
    if existing is None or not existing.is_dir():
        raise DestinationError(
            f"The copies cannot go to {destination}: {existing or 'its drive'} is no folder. "
            "Name another place with --copy."
        )
    if not os.access(existing, os.W_OK):
        raise _destination_error(destination, OSError(errno.EROFS, os.strerror(errno.EROFS)))


def read_manifest(destination: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(person, verdict, SHA-256) -> row (see COLUMNS). Raises DestinationError for what is no manifest of ours."""
    path = destination / "manifest.json"
    try:
        # A manifest from before videos does not say when somebody is in view.
        rows = [row | {"seen_at": row.get("seen_at", "")} for row in json.loads(path.read_text("utf-8"))]
        if any(row.keys() != set(COLUMNS) for row in rows):
            raise ValueError("other columns")
        return {(row["person"], row["verdict"], row["sha256"]): row for row in rows}
    except FileNotFoundError:
        path = destination / "manifest.csv"
        if not os.path.lexists(path):
            return {}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise DestinationError(
        f"{path} is damaged or was not written by this program. Move it away or name another folder with --copy."
    )


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _free_name(folder: Path, name: str, match: PhotoMatch) -> tuple[Path, bool]:
    """A name not taken by another content, and whether the same content lies there already."""
    stem, suffix = os.path.splitext(name)
    copy, number = folder / name, 2
    while os.path.lexists(copy):
        if _has_size(copy, match.bytes) and _sha256(copy) == match.sha256:
            return copy, True
        copy, number = folder / f"{stem} ({number}){suffix}", number + 1
    return copy, False


def _copy_verified(match: PhotoMatch, part: Path, copy: Path) -> str | None:
    """Copy by way of `part`. Returns why the source could not be copied; OSError is the destination's."""
    try:
        source = open_found(match.source)
    except OSError as error:
        return f"cannot be opened any more: {error.strerror}"
    digest = hashlib.sha256()
    try:
        with source, part.open("wb") as target:
            while True:
                try:
                    block = source.read(BLOCK)
                except OSError as error:
                    return f"cannot be read any more: {error.strerror}"
                if not block:
                    break
                digest.update(block)
                target.write(block)
            times = times_of(source)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != match.sha256:
            return "was changed while the program ran; run it again"
        if _sha256(part) != match.sha256:
            raise OSError(errno.EIO, "what was written is not what is read back; the drive may be failing")
        os.utime(part, ns=times)
        if os.path.lexists(copy):
            raise FileExistsError(errno.EEXIST, f"another program has just put {copy.name} there")
        os.rename(part, copy)
    finally:
        part.unlink(missing_ok=True)
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(PART)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _destination_error(destination: Path, error: OSError) -> DestinationError:
    if error.errno == errno.ENOSPC:
        remedy = "It is full. Free some room or name another folder with --copy; what was copied is complete."
    else:
        remedy = f"{error.strerror}. Is it still there, and not write-protected? Or name another folder with --copy."
    return DestinationError(f"The copies cannot be written to {destination}. {remedy}")


def _megabytes(count: int) -> str:
    """Rounded up: with so much it is enough."""
    return f"{math.ceil(count / 1e8) / 10:.1f} GB" if count >= 1e9 else f"{math.ceil(count / 1e6)} MB"
