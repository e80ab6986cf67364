"""Files -> joblib workers -> rows in the index."""

import hashlib
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from facefinder.errors import Interrupted
from facefinder.faces.analyzer import Analysis, AnalyzerSpec, Face, load
from facefinder.index import Content, Index
from facefinder.media.decode import UnreadablePhoto, looks_like_photo
from facefinder.media.files import open_untouched
from facefinder.media.walk import FoundFile
from facefinder.progress import Progress

# Files that a worker takes at once, each with the SHA-256 of the known contents that it may be a copy of.
_Batch: TypeAlias = list[tuple[FoundFile, frozenset[bytes]]]

BATCH = 4  # files a worker takes at once, neighbours on the disk
SAME_SIZE_BATCH = 64  # files of one size, kept together because they may be copies of one photo
MAX_FILE_BYTES = 1 << 30  # no photo is larger; more would not fit into a small computer's memory


@dataclass(frozen=True)
class FileResult:
    """What a worker made of one file.

    analysis is None where the content was known already, where it is no photo, and where there is a problem;
    sha256 is None where the file could not be read.
    """

    file: FoundFile
    sha256: bytes | None = None
    analysis: Analysis | None = None
    problem: str | None = None


@dataclass
class ScanReport:
    """What a scan went through. problems: (path, reason). seconds: the workers' time, by stage."""

    photos: int = 0
    analysed: int = 0
    faces: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


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
    after storing what is done; IndexFileError.
    """
    report = ScanReport()
    known, new = 0, []
    for file in files:
        if index.see_again(file):
            known += 1
        else:
            new.append(file)
        progress.found(known + len(new))
    report.photos = known
    batches = [[(file, index.analysed_of_size(file.bytes)) for file in batch] for batch in _batches(new, jobs)]
    matches = 0
    if known:
        progress.say(f"{known} photos are known from before, {len(new)} files are new.")
    progress.start("Looking at photos", len(new))
    try:
        for result in _results(batches, spec, jobs):
            _store(result, index, report)
            if result.analysis:
                matches += count_matches(result.analysis.faces)
            progress.advance(f"{report.faces} faces, {matches} matches")
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
    report.photos += 1
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
    """Cut the list into batches in the order of the disk; files of the same size go into one batch.

    Only a file of the same size can be a copy, and within a batch a copy is recognised without being analysed.
    """
    same_size: dict[int, list[FoundFile]] = defaultdict(list)
    for file in files:
        same_size[file.bytes].append(file)
    batch: list[FoundFile] = []
    for number, file in enumerate(files):
        # The last batches are small, so that all workers come to their end together.
        size = max(1, min(BATCH, (len(files) - number) // (4 * jobs)))
        twins = same_size.pop(file.bytes, [])
        for start in range(0, len(twins), SAME_SIZE_BATCH):
            batch += twins[start : start + SAME_SIZE_BATCH]
            if len(batch) >= size:
                yield batch
                batch = []
    if batch:
        yield batch


def _results(batches: list[_Batch], spec: AnalyzerSpec, jobs: int) -> Iterator[FileResult]:
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
            yield delayed(_analyse_batch)(number, batch, spec, os.getpid())

    # max_nbytes=None: results travel through pipes, never through files in the searched computer's temporary folder.
    workers = Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered", batch_size=1, max_nbytes=None)
    yield from workers(tasks())


def _run_alone(entry: tuple[FoundFile, frozenset[bytes]], spec: AnalyzerSpec) -> list[FileResult]:
    try:
        # Two jobs, one task: with n_jobs=1 joblib would run it in this process.
        [(_, results)] = Parallel(n_jobs=2, backend="loky", max_nbytes=None)(
            [delayed(_analyse_batch)(0, [entry], spec, os.getpid())]
        )
    except TerminatedWorkerError:
        return [FileResult(entry[0], problem="reading it made the program crash; left out")]
    return list(results)


def _analyse_batch(number: int, batch: _Batch, spec: AnalyzerSpec, parent: int) -> tuple[int, list[FileResult]]:
    """What a worker does. Returns the batch's number and a result for each of its files."""
    if os.getpid() != parent:
        _settle_in()
    seen: set[bytes] = set()
    results = []
    for file, known in batch:
        result = _analyse_file(file, known | seen, spec)
        if result.sha256:
            seen.add(result.sha256)
        results.append(result)
    return number, results


@lru_cache(maxsize=1)
def _settle_in() -> None:
    """Once per worker process."""
    # Ctrl-C reaches the whole process group; only the parent answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # libtiff and its like write about broken files straight to the terminal; the file's problem is reported instead.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _analyse_file(file: FoundFile, known: frozenset[bytes] | set[bytes], spec: AnalyzerSpec) -> FileResult:
    try:
        if file.bytes > MAX_FILE_BYTES:
            return FileResult(file, problem="too large for a photo")
        with open_untouched(file.path) as opened:
            data = opened.read(16)
            if not file.has_photo_suffix and not looks_like_photo(data):
                return FileResult(file)
            data += opened.read()
    except OSError as error:
        return FileResult(file, problem=f"cannot be opened: {error.strerror or error}")
    sha256 = hashlib.sha256(data).digest()
    if sha256 in known:
        return FileResult(file, sha256)
    try:
        return FileResult(file, sha256, load(spec).analyse(data))
    except UnreadablePhoto as problem:
        return FileResult(file, sha256, problem=str(problem))
