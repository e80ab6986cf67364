"""Files -> joblib workers -> rows in the index."""

import hashlib
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from facefinder.errors import Interrupted, WorkerError
from facefinder.faces.analyzer import AnalyzerSpec, Face, load
from facefinder.faces.trial import choose_device
from facefinder.gpu import embedded_together
from facefinder.index import Content, Index
from facefinder.look import FileResult, look_into
from facefinder.media.files import open_untouched
from facefinder.media.kinds import Kind, kind_of_name
from facefinder.media.walk import FoundFile
from facefinder.progress import Progress

# Files that a worker takes at once, each with the SHA-256 of the known contents that it may be a copy of.
_Batch: TypeAlias = list[tuple[FoundFile, frozenset[bytes]]]

BATCH = 4  # files a worker takes at once, neighbours on the disk
SAMPLE_BYTES = 1 << 16  # read of files of one size to see which may be copies of one photo


@dataclass
class ScanReport:
    """What a scan went through: photos and videos, told apart by their names.

    problems: (path, reason). seconds: the workers' time, by stage.
    """

    photos: int = 0
    analysed: int = 0
    faces: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    videos: int = 0

    def count(self, file: FoundFile) -> None:
        """One more that was looked into, now or before."""
        if kind_of_name(file.path) is Kind.VIDEO:
            self.videos += 1
        else:
            self.photos += 1


def scan(
    files: Iterable[FoundFile],
    index: Index,
    spec: AnalyzerSpec,
    jobs: int,
    progress: Progress,
    count_matches: Callable[[list[Face]], int] = lambda faces: 0,
) -> ScanReport:
    """Analyse every file that the index does not know, and store what was found.

    count_matches: tells the progress how many of a photo's new faces are matches. Raises Interrupted on Ctrl-C,
    after storing what is done; IndexFileError; WorkerError.
    """
    report = ScanReport()
    known, new = 0, []
    for file in files:
        if index.see_again(file):
            known += 1
            report.count(file)
        else:
            new.append(file)
        progress.found(known + len(new))
    batches = [[(file, index.analysed_of_size(file.bytes)) for file in batch] for batch in _batches(new, jobs)]
    matches = 0
    if known:
        progress.say(f"Photos known from before: {known}. New files: {len(new)}.")
    spec = replace(spec, device=choose_device(spec, len(new), jobs, progress.say).name)
    progress.start("Looking at photos", len(new))
    try:
        # Closed at once also when storing fails, so that no worker goes on.
        with closing(embedded_together(_results(batches, spec, jobs), spec, progress.say)) as results:
            for result in results:
                _store(result, index, report)
                if result.analysis:
                    matches += count_matches(result.analysis.faces)
                progress.advance(f"{matches} matches, {report.faces} faces")
    except KeyboardInterrupt:
        raise Interrupted(
            f"Stopped. {report.photos} photos are done and kept; the same command goes on from there."
        ) from None
    finally:
        progress.finish()
    index.commit()
    report.problems += index.problems_seen()
    return report


def _store(result: FileResult, index: Index, report: ScanReport) -> None:
    """One file's result into the index and the report."""
    if result.sha256 is None:
        if result.problem:
            report.problems.append((result.file.path, result.problem))
        return
    report.count(result.file)
    analysis = result.analysis
    if analysis or result.problem:
        report.analysed += 1
        content = Content(result.sha256, result.file.bytes)
        if analysis:
            report.faces += len(analysis.faces)
            for stage, spent in analysis.seconds.items():
                report.seconds[stage] += spent
            content = Content(result.sha256, result.file.bytes, analysis.width, analysis.height, analysis.taken)
        index.add_analysis(content, analysis.faces if analysis else [], result.problem)
    index.add_place(result.file, result.sha256)


def _batches(files: list[FoundFile], jobs: int) -> Iterator[list[FoundFile]]:
    """Cut the list into batches in the order of the disk; files that may be copies of one photo go into one batch.

    Within a batch a copy is recognised without being analysed.
    """
    same_size: dict[int, list[FoundFile]] = defaultdict(list)
    for file in files:
        same_size[file.bytes].append(file)
    batch: list[FoundFile] = []
    for number, file in enumerate(files):
        # The last batches are small, so that all workers come to their end together.
        size = max(1, min(BATCH, (len(files) - number) // (4 * jobs)))
        for copies in _possible_copies(same_size.pop(file.bytes, [])):
            batch += copies
            if len(batch) >= size:
                yield batch
                batch = []
    if batch:
        yield batch


def _possible_copies(same_size: list[FoundFile]) -> list[list[FoundFile]]:
    """Divide files of one size: copies of one photo stay together, and many scans or bitmaps do not."""
    if len(same_size) <= BATCH:
        return [same_size]
    alike: dict[bytes, list[FoundFile]] = defaultdict(list)
    for file in same_size:
        try:
            with open_untouched(file.path) as opened:
                opened.seek(file.bytes // 2)
                alike[hashlib.sha256(opened.read(SAMPLE_BYTES)).digest()].append(file)
        except OSError:
            alike[b""].append(file)  # the worker will say what is wrong with it
    return list(alike.values())


def _results(batches: list[_Batch], spec: AnalyzerSpec, jobs: int) -> Generator[FileResult, None, None]:
    """Run the batches in worker processes (none for one job) and yield the results as they come.

    When a worker dies, the batches that were under way are gone through again file by file: the file that kills
    its worker a second time is the one to leave out.
    """
    waiting = dict(enumerate(batches))
    while waiting:
        handed_out: set[int] = set()
        try:
            for number, results in _run(waiting, handed_out, spec, jobs):
                del waiting[number]
                yield from results
        except TerminatedWorkerError:
            for number in sorted(handed_out & waiting.keys()):
                for entry in waiting.pop(number):
                    yield from _run_alone(entry, spec)


def _run(
    batches: dict[int, _Batch], handed_out: set[int], spec: AnalyzerSpec, jobs: int
) -> Iterator[tuple[int, list[FileResult]]]:
    def tasks() -> Iterator[object]:
        for number, batch in list(batches.items()):
            handed_out.add(number)
            yield delayed(_analyse_batch)(number, batch, spec)

    workers = Parallel(
        n_jobs=jobs,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        max_nbytes=None,  # through pipes, never through files in the searched computer's temporary folder
        initializer=_settle_in,
        initargs=(os.getpid(),),
    )
    with _interrupts_held_back() if jobs > 1 else nullcontext():
        results = workers(tasks())  # starts the processes and returns at once
    yield from results


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Answer Ctrl-C only afterwards. Processes started meanwhile stay deaf to it, so that only the parent answers."""
    if sys.platform == "win32":
        yield
        return
    # This helper process, which joblib needs, lets Ctrl-C through again when it starts; so it starts first.
    multiprocessing.resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _run_alone(entry: tuple[FoundFile, frozenset[bytes]], spec: AnalyzerSpec) -> list[FileResult]:
    try:
        # Two jobs, one task: with n_jobs=1 joblib would run it in this process.
        [(_, results)] = _run({0: [entry]}, set(), spec, jobs=2)
    except TerminatedWorkerError:
        _check_workers(spec)
        return [FileResult(entry[0], problem="reading it made the program crash; left out")]
    return results


def _check_workers(spec: AnalyzerSpec) -> None:
    """Raise WorkerError when workers die without any file; then none of the files is to blame."""
    try:
        list(_run({0: []}, set(), spec, jobs=2))
    except TerminatedWorkerError as error:
        raise WorkerError(
            "The processes that look at the photos end as soon as they start. Is there enough free memory? Close other "
            "programs, or try it with --jobs 1. What is done is kept."
        ) from error


def _settle_in(parent: int) -> None:
    """What a worker process does first. parent: the id of the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for those that joblib starts anew later
    # libtiff and its like write about broken files straight to the terminal; the file's problem is reported instead.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when its parent was killed; it would wait for work for minutes otherwise."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _analyse_batch(number: int, batch: _Batch, spec: AnalyzerSpec) -> tuple[int, list[FileResult]]:
    """What a worker does. Returns the batch's number and a result for each of its files."""
    load(spec)
    seen: set[bytes] = set()
    results = []
    for file, known in batch:
        try:
            result = look_into(file, known | seen, spec)
        except Exception as error:  # noqa: BLE001 - one file must not end a run of hours; the next run tries it again
            result = FileResult(file, problem=f"the program cannot deal with it: {error!r}")
        if result.sha256:
            seen.add(result.sha256)
        results.append(result)
    return number, results
