"""Flags and face_finder.toml -> one frozen Settings."""

import argparse
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from facefinder import __version__
from facefinder.errors import UsageError
from facefinder.faces.models import DEFAULT_RECOGNISER, RECOGNISERS

EXAMPLES = """
examples:
  run.sh --refs refs/Mom --copy out            everything on this computer that shows Mom
  run.sh --refs refs --copy out /mnt/old-disk  everybody in refs/ (one folder each), in a given place
  run.sh --refs refs --dry-run                 what would be copied
  run.sh --demo                                try it on a small album

Every flag has a twin in face_finder.toml beside the script, for example:  jobs = 2
"""


@dataclass(frozen=True)
class Settings:
    """What the user wants, checked. index is None for --no-index; places are empty for this computer's own folders."""

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

    @property
    def models(self) -> Path:
        """Where the model files lie."""
        return self.home / "models"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. See run.sh -h for all flags.")


def _distance(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError
    return value


def _pixels(text: str) -> int:
    value = int(text)
    if not 10 <= value <= 1000:
        raise ValueError
    return value


def _jobs(text: str) -> int:
    value = (os.cpu_count() or 1) if text == "auto" else int(text)
    if value < 1:
        raise ValueError
    return value


# Named in the messages about a wrong value.
_distance.__name__ = "distance between 0 and 1"
_pixels.__name__ = "number of pixels from 10 to 1000"
_jobs.__name__ = "number of processes (1 or more, or auto)"


def _parser() -> _Parser:
    parser = _Parser(
        prog="run.sh",
        description="Finds every photo of the people in refs/. Nothing on the searched computer is changed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "places",
        nargs="*",
        type=Path,
        metavar="PLACE",
        help="folders to search (default: this computer's photo folders)",
    )
    who = parser.add_argument_group("who and where")
    who.add_argument(
        "--refs", type=Path, metavar="DIR", help="reference photos: DIR is one person, or has a folder each"
    )
    who.add_argument("--copy", type=Path, metavar="DEST", help="copy the photos found to DEST/NAME")
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
    memory = parser.add_argument_group("what is remembered")
    memory.add_argument("--index", type=Path, metavar="FILE", help="default: index.sqlite beside the script")
    memory.add_argument("--no-index", action="store_true", help="remember nothing")
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
    if given.no_index and given.index:
        raise UsageError("--index and --no-index exclude each other: leave one out.")
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
        index=None if given.no_index else given.index or home / "index.sqlite",
        json=given.json,
        quiet=given.quiet,
        verbose=given.verbose,
    )


def _read_toml(path: Path, parser: argparse.ArgumentParser) -> dict[str, object]:
    """Read each key as if it were the flag of that name, so that both accept the same values."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
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
        values[action.dest] = _toml_value(path, key, value, action)
    return values


def _toml_value(path: Path, key: str, value: object, action: argparse.Action) -> object:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{path}: {key} = {value!r} is not possible. Allowed: true, false.")
        return value
    allowed = ", ".join(action.choices) if action.choices else getattr(action.type, "__name__", "text")
    try:
        read = action.type(str(value)) if callable(action.type) else str(value)
    except ValueError as error:
        raise UsageError(f"{path}: {key} = {value!r} is not possible. Allowed: {allowed}.") from error
    if action.choices and read not in action.choices:
        raise UsageError(f"{path}: {key} = {value!r} is not possible. Allowed: {allowed}.")
    return read
