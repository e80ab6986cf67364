"""Telling the user how far a run is: a bar, plain lines, or nothing."""

import sys
import time
from typing import NoReturn, Protocol, TextIO

from tqdm import tqdm

LINE_SECONDS = 10.0  # between two plain lines
BAR = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"
CLEAR = "\r" + " " * 40 + "\r"  # wipes the line "Looking for photos"; an old Windows console knows no other way


class Progress(Protocol):
    """What the long parts of a run report. Only the parent process calls it."""

    def say(self, line: str) -> None:
        """Something that the user should know now."""

    def found(self, files: int) -> None:
        """The walk has come across this many files."""

    def start(self, what: str, total: int) -> None:
        """A part begins that goes through `total` files; `what` is said first."""

    def advance(self, note: str = "") -> None:
        """One more file is done; `note` is said behind the bar."""

    def finish(self) -> None:
        """The part is over, or broken off."""


class NoProgress:
    """Says nothing."""

    def say(self, line: str) -> None: ...

    def found(self, files: int) -> None: ...

    def start(self, what: str, total: int) -> None: ...

    def advance(self, note: str = "") -> None: ...

    def finish(self) -> None: ...


class BarProgress:
    """A bar for a terminal: share done, files per second, time left, and the note."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None
        self._found_shown = 0.0

    def say(self, line: str) -> None:
        self._stream.write(f"{CLEAR}{line}\n")

    def found(self, files: int) -> None:
        if time.monotonic() - self._found_shown > 0.1:
            self._found_shown = time.monotonic()
            self._stream.write(f"\rLooking for photos: {files} ")
            self._stream.flush()

    def start(self, what: str, total: int) -> None:
        # On a line of its own, so that 80 columns hold all that the bar says.
        self._stream.write(f"{CLEAR}{what}\n")
        self._bar = tqdm(
            total=total,
            file=self._stream,
            dynamic_ncols=True,
            smoothing=0.05,
            bar_format=BAR,
            unit=" photos",
            leave=False,
        )

    def advance(self, note: str = "") -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update()

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.close()


class LineProgress:
    """A plain line now and then, for a pipe or a log."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._what = ""
        self._total = self._done = 0
        self._shown = time.monotonic()

    def say(self, line: str) -> None:
        self._shown = time.monotonic()
        print(line, file=self._stream, flush=True)

    def found(self, files: int) -> None: ...

    def start(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0

    def advance(self, note: str = "") -> None:
        self._done += 1
        if time.monotonic() - self._shown > LINE_SECONDS:
            self.say(f"{self._what}: {self._done} of {self._total}{note and ', '}{note}")

    def finish(self) -> None: ...


def choose_progress(quiet: bool, stream: TextIO = sys.stderr) -> Progress:
    """A bar on a terminal; plain lines elsewhere, and wherever `quiet` is asked for."""
    return LineProgress(stream) if quiet or not stream.isatty() else BarProgress(stream)
