"""Flags and face_finder.toml -> one frozen Settings."""

import argparse
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from facefinder.errors import UsageError
from facefinder.faces import deepface_models, models
from facefinder.faces.measures import MEASURES, Measure
from facefinder.flags import PARSERS, PROGRAM, not_possible, path_of
from facefinder.pages.language import ENGLISH

# These say what to do in one run; in the file they would do it again and again.
ONE_RUN = (
    *("help", "version", "demo", "person", "together", "without"),
    *("everything", "computer", "yes"),
    *("undo", "history", "export", "import_", "retry_failed"),
)

INDEX_NAME = "index.sqlite"

# Engine -> what it does unless the user chooses: the model, and the smallest face to look for, pixels (0: any).
DEFAULT_MODELS = {"native": models.DEFAULT_RECOGNISER, "deepface": deepface_models.DEFAULT_MODEL}
SMALLEST_FACES = {"native": 20, "deepface": 0}


@dataclass(frozen=True)
class GroupsSettings:
    """What only the command `groups` wants to know."""

    method: str
    undo: bool
    history: bool
    export: Path | None
    import_: Path | None


@dataclass(frozen=True)
class ForgetSettings:
    """What only the command `forget` wants to know. yes: not to be asked."""

    everything: bool
    computers: tuple[str, ...]
    yes: bool


@dataclass(frozen=True)
class Settings:
    """What the user wants, checked. index is None for --no-index; places are empty for this computer's own folders.

    report: where the page to look at is written: beside the index, or with the copies where the index is not on the
    stick or is none; None if there is neither. logs: where runs are logged: beside the index if that is on the stick.

    notes: what differs from what the user may expect, to be said before the work. from_refs: whether everybody in refs
    is meant; if not, `people` are. by_hand: whether there were flags or a command. command: a key of flags.PARSERS.
    grouping, forget: what only these commands want to know.
    encrypt: whether the index is to be encrypted; one that is, is known by itself.
    refs_from_tags: whether named faces in the searched photos are references.
    tag: "xmp" if names are to be written beside the copies.
    engine: "native" or "deepface"; detector, backend: of the latter. distance: a key of MEASURES, for what is told.
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
    forget: ForgetSettings | None = None
    command: str = "find"
    device: str = "auto"
    report: Path | None = None
    engine: str = "native"
    detector: str | None = None
    backend: str = deepface_models.DEFAULT_BACKEND
    distance: str = "cosine"
    exclude: tuple[str, ...] = ()
    include_system: bool = False
    follow_links: bool = False
    zip: bool = False
    by_hand: bool = False
    all_pictures: bool = False
    tag: str | None = None
    retry_failed: bool = False
    refs_from_tags: bool = False
    encrypt: bool = False
    logs: Path | None = None
    language: str = ENGLISH

    @property
    def measure(self) -> Measure:
        """In what distances are told, and a threshold is read."""
        return MEASURES[self.distance]

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
    if command == "forget":
        parsers[command].set_defaults(refs_from_tags=False)  # to read all photos takes long, and is to be asked for
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
    _check_engine(given)
    index = None if given.index is False else given.index or home / INDEX_NAME
    beside = index.parent if index else None
    notes = []
    if given.tag and not given.copy:
        notes.append("--tag writes names beside copies only. To make copies, add:  --copy FOLDER")
    in_cache = platformdirs.user_cache_path("face-finder", appauthor=False) / INDEX_NAME
    if command == "forget":
        if given.index is None and in_cache.exists() and not (home / INDEX_NAME).exists():
            index = in_cache  # of a stick that is write-protected
    elif given.index is None and not _can_write(home / INDEX_NAME):
        index = in_cache
        index.parent.mkdir(parents=True, exist_ok=True)
        notes.append(f"{home} cannot be written to. What is found out about the photos is kept in\n  {index}")
        if not arguments and given.copy.is_relative_to(home):
            given.copy = None
            notes.append(f"For the same reason nothing is copied. To copy, start it with:  {PROGRAM} --copy FOLDER")
        beside = None  # what shows faces is not left on a computer without a word
    logs = beside / "logs" if beside else None
    if beside is None and given.copy and not given.dry_run:
        beside = given.copy
    if beside is None and notes:
        notes.append("For the same reason no page with pictures is written.")
    return Settings(
        home=home,
        places=tuple(given.places),
        refs=given.refs or home / "refs",
        copy=given.copy,
        dry_run=given.dry_run,
        threshold=given.threshold,
        model=given.model or DEFAULT_MODELS[given.engine],
        min_face=SMALLEST_FACES[given.engine] if given.min_face is None else given.min_face,
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
        from_refs=bool(given.refs) or not (given.person or given.refs_from_tags),
        grouping=GroupsSettings(given.method, given.undo, given.history, given.export, given.import_)
        if command == "groups"
        else None,
        forget=ForgetSettings(given.everything, tuple(given.computer), given.yes) if command == "forget" else None,
        command=command,
        device=given.device,
        report=beside / "report.html" if beside else None,
        engine=given.engine,
        detector=given.detector,
        backend=given.backend or deepface_models.DEFAULT_BACKEND,
        distance=given.distance,
        exclude=tuple(given.exclude),
        include_system=given.include_system,
        follow_links=given.follow_links,
        zip=given.zip,
        by_hand=bool(arguments),
        logs=logs,
        all_pictures=given.all_pictures,
        tag=given.tag,
        retry_failed=given.retry_failed,
        refs_from_tags=given.refs_from_tags,
        encrypt=given.encrypt,
        language=given.language,
    )


def _check_engine(given: argparse.Namespace) -> None:
    """Raise UsageError where flags do not go together."""
    if given.model and given.engine == "native":
        given.model = given.model.lower()
        if given.model not in models.RECOGNISERS and given.model in map(str.lower, deepface_models.RECOGNISERS):
            raise UsageError(f"--model {given.model} is one of DeepFace: add --engine deepface.")
    if given.engine == "native" and (given.detector or given.backend):
        flag = "--detector" if given.detector else "--backend"
        raise UsageError(f"{flag} goes with --engine deepface: add that, or leave {flag} out.")
    if given.engine == "deepface" and given.device not in ("auto", "cpu"):
        raise UsageError(f"--device {given.device} does not go with --engine deepface: leave one of them out.")
    measure = MEASURES[given.distance]
    if given.threshold is not None and measure.to_cosine(given.threshold) >= 1:
        raise UsageError(
            f"--threshold {given.threshold} is not possible with --distance {measure.name}. "
            f"Allowed: a distance between 0 and {measure.of_cosine(1):.2f}."
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
        action.option_strings[0].removeprefix("--"): action
        for action in parser._actions
        if action.option_strings and action.dest not in ONE_RUN
    }


def _toml_value(value: object, action: argparse.Action) -> object:
    if isinstance(action.default, list):  # a flag that may be given again
        return [_one_value(str(one), action) for one in (value if isinstance(value, list) else [value])]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise not_possible(value, "true, false")
        return True if action.const is None else action.const
    if action.choices and value not in action.choices:
        raise not_possible(value, ", ".join(action.choices))
    if action.type is path_of and not isinstance(value, str):
        raise not_possible(value, "the name of a file or folder, in quotes")
    return _one_value(str(value), action) if action.type else value


def _one_value(text: str, action: argparse.Action) -> object:
    return action.type(text) if callable(action.type) else text
