"""Flags and face_finder.toml -> one frozen Settings."""

import argparse
import os
import platform
import sys
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import platformdirs

from facefinder import __version__
from facefinder.errors import UsageError
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS

PROGRAM = "run.bat" if sys.platform == "win32" else "run.sh"
EXAMPLES = f"""
examples:
  {PROGRAM}                                       everybody in refs/, copies to found/ beside the script
  {PROGRAM} --refs refs/Mom --copy out            everything on this computer that shows Mom
  {PROGRAM} --refs refs --copy out /mnt/old-disk  everybody in refs/ (one folder each), in a given place
  {PROGRAM} --refs refs --dry-run                 what would be copied
  {PROGRAM} --demo                                try it on a small album

Every flag has a twin in face_finder.toml beside the script, for example:  jobs = 2
"""


@dataclass(frozen=True)
class Settings:
    """What the user wants, checked. index is None for --no-index; places are empty for this computer's own folders.

    notes: what differs from what the user may expect, to be said before the work.
    """

    home: Path
    places: tuple[Path, ...]
    refs: Path
    copy: Path | None
    dry_run: bool
    threshold: float | None
    model: str
    min_face: int
    jobs: int
    index: Path | None
    json: bool
    quiet: bool
    verbose: bool
    notes: tuple[str, ...] = ()

    @property
    def models(self) -> Path:
        """Where the model files lie."""
        return self.home / "models"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See {PROGRAM} -h for all flags.")


def _path(text: str) -> Path:
    if not text:
        raise _not_possible(text, "the name of a file or folder")
    return Path(text)


def _distance(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < 1:
            return float(text)
    raise _not_possible(text, "a distance between 0 and 1, for example 0.4")


def _pixels(text: str) -> int:
    with suppress(ValueError):
        if 10 <= int(text) <= 1000:
            return int(text)
    raise _not_possible(text, "a number of pixels from 10 to 1000")


def _jobs(text: str) -> int:
    if text == "auto":
        return os.cpu_count() or 1
    with suppress(ValueError):
        if int(text) >= 1:
            return int(text)
    raise _not_possible(text, "a number of processes (1 or more), or auto")


def _not_possible(value: object, allowed: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{value!r} is not possible. Allowed: {allowed}")


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        description="Finds every photo of the people in refs/. Nothing on the searched computer is changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "places",
        nargs="*",
        type=_path,
        metavar="PLACE",
        help="folders to search (default: this computer's photo folders)",
    )
    who = parser.add_argument_group("who and where")
    who.add_argument(
        "--refs", type=_path, metavar="DIR", help="reference photos: DIR is one person, or has a folder each"
    )
    who.add_argument("--copy", type=_path, metavar="DEST", help="copy the photos found to DEST/NAME")
    who.add_argument("--dry-run", action="store_true", help="say what would be copied, and copy nothing")
    who.add_argument("--demo", action="store_true", help="run on a small album of real photos")
    how = parser.add_argument_group("how strictly, how fast")
    how.add_argument(
        "--threshold", type=_distance, metavar="D", help="greatest distance that counts (smaller: stricter)"
    )
    how.add_argument("--model", choices=sorted(RECOGNISERS), default=DEFAULT_RECOGNISER, help="default: %(default)s")
    how.add_argument(
        "--min-face",
        type=_pixels,
        default=20,
        metavar="PX",
        help="smallest face to look for, pixels (default: %(default)s)",
    )
    how.add_argument("--jobs", type=_jobs, default="auto", metavar="N", help="processes (default: one for each core)")
    memory = parser.add_argument_group("what is remembered").add_mutually_exclusive_group()
    memory.add_argument("--index", type=_path, metavar="FILE", help="default: index.sqlite beside the script")
    memory.add_argument("--no-index", action="store_const", dest="index", const=False, help="remember nothing")
    output = parser.add_argument_group("what is said")
    output.add_argument("--json", action="store_true", help="print the result as JSON")
    output.add_argument("--quiet", action="store_true", help="plain lines, no progress bar")
    output.add_argument("--verbose", action="store_true", help="name every match and every problem")
    output.add_argument("--version", action="version", version=f"Face Finder {__version__}")
    return parser


def read_settings(arguments: Sequence[str], home: Path) -> Settings:
    """Merge the flags with face_finder.toml in `home`; a flag wins. Raises UsageError."""
    parser = _parser()
    parser.set_defaults(**_read_toml(home / "face_finder.toml", parser))
    given = parser.parse_args(arguments)
    if given.demo:
        given.refs, given.places = home / "demo" / "refs", [home / "demo" / "album"]
        given.copy = given.copy or home / "demo" / "found"
    if not arguments:  # the double-click
        given.copy = given.copy or home / "found" / (platform.node() or "computer")
    index = None if given.index is False else given.index or home / "index.sqlite"
    notes = []
    if given.index is None and not _can_write(home / "index.sqlite"):
        index = platformdirs.user_cache_path("face-finder", appauthor=False, ensure_exists=True) / "index.sqlite"
        notes.append(f"{home} cannot be written to. What is found out about the photos is kept in\n  {index}")
        if not arguments and given.copy.is_relative_to(home):
            given.copy = None
            notes.append(f"For the same reason nothing is copied. To copy, start it with:  {PROGRAM} --copy FOLDER")
    return Settings(
        home=home,
        places=tuple(given.places),
        refs=given.refs or home / "refs",
        copy=given.copy,
        dry_run=given.dry_run,
        threshold=given.threshold,
        model=given.model,
        min_face=given.min_face,
        jobs=given.jobs,
        index=index,
        json=given.json,
        quiet=given.quiet,
        verbose=given.verbose,
        notes=tuple(notes),
    )


def _can_write(file: Path) -> bool:
    """Whether the file can be made or changed; tried out, because a system's permissions tell only half of it."""
    is_new = not file.exists()
    try:
        file.open("ab").close()
        if is_new:
            file.unlink()
    except OSError:
        return False
    return True


def _read_toml(path: Path, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Read each key as if it were the flag of that name, so that both accept the same values."""
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))  # Windows editors put a byte order mark in front
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}. Texts and paths go in single quotes: 'E:\\found'."
        ) from error
    actions = {
        action.option_strings[-1].removeprefix("--"): action
        for action in parser._actions
        if action.option_strings and action.dest not in ("help", "version", "demo")
    }
    values: dict[str, object] = {}
    for key, value in table.items():
        action = actions.get(key.replace("_", "-"))
        if action is None:
            raise UsageError(f"{path}: there is no setting called {key!r}. Settings: {', '.join(sorted(actions))}.")
        try:
            read = _toml_value(value, action)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{path}: {key} = {error}.") from error
        if value is False:
            continue
        if action.dest in values:
            raise UsageError(f"{path}: index and no_index exclude each other: leave one out.")
        # A path is meant as seen from the file in which it stands, wherever the program is started.
        values[action.dest] = path.parent / read if isinstance(read, Path) else read
    return values


def _toml_value(value: object, action: argparse.Action) -> object:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise _not_possible(value, "true, false")
        return action.const
    if action.choices and value not in action.choices:
        raise _not_possible(value, ", ".join(action.choices))
    if action.type is _path and not isinstance(value, str):
        raise _not_possible(value, "the name of a file or folder, in quotes")
    return action.type(str(value)) if callable(action.type) else value
