"""What each worker process is at, and the end of one that takes too long over a file or too much memory for it.

The workers report it themselves beforehand: a dead one can no longer be asked, and one that hangs does not answer.
"""

import os
import threading
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple, Self

import psutil

INTERVAL = 0.25  # seconds between two looks at the workers


@dataclass(frozen=True)
class WorkerLimits:
    """What one file may cost. Far more than any whole file needs (tests/bench/memory.py, tests/bench/speed.py).

    seconds: for a photo, or between two pictures of a video; bytes_per_second: so slow may a disk be, besides.
    memory: bytes that a worker holds; on a small computer half of what that has.
    """

    seconds: float = 300.0
    bytes_per_second: float = 1e6
    memory: int = 4 << 30  # 250 megapixels in TIFF, the largest picture that is opened, take 2.9 GB

    def seconds_for(self, size: int) -> float:
        """How long a file of `size` bytes may take."""
        return self.seconds + size / self.bytes_per_second

    @property
    def memory_here(self) -> int:
        """Bytes that a worker may hold on this computer."""
        return min(self.memory, int(psutil.virtual_memory().total) // 2)


class Held(NamedTuple):
    """The file that a worker is at: the number of its batch, its place in there, and how many seconds it may take."""

    batch: int
    position: int
    seconds: float


@dataclass
class AtWork:
    """A worker with a file in its hands, and for how many seconds. too_much: what it was ended for, in words."""

    held: Held
    seconds: float = 0.0
    too_much: str | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether the file has taken longer than it may."""
        return self.seconds > self.held.seconds


class Watch:
    """The parent's side; a context manager around the time in which the workers work.

    outbox: the end of the pipe that goes to the workers. A pipe is no file, so that nothing is written anywhere, and
    what went into it outlives the worker.
    """

    def __init__(self) -> None:
        self._inbox, self.outbox = Pipe(duplex=False)
        self._at_work: dict[int, AtWork] = {}

    def over(self, limits: WorkerLimits) -> Self:
        """Have these limits from here on."""
        self._memory = limits.memory_here
        return self

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.outbox.send(None)
        self._thread.join()

    def at_work(self) -> list[AtWork]:
        """The workers that had a file in their hands when the watch ended."""
        return sorted(self._at_work.values(), key=lambda work: work.held)

    def _listen(self) -> None:
        looked = time.monotonic()
        while True:
            if self._inbox.poll(INTERVAL):
                report = self._inbox.recv()
                if report is None:
                    return
                worker, held = report
                if held:
                    self._at_work[worker] = AtWork(held)
                else:
                    self._at_work.pop(worker, None)
            now = time.monotonic()
            # Not by old news: after a pause, what happened meanwhile still waits to be read.
            if now - looked >= INTERVAL and not self._inbox.poll():
                # When the computer was asleep, so were the workers.
                self._look(min(now - looked, 2 * INTERVAL))
                looked = now

    def _look(self, passed: float) -> None:
        for worker, work in self._at_work.items():
            work.seconds += passed
            if work.too_much:
                continue
            try:
                process = psutil.Process(worker)
                if work.is_overdue:
                    work.too_much = f"it takes longer than {work.held.seconds:.0f} seconds"
                elif process.memory_info().rss > self._memory:
                    work.too_much = f"it takes more than {self._memory / 1e9:.1f} GB of memory"
                if work.too_much:
                    process.kill()
            except (psutil.Error, OSError):
                continue  # it has just ended


class Reporter:
    """A worker's side. Until it is connected, as in a program without workers, it reports to nobody."""

    def __init__(self) -> None:
        self._outbox: Connection[object, object] | None = None
        self._held: Held | None = None

    def connect(self, outbox: "Connection[object, object]") -> None:
        self._outbox = outbox

    def report(self, held: Held | None) -> None:
        """Tell the parent which file comes now, before it is touched; None: no more."""
        self._held = held
        if self._outbox:
            self._outbox.send((os.getpid(), held))

    def alive(self) -> None:
        """Begin the file's seconds anew."""
        self.report(self._held)
