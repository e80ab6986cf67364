"""The main job: reference photos in, the photos of those people out."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facefinder.collect import Collector, CopyReport
from facefinder.errors import DestinationError, PlacesError
from facefinder.faces.analyzer import Face, specify
from facefinder.faces.models import Thresholds, recogniser
from facefinder.index import Index
from facefinder.match import Limits, PhotoMatch, match
from facefinder.media.walk import outermost, photo_folders, walk
from facefinder.people import Person, read_people, reference_files
from facefinder.progress import NoProgress, Progress
from facefinder.scan import ScanReport, scan
from facefinder.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """What a run found. to_copy: how many photos --dry-run would have copied. seconds: the whole run."""

    people: list[Person]
    matches: list[PhotoMatch]
    places: list[Path]
    limits: Limits
    scan: ScanReport
    copies: CopyReport | None
    to_copy: int
    seconds: float


def find(settings: Settings, progress: Progress) -> Outcome:
    """Look through the places for the people of the references; copy their photos if asked to."""
    started = time.monotonic()
    places = _places(settings)
    photos_of = reference_files(settings.refs)
    spec = specify(settings.model, settings.min_face, settings.models)
    limits = _limits(settings)
    collector = Collector(settings.copy) if settings.copy else None
    with Index(settings.index, spec.key, platform.node()) as index:
        references = scan(
            [photo for photos in photos_of.values() for photo in photos],
            index,
            spec,
            settings.jobs,
            NoProgress(),
        )
        people = read_people(photos_of, index.faces_at, references.problems, _thresholds(settings).maybe)

        def count_matches(faces: Sequence[Face]) -> int:
            return len(match(np.stack([face.vector for face in faces]), people, limits)) if faces else 0

        index.begin_run()
        unlistable: list[tuple[str, str]] = []
        files = walk(
            places,
            never=_never(settings, places),
            on_problem=lambda path, why: unlistable.append((path, why)),
        )
        report = scan(files, index, spec, settings.jobs, progress, count_matches)
        report.problems += unlistable
        matches = find_matches(index, people, limits)
    to_copy = len(collector.missing(matches)) if collector else len(matches)
    copies = collector.copy(matches, progress) if collector and not settings.dry_run else None
    return Outcome(people, matches, places, limits, report, copies, to_copy, time.monotonic() - started)


def find_matches(index: Index, people: Sequence[Person], limits: Limits) -> list[PhotoMatch]:
    """Each photo seen in this run with each person that it shows, by person, nearest first."""
    nearest: dict[tuple[int, int], tuple[float, tuple[float, ...]]] = {}
    for stored in index.faces_seen():
        for found in match(stored.vectors, people, limits):
            key = (int(stored.contents[found.face]), found.person)
            if key not in nearest or found.distance < nearest[key][0]:
                nearest[key] = (found.distance, tuple(stored.boxes[found.face].tolist()))
    matches = []
    for (number, person), (distance, box) in nearest.items():
        content, (source, *others) = index.content(number), index.places_seen(number)
        verdict = limits.verdict(distance)
        assert verdict, "match() returns only faces within the limits"
        matches.append(
            PhotoMatch(
                people[person].name,
                source,
                tuple(others),
                content.sha256.hex(),
                content.bytes,
                distance,
                verdict,
                box,  # type: ignore[arg-type]
                content.taken,
            )
        )
    return sorted(matches, key=lambda found: (found.person, found.distance, found.source))


def _limits(settings: Settings) -> Limits:
    if settings.threshold is not None:
        return Limits(settings.threshold, settings.threshold)
    return Limits(_thresholds(settings).sure, _thresholds(settings).maybe)


def _thresholds(settings: Settings) -> Thresholds:
    return recogniser(settings.model).thresholds


def _places(settings: Settings) -> list[Path]:
    if not settings.places:
        if folders := photo_folders():
            return folders
        raise PlacesError(
            "This computer's photo folders were not found. Name the folders to search, e.g. run.sh /mnt/disk"
        )
    for place in settings.places:
        if not os.path.exists(place):
            raise PlacesError(f"There is no {place}. Is the disk plugged in, and the name spelled right?")
        if settings.copy and place.resolve().is_relative_to(settings.copy.resolve()):
            raise DestinationError(
                f"The copies would go to {settings.copy}, and {place} lies in it: photos are not searched among their "
                "own copies. Name another folder with --copy."
            )
    return outermost(settings.places)


def _never(settings: Settings, places: Sequence[Path]) -> list[Path]:
    """Folders not to search: the copies, and the stick itself unless the user named a place on it."""
    never = [settings.copy] if settings.copy else []
    if not any(place.is_relative_to(settings.home) for place in places):
        never.append(settings.home)
    return never
