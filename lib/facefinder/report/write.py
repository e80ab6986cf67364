"""The outcome of a run -> report.html."""

import os
from pathlib import Path

from facefinder.find import Outcome
from facefinder.groups import GroupsOutcome
from facefinder.progress import Progress
from facefinder.report.of_groups import report_of_groups
from facefinder.report.of_search import report_of_search
from facefinder.report.page import GENERATOR, Report, in_html
from facefinder.settings import Settings

PART = "~face-finder-report.part"  # the page under way; the next run uses it up
HEAD = 1024  # bytes, within which a page of ours says that it is one


class ReportError(OSError):
    """Why there is no page, in words for the user."""


def report_on(outcome: Outcome | GroupsOutcome, settings: Settings, progress: Progress) -> Path | None:
    """Write the page; returns where it lies, None if there is no place for it. Raises ReportError."""
    path = settings.report
    if path is None:
        return None
    if not is_ours(path):
        raise ReportError(f"{path} is not a page of this program. Move it away, and the next run writes one.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(outcome, Outcome):
            report = report_of_search(outcome, settings, path, progress)
        else:
            report = report_of_groups(outcome, settings, path, progress)
        _write(path, report, settings.language)
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def is_ours(path: Path) -> bool:
    """Whether nothing, or a page of ours, lies there."""
    try:
        with path.open("rb") as file:
            return GENERATOR.encode() in file.read(HEAD)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _write(path: Path, report: Report, language: str) -> None:
    part = path.with_name(PART)
    try:
        # A file's name may be no valid Unicode; the page has a question mark there.
        with part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(in_html(report, language))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
