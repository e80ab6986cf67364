"""The main job: people in (by reference photos, or by their groups), the photos of those people out."""

import os
import platform
import time
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from facefinder.collect import Collector, CopyReport
from facefinder.errors import DestinationError, PlacesError, ReferencesError
from facefinder.estimate import Estimate, estimates
from facefinder.faces.analyzer import AnalyzerSpec, Face, Rule, specify, with_all_pictures
from facefinder.faces.deepface_models import deepface_thresholds, specify_deepface
from facefinder.faces.measures import Measure
from facefinder.faces.models import recogniser
from facefinder.index import Index
from facefinder.match import Limits, PhotoMatch, Sighting, Verdict, match
from facefinder.media.gone import Watch
from facefinder.media.patience import Patience
from facefinder.media.roots import outermost, photo_folders
from facefinder.media.rules import NotSearched, Rules
from facefinder.media.walk import FoundFile, walk
from facefinder.people import Person, read_people, reference_files
from facefinder.progress import NoProgress, Progress
from facefinder.review.people import joined, no_such_person, people_of_groups, sharpened, verdicts_on
from facefinder.review.read import Reading, read_if_ours
from facefinder.review.word import History, Said, same_name
from facefinder.scan import ScanReport, scan
from facefinder.settings import Settings
from facefinder.storage.database import encrypt, is_plain, is_there, sweep
from facefinder.storage.passphrase import passphrase_of
from facefinder.storage.quarantine import Quarantine
from facefinder.tags.named import NamedPeople, named_people
from facefinder.together import narrow

# So many times as far as `maybe` the report shows what a looser threshold would have taken. A share, because some
# models of DeepFace have a tenth of the others' distances.
FURTHER = 1.14


@dataclass(frozen=True)
class Outcome:
    """What a run found. to_copy: how many photos --dry-run would have copied. seconds: the whole run.

    reading: what the user did in the groups folder before. further: photos a little beyond the limits; no matches.
    not_searched: what the walk passed over, and why. named: who was looked for by names in the photos' XMP.
    report: where the page to look at lies, or why there is none; None where none was written.
    shares: what share of somebody's photos was surely found, of those of whom that can be said. not_written: why the
    copies could not be made, or not all; to be raised once all else is said.
    """

    people: list[Person]
    matches: list[PhotoMatch]
    places: list[Path]
    limits: Limits
    scan: ScanReport
    copies: CopyReport | None
    to_copy: int
    seconds: float
    reading: Reading = field(default_factory=Reading)
    further: list[PhotoMatch] = field(default_factory=list)
    not_searched: NotSearched = field(default_factory=NotSearched)
    named: NamedPeople = field(default_factory=NamedPeople)
    report: Path | str | None = None
    shares: dict[str, Estimate] = field(default_factory=dict)
    not_written: DestinationError | None = None

    @property
    def failures(self) -> bool:
        """Whether something that was asked for could not be done."""
        return bool(self.scan.problems or (self.copies and self.copies.failures))


def find(settings: Settings, progress: Progress) -> Outcome:
    """Look through the places for the people of the references; copy their photos if asked to."""
    started = time.monotonic()
    places = places_to_search(settings)
    watch = Watch(places)
    photos_of = reference_files(settings.refs) if settings.from_refs else {}
    spec = spec_of(settings)
    limits = limits_of(settings)
    collector = Collector(settings.copy) if settings.copy else None
    with open_index(settings, spec) as index:
        reading = read_if_ours(index, settings.groups_folder)
        said = History(index).said()
        wanted = [*settings.people, *settings.without]
        of_groups = people_of_groups(index, said, wanted)
        others = [name for name in wanted if name not in of_groups and name not in photos_of]
        photos_of |= _references_of(others, settings, said)
        of_refs = people_of_references(photos_of, index, spec, settings)

        def everybody(named: Sequence[Person] = ()) -> list[Person]:
            people = (sharpened(index, said, person) for person in joined([*of_refs, *named]))
            return joined([*people, *of_groups.values()])

        people = everybody()

        def count_matches(faces: Sequence[Face]) -> int:
            return len(match(np.stack([face.vector for face in faces]), people, limits)) if faces and people else 0

        index.begin_search()
        unlistable: list[tuple[str, str]] = []
        not_searched = NotSearched()
        files = walk(
            places,
            rules_of(settings, places),
            on_problem=lambda path, why: unlistable.append((path, why)),
            on_skip=not_searched.add,
        )
        report = scan(files, index, spec, settings.jobs, progress, count_matches)
        report.problems += unlistable
        named = NamedPeople()
        if settings.refs_from_tags:
            of_model = model_limits(settings)
            named = named_people(index, of_model.maybe, of_model.rule, progress)
            names = list(named.photos)
            named = named.only(wanted if settings.people else names)
            people = everybody(named.people)
            _check_names(wanted, people, of_groups, said, names)
        usual = model_limits(settings).maybe
        matches, further = matches_within(index, people, limits, said, max(limits.maybe, usual) * FURTHER)
    shares = {}
    if not settings.together and not settings.without:
        a_little = limits.maybe * FURTHER
        looser = [*matches, *(found for found in further if found.distance <= a_little)]
        shares = estimates(people, looser, limits, a_little, usual)
    matches, further = ([found.told_in(settings.measure) for found in those] for those in (matches, further))
    left_out = [of_groups[name].name if name in of_groups else name for name in settings.without]
    without = [person.name for person in people if any(same_name(person.name, name) for name in left_out)]
    people = [person for person in people if person.name not in without]
    on_photos = matches
    names = [person.name for person in people]
    looser = narrow([*matches, *further], names, settings.together, without)
    matches = narrow(matches, names, settings.together, without)
    within = {(found.person, found.sha256) for found in matches}
    further = [found for found in looser if (found.person, found.sha256) not in within]
    to_copy = len(collector.missing(matches)) if collector else len(matches)
    copies, not_written = None, None
    try:
        copies = collector.copy(matches, progress) if collector and not settings.dry_run else None
        if collector and copies and settings.tag:
            collector.tag(on_photos, copies)
    except DestinationError as error:
        not_written = error
    report.miss(watch.gone())
    seconds = time.monotonic() - started
    limits = limits.told_in(settings.measure)
    found = (people, matches, places, limits, report, copies, to_copy, seconds, reading, further, not_searched, named)
    return Outcome(*found, shares=shares, not_written=not_written)


def open_index(settings: Settings, spec: AnalyzerSpec | None) -> Index:
    """The index of this computer's run. Raises IndexFileError."""
    index = Index(settings.index, spec.key if spec else None, platform.node(), _passphrase(settings))
    if settings.index:
        sweep(settings.index)
    if settings.retry_failed:
        Quarantine(index).clear()
    return index


def _passphrase(settings: Settings) -> str | None:
    """Of an index that is encrypted, or from now on. Raises UsageError, IndexFileError."""
    path = settings.index
    if path is None or not (settings.encrypt or is_there(path)) or (is_plain(path) and not settings.encrypt):
        return None
    passphrase = passphrase_of(path, is_new=is_plain(path) or not is_there(path))
    if is_plain(path):
        encrypt(path, passphrase)
    return passphrase


def people_of_references(
    photos_of: Mapping[str, Sequence[FoundFile]], index: Index, spec: AnalyzerSpec, settings: Settings
) -> list[Person]:
    """Name -> reference photos, to people; photos that the index knows are not analysed again.

    Of a photo that moves, and of a file of several pictures, the main picture counts.
    """
    photos = [photo for photos in photos_of.values() for photo in photos]
    problems = scan(photos, index, spec, settings.jobs, NoProgress()).problems
    limits = model_limits(settings)

    def main_faces_at(path: str) -> list[Face]:
        return [face for face in index.faces_at(path) if face.moment is None]

    return read_people(photos_of, main_faces_at, problems, limits.maybe, limits.rule)


def _check_names(
    wanted: Sequence[str], people: Sequence[Person], of_groups: Container[str], said: Said, names: Sequence[str]
) -> None:
    """Raise UsageError, ReferencesError where nobody is left to look for. names: those in the photos."""
    for name in wanted:
        if name not in of_groups and not any(same_name(name, person.name) for person in people):
            raise no_such_person(name, said, names)
    if not people:
        raise ReferencesError(
            "No face in these photos has a name that can be read (XMP regions, as digiKam, Lightroom and Picasa write "
            "them). Show who is meant with reference photos instead:  --refs DIR"
        )


def _references_of(names: Sequence[str], settings: Settings, said: Said) -> dict[str, list[FoundFile]]:
    """The reference photos of people who are wanted by name and are in no group. Raises UsageError, ReferencesError."""
    folder = settings.refs
    in_refs = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    photos_of = {}
    for name in names:
        own = next((path for path in in_refs if same_name(path.name, name)), None)
        if own is None and settings.refs_from_tags:
            continue  # the photos may name them
        if own is None:
            raise no_such_person(name, said, [path.name for path in in_refs if not path.name.startswith(".")])
        photos_of[own.name] = [photo for photos in reference_files(own).values() for photo in photos]
    return photos_of


def find_matches(index: Index, people: Sequence[Person], limits: Limits, said: Said | None = None) -> list[PhotoMatch]:
    """Each photo seen in this run with each person that it shows, by person, nearest first.

    said: the user's word, which is stronger than any distance.
    """
    return matches_within(index, people, limits, said or Said(), limits.maybe)[0]


def matches_within(
    index: Index, people: Sequence[Person], limits: Limits, said: Said, loosest: float
) -> tuple[list[PhotoMatch], list[PhotoMatch]]:
    """The same; and in the same order those that only a looser limit would take, up to `loosest`."""
    numbers = [said.person_called(person.name) for person in people]
    sightings: dict[tuple[int, int], list[Sighting]] = defaultdict(list)
    for stored in index.faces_seen():
        word = verdicts_on(said, numbers, stored.contents, stored.boxes)
        for found in match(stored.vectors, people, replace(limits, maybe=loosest), word):
            box, times = (tuple(columns[found.face].tolist()) for columns in (stored.boxes, stored.times))
            sighting = Sighting(found.verdict, found.distance, box, times, found.taken_from)
            sightings[int(stored.contents[found.face]), found.person].append(sighting)
    matches, further = [], []
    for (number, person), seen in sightings.items():
        near = [face for face in seen if face.verdict is Verdict.SURE or face.distance <= limits.maybe]
        of_photo = (people[person].name, index.content(number), index.places_seen(number))
        whole = PhotoMatch.of(*of_photo, seen, index.modified_ns(number))
        if near:  # of a video only those moments, but what a looser threshold does depends on all
            matches.append(replace(PhotoMatch.of(*of_photo, near, whole.modified_ns), taken_from=whole.taken_from))
        else:
            further.append(whole)
    matches.sort(key=_by_person)
    further.sort(key=_by_person)
    return matches, further


def _by_person(found: PhotoMatch) -> tuple[str, float, str]:
    return found.person, found.distance, found.source


def limits_of(settings: Settings) -> Limits:
    """The distances that count: the user's, or the model's."""
    if settings.threshold is not None:
        distance = settings.measure.to_cosine(settings.threshold)
        return replace(model_limits(settings), sure=distance, maybe=distance)
    return model_limits(settings)


def model_limits(settings: Settings) -> Limits:
    """The distances that count where the user named none."""
    return limits_of_model(settings.engine, settings.model, settings.detector, settings.measure)


def limits_of_model(engine: str, model: str, detector: str | None, measure: Measure) -> Limits:
    """The distances that count with a model. Raises ModelsError."""
    if engine == "deepface":
        return Limits(*deepface_thresholds(model, detector, measure), Rule.NEAREST)
    of_model = recogniser(model).thresholds
    return Limits(of_model.sure, of_model.maybe)


def spec_of(settings: Settings) -> AnalyzerSpec:
    """The analyzer that the user wants, its files checked. Raises ModelsError, UsageError."""
    if settings.engine == "deepface":
        pair = (settings.model, settings.detector)
        spec = specify_deepface(*pair, settings.backend, settings.min_face, settings.models)
    else:
        spec = specify(settings.model, settings.min_face, settings.models, settings.device)
    return with_all_pictures(spec) if settings.all_pictures else spec


def places_to_search(settings: Settings) -> list[Path]:
    if not settings.places:
        if folders := photo_folders():
            return folders
        raise PlacesError(
            "This computer's photo folders were not found. Name the folders to search, e.g. run.sh /mnt/disk"
        )
    for place in settings.places:
        is_there = Patience().ask_or(None, os.path.exists, place)
        if is_there is None:
            raise PlacesError(f"{place} does not answer. Is it on another computer that is off, or a failing disk?")
        if not is_there:
            raise PlacesError(f"There is no {place}. Is the disk plugged in, and the name spelled right?")
    check_destination(settings.copy, settings.places)
    return outermost(settings.places)


def check_destination(destination: Path | None, places: Sequence[Path]) -> None:
    """Raise DestinationError for copies among the originals, where names for other programs would lie, too."""
    for place in places if destination else ():
        resolved = Patience().ask_or(place.absolute(), place.resolve)
        if destination and resolved.is_relative_to(destination.resolve()):
            raise DestinationError(
                f"The copies would go to {destination}, and {place} lies in it: photos are not searched among their "
                "own copies. Name another folder with --copy."
            )


def rules_of(settings: Settings, places: Sequence[Path]) -> Rules:
    """What to pass over: the copies, the groups, and the stick itself unless the user named a place on it."""
    never = [settings.groups_folder, *([settings.copy] if settings.copy else [])]
    if not any(place.is_relative_to(settings.home) for place in places):
        never.append(settings.home)
    return Rules(tuple(never), settings.exclude, settings.include_system, settings.follow_links, settings.zip)
