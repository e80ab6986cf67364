"""What each run did, in a file on the stick: plain words, and beside it the same as JSON lines for programs."""

import itertools
import json
import platform
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from facefinder import __version__
from facefinder.errors import FaceFinderError
from facefinder.flags import PROGRAM

KEPT = 100  # runs
NAME_ERRORS = sys.getfilesystemencodeerrors()  # a file's name may be no valid Unicode
_NAME = re.compile(r"\d{4}-\d\d-\d\d \d\d-\d\d( \(\d+\))?\.(txt|jsonl)")


class RunLog:
    """The log of one run: begun at its start, so that also a run that is killed has left one.

    Where it cannot be written (a full or write-protected stick) there is none, and the run goes on.
    """

    def __init__(self, folder: Path | None, arguments: Sequence[str]):
        """folder: where the logs of all runs lie; None to write none."""
        self._path = _begin(folder, arguments) if folder else None

    def add(self, words: str, result: str = "", places: Sequence[Path] = ()) -> None:
        """Append words, behind the places that were searched; and what they tell as one JSON object.

        Of that each list becomes a line for each item.
        """
        if places:
            words = "\n  ".join(["Searched:", *map(str, places)]) + f"\n\n{words}"
        if self._path:
            with suppress(OSError):
                _append(self._path, f"{words}\n")
                if result:
                    _append(self._path.with_suffix(".jsonl"), "".join(f"{line}\n" for line in _lines_of(result)))


@contextmanager
def logged(folder: Path | None, arguments: Sequence[str]) -> Iterator[RunLog]:
    """A log that also tells how the run ended: in time, or why it did not go on."""
    log = RunLog(folder, arguments)
    try:
        yield log
    except FaceFinderError as error:
        log.add(str(error))
        raise
    except KeyboardInterrupt:
        log.add("Stopped with Ctrl-C.")
        raise
    except Exception:
        log.add(traceback.format_exc())
        raise
    finally:
        log.add(f"\nEnded on {_now()}.")


def _begin(folder: Path, arguments: Sequence[str]) -> Path | None:
    start = time.strftime("%Y-%m-%d %H-%M")
    words = [
        f"Face Finder {__version__} on {platform.node()}, begun on {_now()}:",
        f"  {' '.join([PROGRAM, *arguments])}",
        "If no end is written below, the run was broken off.",
        "\n",
    ]
    try:
        folder.mkdir(exist_ok=True)
        _forget_old(folder)
        for number in itertools.count(1):
            path = folder / (f"{start}.txt" if number == 1 else f"{start} ({number}).txt")
            with suppress(FileExistsError):
                _append(path, "\n".join(words), mode="x")
                return path
    except OSError:
        pass
    return None


def logs_in(folder: Path) -> list[Path]:
    """The files in a folder that are logs of runs."""
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.is_dir() else []


def _forget_old(folder: Path) -> None:
    """Make room for one more."""
    logs = logs_in(folder)
    runs = sorted({path.stem for path in logs})
    for path in logs:
        if path.stem not in runs[-KEPT + 1 :]:
            path.unlink()


def _append(path: Path, text: str, mode: str = "a") -> None:
    with path.open(mode, encoding="utf-8", errors=NAME_ERRORS) as file:
        file.write(text)


def _lines_of(result: str) -> Iterator[str]:
    told = json.loads(result)
    for key in [key for key, value in told.items() if isinstance(value, list)]:
        yield from (json.dumps({key: item}) for item in told.pop(key))
    yield json.dumps(told)


def _now() -> str:
    return time.strftime("%Y-%m-%d at %H:%M:%S")
