"""Matches -> verified copies and a manifest. The only room that writes outside the stick's index."""

import csv
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pathvalidate import sanitize_filename

from facefinder.errors import DestinationError
from facefinder.match import PhotoMatch, Verdict
from facefinder.media.files import open_untouched
from facefinder.progress import Progress

PART = (
    ".face-finder-copy.part"  # a copy under way; a killed run leaves at most one in a folder, and the next uses it up
)
BLOCK = 1 << 20
SPARE_BYTES = 16 << 20  # left free for the manifest and the file system's own needs
COLUMNS = ("source", "copy", "person", "verdict", "distance", "box", "taken", "sha256", "also_at")


@dataclass
class CopyReport:
    """What was copied. failures: (path, reason); copies: manifest rows of this run, in order."""

    copied: int = 0
    bytes: int = 0
    already_there: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class Collector:
    """Copies matches to a destination folder: DEST/NAME/ and DEST/NAME/maybe/, with the manifest in DEST.

    Nothing that lies there is ever overwritten, moved or deleted.
    """

    def __init__(self, destination: Path):
        """Raises DestinationError when the manifest that lies there cannot be read."""
        self.destination = destination
        self._rows = _read_manifest(destination / "manifest.json")
        self._recorded = {(row["person"], row["verdict"], row["sha256"]): copy for copy, row in self._rows.items()}

    def missing(self, matches: Sequence[PhotoMatch]) -> list[PhotoMatch]:
        """The matches whose copy does not lie in the destination yet."""
        return [match for match in matches if not self._lies_there(match)]

    def copy(self, matches: Sequence[PhotoMatch], progress: Progress) -> CopyReport:
        """Copy what is missing and write the manifest. Raises DestinationError; what was copied stays."""
        report = CopyReport()
        missing = self.missing(matches)
        report.already_there = len(matches) - len(missing)
        self._check_room(sum(match.bytes for match in missing))
        progress.start("Copying", len(missing))
        try:
            for match in missing:
                self._copy_one(match, report)
                progress.advance()
        finally:
            progress.finish()
            self._write_manifest()
        return report

    def _lies_there(self, match: PhotoMatch) -> bool:
        copy = self._recorded.get((match.person, match.verdict, match.sha256))
        return copy is not None and _has_size(self.destination / copy, match.bytes)

    def _check_room(self, needed: int) -> None:
        existing = next(
            folder for folder in (self.destination, *self.destination.absolute().parents) if folder.exists()
        )
        free = shutil.disk_usage(existing).free
        if needed and needed + SPARE_BYTES > free:
            raise DestinationError(
                f"There is not enough room in {self.destination}: the copies need {_megabytes(needed + SPARE_BYTES)}, "
                f"{_megabytes(free)} are free. Free {_megabytes(needed + SPARE_BYTES - free)} or name another folder "
                "with --copy."
            )

    def _copy_one(self, match: PhotoMatch, report: CopyReport) -> None:
        folder = self.destination / safe_name(match.person)
        if match.verdict is Verdict.MAYBE:
            folder /= "maybe"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            copy, is_there = _free_name(folder, safe_name(os.path.basename(match.source)), match)
            if is_there:
                report.already_there += 1
            else:
                reason = _copy_verified(match, folder / PART, copy)
                if reason:
                    report.failures.append((match.source, reason))
                    return
                report.copied += 1
                report.bytes += match.bytes
        except OSError as error:
            raise _destination_error(self.destination, error) from error
        relative = copy.relative_to(self.destination).as_posix()
        row = {key: value for key, value in asdict(match).items() if key != "bytes"}
        row |= {
            "copy": relative,
            "distance": round(match.distance, 4),
            "box": [round(side) for side in match.box],
        }
        self._rows[relative] = {column: row[column] for column in COLUMNS}

    def _write_manifest(self) -> None:
        if not self._rows:
            return
        rows = [self._rows[copy] for copy in sorted(self._rows)]
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS)
        writer.writeheader()
        for row in rows:
            flat = {"box": " ".join(map(str, row["box"])), "also_at": " | ".join(row["also_at"])}  # type: ignore[arg-type,call-overload]
            writer.writerow(row | flat)
        try:
            # With its byte order mark a spreadsheet reads é and 日 as they are.
            _replace(self.destination / "manifest.csv", table.getvalue().encode("utf-8-sig", "surrogateescape"))
            _replace(self.destination / "manifest.json", json.dumps(rows, indent=1).encode())
        except OSError as error:
            raise _destination_error(self.destination, error) from error


def safe_name(name: str) -> str:
    """The name itself, without the characters that some file system (a stick is carried around) refuses."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return sanitize_filename(name, replacement_text="_", platform="universal") or "_"


def _read_manifest(path: Path) -> dict[str, dict[str, object]]:
    try:
        return {row["copy"]: row for row in json.loads(path.read_text("utf-8"))}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DestinationError(
            f"{path} is damaged or was not written by this program. Move it away or name another folder with --copy."
        ) from error


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
        source = open_untouched(match.source)
    except OSError as error:
        return f"cannot be opened any more: {error.strerror}"
    digest = hashlib.sha256()
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
        times = os.fstat(source.fileno())
        target.flush()
        os.fsync(target.fileno())
    if digest.hexdigest() != match.sha256:
        part.unlink()
        return "was changed while the program ran; run it again"
    if _sha256(part) != match.sha256:
        raise OSError(errno.EIO, "what was written is not what is read back; the drive may be failing")
    os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.rename(part, copy)
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(PART)
    part.write_bytes(data)
    os.replace(part, path)


def _destination_error(destination: Path, error: OSError) -> DestinationError:
    if error.errno == errno.ENOSPC:
        remedy = "It is full. Free some room or name another folder with --copy; what was copied is complete."
    else:
        remedy = f"{error.strerror}. Is it still there, and not write-protected? Or name another folder with --copy."
    return DestinationError(f"The copies cannot be written to {destination}. {remedy}")


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
