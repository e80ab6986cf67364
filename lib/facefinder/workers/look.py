"""One file -> what is in it, whatever kind it is: the door by which the workers enter the rooms of media and faces."""

import hashlib
import io
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from typing import BinaryIO

from facefinder.faces.analyzer import Analysis, Analyzer, AnalyzerSpec, Face, load
from facefinder.faces.track import Tracker
from facefinder.media import video
from facefinder.media.archives import open_found
from facefinder.media.decode import UnreadablePhoto, open_photo
from facefinder.media.kinds import HEAD, Kind, kind_of
from facefinder.media.motion import clip_at
from facefinder.media.raw import preview
from facefinder.media.walk import FoundFile

MAX_FILE_BYTES = 1 << 30  # no photo is larger; more would not fit into a small computer's memory
MAX_PAGES = 500  # of one file that are looked at


@dataclass(frozen=True)
class FileResult:
    """What a worker made of one file.

    analysis is None where the content was known already, where it is no photo, and where nothing could be read;
    sha256 is None where the file could not be read. quarantine: whether the next search is not even to open it.
    """

    file: FoundFile
    sha256: bytes | None = None
    analysis: Analysis | None = None
    problem: str | None = None
    quarantine: bool = False


def _nobody() -> None:
    """Hears the signs of life where nobody waits for them."""


def look_into(
    file: FoundFile, known: Container[bytes], spec: AnalyzerSpec, alive: Callable[[], None] = _nobody
) -> FileResult:
    """Analyse a file unless its content is known (by SHA-256). What is wrong with it is told, not raised.

    alive: called for each picture of a file that has many, which may take longer than any photo.
    """
    try:
        with open_found(file.path) as opened:
            head = opened.read(HEAD)
            kind = kind_of(file.path, head)
            if kind is None or (kind is Kind.ARCHIVE and not file.has_photo_suffix):
                return FileResult(file)
            if kind is Kind.VIDEO:
                opened.seek(0)
                sha256 = hashlib.file_digest(opened, "sha256").digest()
                opened.seek(0)
                return _result(file, sha256, known, spec, kind, opened, alive)
            if file.bytes > MAX_FILE_BYTES:
                return FileResult(file, problem="too large for a photo")
            data = head + opened.read(MAX_FILE_BYTES)  # no more, should it be growing
    except OSError as error:
        return FileResult(file, problem=f"cannot be opened: {error.strerror or error}")
    return _result(file, hashlib.sha256(data).digest(), known, spec, kind, data, alive)


def _result(
    file: FoundFile,
    sha256: bytes,
    known: Container[bytes],
    spec: AnalyzerSpec,
    kind: Kind,
    content: bytes | BinaryIO,
    alive: Callable[[], None],
) -> FileResult:
    if sha256 in known:
        return FileResult(file, sha256)
    analyzer = load(spec)
    try:
        if not isinstance(content, bytes):
            analysis = faces_in_video(content, analyzer, alive)
        else:
            analysis = _faces_in_still(preview(content) if kind is Kind.RAW else content, analyzer, spec, alive)
            if kind is Kind.PHOTO:
                analysis = _with_clip(analysis, content, analyzer, alive)
    except UnreadablePhoto as problem:
        return FileResult(file, sha256, problem=str(problem))
    return FileResult(file, sha256, analysis, analysis.problem)


def faces_in_video(file: BinaryIO, analyzer: Analyzer, alive: Callable[[], None] = _nobody) -> Analysis:
    """One face for each appearance of somebody. Raises UnreadablePhoto."""
    started = time.perf_counter()
    tracker = Tracker()
    with video.Video(file) as opened:
        for look in opened.looks():
            alive()
            back = (opened.width / look.pixels.shape[1], opened.height / look.pixels.shape[0])
            faces = [_moved(face, back) for face in analyzer.faces_in(look.pixels)]
            tracker.see(look.moment, look.scene, faces)
        if opened.damaged and not opened.width:
            raise UnreadablePhoto(video.DAMAGED)
        problem = video.DAMAGED if opened.damaged else None
        seconds = {"video": time.perf_counter() - started}
        return Analysis(opened.width, opened.height, opened.taken, tracker.appearances(), seconds, problem=problem)


def _faces_in_still(data: bytes, analyzer: Analyzer, spec: AnalyzerSpec, alive: Callable[[], None]) -> Analysis:
    analysis = analyzer.analyse(data)
    return _with_pages(analysis, data, analyzer, alive) if spec.all_pictures else analysis


def _with_pages(analysis: Analysis, data: bytes, analyzer: Analyzer, alive: Callable[[], None]) -> Analysis:
    """With the faces in the file's other pictures; who is in several of them counts once."""
    if clip_at(data):
        return analysis  # a moment of it is one of its clip
    photo = open_photo(data)
    tracker = Tracker()
    for page in range(1, min(photo.pages, MAX_PAGES)):
        alive()
        try:
            tracker.see(page, page, analyzer.faces_in(photo.page(page)))
        except UnreadablePhoto as problem:
            analysis = replace(analysis, problem=str(problem))
    others = [replace(face, seen=None) for face in tracker.appearances()]
    return replace(analysis, faces=[*analysis.faces, *others])


def _with_clip(analysis: Analysis, data: bytes, analyzer: Analyzer, alive: Callable[[], None]) -> Analysis:
    """With the faces of the clip that hangs behind the still picture, if there is one."""
    start = clip_at(data)
    if start is None:
        return analysis
    try:
        clip = faces_in_video(io.BytesIO(data[start:]), analyzer, alive)
    except UnreadablePhoto:
        return analysis  # the photo itself is whole
    return replace(analysis, faces=[*analysis.faces, *clip.faces], seconds=analysis.seconds | clip.seconds)


def _moved(face: Face, scale: tuple[float, float]) -> Face:
    """In the pixels of the upright video instead of those of a look."""
    across, down = scale
    left, top, width, height = face.box
    return replace(
        face,
        box=(left * across, top * down, width * across, height * down),
        landmarks=(face.landmarks * (across, down)).astype(face.landmarks.dtype),
    )
