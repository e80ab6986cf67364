"""What each worker process is at, as it reports it itself: a dead one can no longer be asked."""

import os
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple, Self


class Held(NamedTuple):
    """The file that a worker is at: the number of its batch, and its place in there."""

    batch: int
    position: int


class Watch:
    """The parent's side; a context manager around the time in which the workers work.

    outbox: the end of the pipe that goes to the workers. A pipe is no file, so that nothing is written anywhere, and
    what went into it outlives the worker.
    """

    def __init__(self) -> None:
        self._inbox, self.outbox = Pipe(duplex=False)
        self._held: dict[int, Held] = {}

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.outbox.send(None)
        self._thread.join()

    def held(self) -> list[Held]:
        """The files that the workers were at when the watch ended."""
        return sorted(self._held.values())

    def _listen(self) -> None:
        while (report := self._inbox.recv()) is not None:
            worker, held = report
            if held:
                self._held[worker] = held
            else:
                self._held.pop(worker, None)


class Reporter:
    """A worker's side. Until it is connected, as in a program without workers, it reports to nobody."""

    def __init__(self) -> None:
        self._outbox: Connection[object, object] | None = None

    def connect(self, outbox: "Connection[object, object]") -> None:
        self._outbox = outbox

    def report(self, held: Held | None) -> None:
        """Tell the parent which file comes now, before it is touched; None: no more."""
        if self._outbox:
            self._outbox.send((os.getpid(), held))
