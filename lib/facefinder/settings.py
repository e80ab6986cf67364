"""Flags and face_finder.toml -> one frozen Settings."""

import argparse
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from facefinder.errors import UsageError
from facefinder.flags import PARSERS, PROGRAM, not_possible, path_of

# These say what to do in one run; in the file they would do it again and again.
ONE_RUN = (
    *("help", "version", "demo", "person", "together", "without"),
    *("undo", "history", "export", "import_"),
)


@dataclass(frozen=True)
class GroupsSettings:
    """What only the command `groups` wants to know."""

    method: str
    undo: bool
    history: bool
    export: Path | None
    import_: Path | None


@dataclass(frozen=True)
class Settings:
    """What the user wants, checked. index is None for --no-index; places are empty for this computer's own folders.

    report: where the page to look at is written: beside the index, or with the copies where the index is not on the
    stick or is none; None if there is neither.

    notes: what differs from what the user may expect, to be said before the work. from_refs: whether everybody in refs
    is meant; if not, `people` are. command: a key of flags.PARSERS. grouping: what only `groups` wants to know.
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
    groups: Path | None = None
    people: tuple[str, ...] = ()
    together: bool = False
    without: tuple[str, ...] = ()
    from_refs: bool = True
    grouping: GroupsSettings | None = None
    command: str = "find"
    device: str = "auto"
    report: Path | None = None

    @property
    def groups_folder(self) -> Path:
        """Where the groups are written, and read back."""
        return self.groups or self.home / "groups"

    @property
    def models(self) -> Path:
        """Where the model files lie."""
        return self.home / "models"


def read_settings(arguments: Sequence[str], home: Path) -> Settings:
    """Merge the flags with face_finder.toml in `home`; a flag wins. Raises UsageError."""
    command = arguments[0] if arguments and arguments[0] in PARSERS else "find"
    parsers = {name: parser() for name, parser in PARSERS.items()}
    parsers[command].set_defaults(**_read_toml(home / "face_finder.toml", command, parsers))
    if command != "find":
        parsers[command].set_defaults(copy=None)  # in the file it is meant for the main command
    given = parsers[command].parse_args(arguments[1:] if arguments[:1] == [command] else arguments)
    for other in parsers.values():  # what this command has no flag for is as if it were not given
        for name, value in vars(other.parse_args([])).items():
            if not hasattr(given, name):
                setattr(given, name, value)
    if given.demo:
        given.refs, given.places = home / "demo" / "refs", [home / "demo" / "album"]
        given.copy = given.copy or home / "demo" / "found"
    if not arguments:  # the double-click
        given.copy = given.copy or home / "found" / (platform.node() or "computer")
    index = None if given.index is False else given.index or home / "index.sqlite"
    beside = index.parent if index else None
    notes = []
    if given.index is None and not _can_write(home / "index.sqlite"):
        index = platformdirs.user_cache_path("face-finder", appauthor=False, ensure_exists=True) / "index.sqlite"
        notes.append(f"{home} cannot be written to. What is found out about the photos is kept in\n  {index}")
        if not arguments and given.copy.is_relative_to(home):
            given.copy = None
            notes.append(f"For the same reason nothing is copied. To copy, start it with:  {PROGRAM} --copy FOLDER")
        beside = None  # what shows faces is not left on a computer without a word
    if beside is None and given.copy and not given.dry_run:
        beside = given.copy
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
        groups=given.groups,
        people=tuple(given.person),
        together=given.together,
        without=tuple(given.without),
        from_refs=bool(given.refs) or not given.person,
        grouping=GroupsSettings(given.method, given.undo, given.history, given.export, given.import_)
        if command == "groups"
        else None,
        command=command,
        device=given.device,
        report=beside / "report.html" if beside else None,
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


def _read_toml(path: Path, command: str, parsers: Mapping[str, argparse.ArgumentParser]) -> dict[str, object]:
    """Read each key as if it were the flag of that name, so that both accept the same values."""
    try:
        table = tomllib.loads(path.read_text("utf-8-sig"))  # Windows editors put a byte order mark in front
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}. Texts and paths go in single quotes: 'E:\\found'."
        ) from error
    actions = _settings_of(parsers[command])
    others = {name: action for parser in parsers.values() for name, action in _settings_of(parser).items()}
    values: dict[str, object] = {}
    for key, value in table.items():
        action = actions.get(key.replace("_", "-"))
        if action is None and key.replace("_", "-") in others:
            continue
        if action is None:
            names = ", ".join(sorted(others))
            raise UsageError(f"{path}: there is no setting called {key!r}. Settings: {names}.")
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


def _settings_of(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Name -> the flag, of all flags but those that stand for one run."""
    return {
        action.option_strings[-1].removeprefix("--"): action
        for action in parser._actions
        if action.option_strings and action.dest not in ONE_RUN
    }


def _toml_value(value: object, action: argparse.Action) -> object:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise not_possible(value, "true, false")
        return action.const
    if action.choices and value not in action.choices:
        raise not_possible(value, ", ".join(action.choices))
    if action.type is path_of and not isinstance(value, str):
        raise not_possible(value, "the name of a file or folder, in quotes")
    return action.type(str(value)) if callable(action.type) else value
