"""Batches of files -> joblib's worker processes -> results, whatever becomes of a worker."""

import itertools
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.connection import Connection
from typing import TypeAlias

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import BrokenProcessPool

from facefinder.errors import WorkerError
from facefinder.faces.analyzer import AnalyzerSpec, load
from facefinder.media.walk import FoundFile
from facefinder.workers.look import FileResult, look_into
from facefinder.workers.watch import AtWork, Held, Reporter, Watch, WorkerLimits

# A file with the SHA-256 of the known contents that it may be a copy of.
Entry: TypeAlias = tuple[FoundFile, frozenset[bytes]]

# How often a file that a dying worker had in its hands is tried alone: something else may have killed the worker.
TRIES = 2
MOST_DEATHS = 3  # of workers without a file in their hands and without a result in between

LEFT_OUT = "left out, because {}; --retry-failed tries it again"
CRASH = "it makes the program crash"

_REPORTER = Reporter()  # this process's, if it is a worker


class _WorkersDied(Exception):
    """A worker has died, and joblib has ended the others. at_work: those that had files in their hands."""

    def __init__(self, at_work: list[AtWork]):
        super().__init__()
        self.at_work = at_work


def results_of(
    batches: Iterable[list[Entry]], spec: AnalyzerSpec, jobs: int, limits: WorkerLimits
) -> Generator[FileResult, None, None]:
    """Look into the files in worker processes (in this one for one job, without limits); yields results as they come.

    When a worker dies, the files that were in the workers' hands are tried alone, each in fresh workers: the one
    that kills its worker again is left out, and so is, at once, one that takes too long. Raises WorkerError when no
    file is to blame.
    """
    numbers = itertools.count()
    waiting = {next(numbers): batch for batch in batches}
    deaths = 0
    while waiting:
        suspects: list[tuple[Entry, AtWork]] = []
        try:
            for number, results in _run(waiting, spec, jobs, limits):
                del waiting[number]
                deaths = 0
                yield from results
        except _WorkersDied as died:
            deaths = 0 if died.at_work else deaths + 1
            for work in died.at_work:
                others = waiting.pop(work.held.batch)
                suspects.append((others.pop(work.held.position), work))
                if others:
                    waiting[next(numbers)] = others
        if deaths == MOST_DEATHS:
            raise _no_worker_lives()
        for entry, work in suspects:
            yield _left_out(entry, work) if work.is_overdue else _alone(entry, spec, jobs, limits)


def _alone(entry: Entry, spec: AnalyzerSpec, jobs: int, limits: WorkerLimits) -> FileResult:
    at_work: list[AtWork] = []
    for _ in range(MOST_DEATHS):
        try:
            [(_, [result])] = _run({0: [entry]}, spec, jobs, limits)
            return result
        except _WorkersDied as died:
            at_work += died.at_work
            if len(at_work) == TRIES or any(work.is_overdue for work in died.at_work):
                break
    if not at_work:
        raise _no_worker_lives()
    return _left_out(entry, at_work[-1])


def _left_out(entry: Entry, work: AtWork) -> FileResult:
    return FileResult(entry[0], problem=LEFT_OUT.format(work.too_much or CRASH), quarantine=True)


def _no_worker_lives() -> WorkerError:
    return WorkerError(
        "The processes that look at the photos end as soon as they start. Is there enough free memory? Close other "
        "programs, or try it with --jobs 1. What is done is kept."
    )


def _run(
    batches: dict[int, list[Entry]], spec: AnalyzerSpec, jobs: int, limits: WorkerLimits
) -> Iterator[tuple[int, list[FileResult]]]:
    """(number, results) of each batch as they come. Raises _WorkersDied."""
    if jobs == 1:
        yield from (_look_through(number, batch, spec, limits) for number, batch in list(batches.items()))
        return
    watch = _watch()
    workers = Parallel(
        n_jobs=jobs,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        max_nbytes=None,  # through pipes, never through files in the searched computer's temporary folder
        initializer=_settle_in,
        initargs=(os.getpid(), watch.outbox),
    )
    try:
        with watch.over(limits):
            with _interrupts_held_back():
                # Starts the processes and returns at once.
                results = workers(
                    delayed(_look_through)(number, batch, spec, limits) for number, batch in list(batches.items())
                )
            yield from results
    except BaseException as error:
        _watch.cache_clear()  # joblib has ended the workers; the last words of these are not to reach the next watch
        if isinstance(error, BrokenProcessPool):
            raise _WorkersDied(watch.at_work()) from error
        raise


@cache
def _watch() -> Watch:
    """The watch over the workers of this process; the same each time, or joblib would start new workers each time."""
    return Watch()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Answer Ctrl-C only afterwards: joblib leaves behind what it was just starting.

    Processes started meanwhile stay deaf to it, so that only the parent answers.
    """
    pressed = []
    # Not blocked alone, for the system gives it to any thread that has not blocked it.
    answer = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    if sys.platform != "win32":
        # This helper process, which joblib needs, lets Ctrl-C through again when it starts; so it starts first.
        multiprocessing.resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, answer)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _settle_in(parent: int, outbox: "Connection[object, object]") -> None:
    """What a worker process does first. parent: the id of the process that started it; outbox: of its watch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for those that joblib starts anew later
    # libtiff and its like write about broken files straight to the terminal; the file's problem is reported instead.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _REPORTER.connect(outbox)


def _end_with(parent: int) -> None:
    """End this worker when its parent was killed; it would wait for work for minutes otherwise."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _look_through(
    number: int, batch: list[Entry], spec: AnalyzerSpec, limits: WorkerLimits
) -> tuple[int, list[FileResult]]:
    """What a worker does. Returns the batch's number and a result for each of its files."""
    load(spec)
    seen: set[bytes] = set()
    results = []
    for position, (file, known) in enumerate(batch):
        _REPORTER.report(Held(number, position, limits.seconds_for(file.bytes)))
        try:
            result = look_into(file, known | seen, spec, _REPORTER.alive)
        except Exception as error:  # noqa: BLE001 - one file must not end a run of hours; the next run tries it again
            result = FileResult(file, problem=f"the program cannot deal with it: {error!r}")
        if result.sha256:
            seen.add(result.sha256)
        results.append(result)
    _REPORTER.report(None)
    return number, results
