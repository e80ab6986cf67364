"""Files -> the crew of workers -> rows in the index."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from facefinder.errors import IndexFileError, Interrupted
from facefinder.faces.analyzer import AnalyzerSpec, Face
from facefinder.faces.trial import choose_device
from facefinder.index import Content, Index
from facefinder.media.archives import open_found
from facefinder.media.kinds import Kind, kind_of_name
from facefinder.media.walk import FoundFile
from facefinder.progress import Progress
from facefinder.storage.quarantine import Quarantine
from facefinder.workers.crew import results_of
from facefinder.workers.gpu import embedded_together
from facefinder.workers.look import FileResult
from facefinder.workers.watch import WorkerLimits

BATCH = 4  # files a worker takes at once, neighbours on the disk
SAMPLE_BYTES = 1 << 16  # read of files of one size to see which may be copies of one photo


@dataclass
class ScanReport:
    """What a scan went through: photos and videos, told apart by their names.

    problems: (path, reason). seconds: the workers' time, by stage. gone: places that went away meanwhile.
    """

    photos: int = 0
    analysed: int = 0
    faces: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    videos: int = 0
    gone: list[Path] = field(default_factory=list)

    def count(self, file: FoundFile) -> None:
        """One more that was looked into, now or before."""
        if kind_of_name(file.path) is Kind.VIDEO:
            self.videos += 1
        else:
            self.photos += 1

    def miss(self, places: Sequence[Path]) -> None:
        """Some places have gone; that nothing in them can be read is no news then."""
        self.gone = list(places)
        self.problems = [
            (path, reason)
            for path, reason in self.problems
            if not any(Path(path).is_relative_to(place) for place in places)
        ]


def scan(
    files: Iterable[FoundFile],
    index: Index,
    spec: AnalyzerSpec,
    jobs: int,
    progress: Progress,
    count_matches: Callable[[list[Face]], int] = lambda faces: 0,
    limits: WorkerLimits | None = None,
) -> ScanReport:
    """Analyse every file that the index does not know, and store what was found.

    count_matches: tells the progress how many of a photo's new faces are matches. limits: what one file may cost; not
    with one job, which is done in this process. Raises Interrupted on Ctrl-C, after storing what is done;
    IndexFileError; WorkerError.
    """
    limits = limits or WorkerLimits()
    report, quarantine = ScanReport(), Quarantine(index)
    known, new = 0, []
    for file in files:
        if index.see_again(file):
            known += 1
            report.count(file)
        elif reason := quarantine.reason_for(file):
            report.problems.append((file.path, reason))
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
        with closing(embedded_together(results_of(batches, spec, jobs, limits), spec, progress.say)) as results:
            for result in results:
                _store(result, index, report)
                if result.analysis:
                    matches += count_matches(result.analysis.faces)
                progress.advance(f"{matches} matches, {report.faces} faces")
    except KeyboardInterrupt:
        index.commit()
        raise Interrupted(
            f"Stopped. {report.photos} photos are done and kept; the same command goes on from there."
        ) from None
    except Exception:
        with suppress(IndexFileError):
            index.commit()  # the files so far are whole
        raise
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
        if result.problem and result.quarantine:
            Quarantine(index).add(result.file, result.problem)
        return
    analysis = result.analysis
    is_new = analysis or result.problem
    with index.whole():
        if is_new:
            content = Content(result.sha256, result.file.bytes)
            if analysis:
                content = replace(content, width=analysis.width, height=analysis.height, taken=analysis.taken)
            index.add_analysis(content, analysis.faces if analysis else [], result.problem)
        index.add_place(result.file, result.sha256)
    # Counted when it is kept: Ctrl-C may come in between.
    report.count(result.file)
    if is_new:
        report.analysed += 1
    if analysis:
        report.faces += len(analysis.faces)
        for stage, spent in analysis.seconds.items():
            report.seconds[stage] += spent


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
            with open_found(file.path) as opened:
                opened.seek(file.bytes // 2)
                alike[hashlib.sha256(opened.read(SAMPLE_BYTES)).digest()].append(file)
        except OSError:
            alike[b""].append(file)  # the worker will say what is wrong with it
    return list(alike.values())
