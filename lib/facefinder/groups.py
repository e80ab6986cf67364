"""The second job: all faces of a place sorted by person, into folders to look through; and photos of people out.

The way of a face: scanned into the index -> the groups folder read for what the user did -> grouped, with the user's
word as the law -> shown in the groups folder -> the photos of those asked for copied out.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from facefinder.collect import Collector, CopyReport
from facefinder.errors import UsageError
from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.find import check_destination, model_limits, open_index, places_to_search, rules_of, spec_of
from facefinder.group import METHODS, STRANGER, Grouping, group, settled
from facefinder.index import Index
from facefinder.match import Limits, PhotoMatch
from facefinder.media.gone import Watch
from facefinder.media.patience import Patience
from facefinder.media.roots import outermost
from facefinder.media.rules import NotSearched
from facefinder.media.walk import walk
from facefinder.progress import Progress
from facefinder.review.exchange import export_people, import_step, read_people_file
from facefinder.review.names import Kind, number_name
from facefinder.review.people import find_number, matches_of_groups, nearest_of_each, no_such_person
from facefinder.review.piled import (
    PiledFaces,
    add_piles,
    known,
    new_person,
    piled_faces,
    piles,
    store_grouping,
    undo,
)
from facefinder.review.read import Reading, read_back, read_if_ours
from facefinder.review.word import History, PastStep, Said, Verdict
from facefinder.review.write import Tree, TreeReport, WantedCrop
from facefinder.scan import ScanReport, scan
from facefinder.settings import Settings
from facefinder.together import narrow

# Somebody without a name is shown as a group from this many faces on: nearly all smaller ones are passers-by.
FEWEST_FACES = 3
MOST_STRANGERS = 300  # shown, the clearest; nobody looks through more
# On the page, as many of each person: the folder has them all. Sure and maybe ones apart.
NEAREST_SHOWN, PEOPLE_SHOWN = 12, 200

ShownAs = tuple[int | None, Kind]


@dataclass(frozen=True)
class GroupSummary:
    """One person: number for ever, name if there is one, how many faces are surely and maybe theirs."""

    number: int
    name: str | None
    faces: int
    maybe: int


@dataclass
class GroupsOutcome:
    """What a run did. strangers: faces of nobody; aside: how many people are not shown because the user said so.

    undone: the step that was taken back. absent: photos to copy that are not at their place now. not_searched: what
    the walk passed over. places: where it was. limits: as told to the user. shown: what the page shows, not_shown: how
    many photos it does not, because they are not at their place now.
    report: where the page lies, or why there is none; None where none was written.
    """

    reading: Reading
    limits: Limits
    history: list[PastStep] = field(default_factory=list)
    undone: str | None = None
    scan: ScanReport | None = None
    people: list[GroupSummary] = field(default_factory=list)
    faces: int = 0
    strangers: int = 0
    aside: int = 0
    tree: TreeReport | None = None
    exported: int = 0
    names: list[str] = field(default_factory=list)
    matches: list[PhotoMatch] = field(default_factory=list)
    absent: int = 0
    copies: CopyReport | None = None
    to_copy: int = 0
    seconds: float = 0.0
    not_searched: NotSearched = field(default_factory=NotSearched)
    places: list[Path] = field(default_factory=list)
    shown: list[PhotoMatch] = field(default_factory=list)
    not_shown: int = 0
    report: Path | str | None = None

    @property
    def failures(self) -> bool:
        """Whether something that was asked for could not be done."""
        return bool(
            (self.scan and self.scan.problems)
            or (self.tree and self.tree.problems)
            or (self.copies and self.copies.failures)
        )


def groups(settings: Settings, progress: Progress) -> GroupsOutcome:
    """Do what the command `groups` says. Raises FaceFinderError."""
    started = time.monotonic()
    asked = settings.grouping
    assert asked, "this command has settings of its own"
    if asked.method not in METHODS:
        raise UsageError(f"There is no grouping method called {asked.method!r}. Methods: {', '.join(METHODS)}.")
    imported = read_people_file(asked.import_) if asked.import_ else {}
    collector = Collector(settings.copy) if settings.copy else None
    spec = spec_of(settings)
    limits = model_limits(settings)
    with open_index(settings, spec) as index:
        if settings.copy:
            check_destination(settings.copy, [pile for pile in piles(index) if Patience().ask_or(False, pile.exists)])
        history = History(index)
        outcome = GroupsOutcome(read_back(index, settings.groups_folder), limits.told_in(settings.measure))
        if asked.undo:
            undone = undo(index)
            outcome.undone = undone.what if undone else None
        if step := import_step(imported, history.said(), partial(new_person, index), str(asked.import_)):
            history.add(step)
            outcome.reading.steps.append(step.what)
        index.commit()
        if asked.history:
            outcome.history = history.steps()
            return outcome
        outcome.scan = _scan(settings, index, spec, progress, outcome)

        faces = piled_faces(index)
        said = history.said()
        before = known(index, faces, said)
        progress.say(f"Sorting {len(faces)} faces by person.")
        grouping = group(faces.to_group, before, asked.method)
        store_grouping(index, faces, grouping.labels)
        index.commit()

        shown_as = show_as(faces, grouping, said, limits)
        outcome.people = people_to_show(shown_as, said)
        outcome.faces = len(faces)
        wanted = _crops(faces, grouping, shown_as, outcome.people, said)
        shown_people = {person.number for person in outcome.people}
        outcome.strangers = sum(person not in shown_people | said.aside for person, _ in shown_as)
        outcome.aside = len(said.aside)
        is_new = not outcome.reading.ours
        outcome.tree = Tree(index, settings.groups_folder, said.names, progress, is_new).write(wanted)

        if asked.export:
            outcome.exported = export_people(index, faces, shown_as, said, asked.export)
        if collector or settings.people:
            people, without = _asked_for(settings, said, outcome.people)
            found, outcome.absent = matches_of_groups(
                index, faces, shown_as, grouping.distances, people | without, limits
            )
            outcome.names = list(people.values())
            found = [match.told_in(settings.measure) for match in found]
            outcome.matches = outcome.shown = narrow(found, outcome.names, settings.together, without.values())
        else:
            people = {one.number: one.name or number_name(one.number) for one in outcome.people[:PEOPLE_SHOWN]}
            nearest = nearest_of_each(shown_as, grouping.distances, NEAREST_SHOWN)
            found, outcome.not_shown = matches_of_groups(
                index, faces, nearest, grouping.distances, people, limits, each_face=True
            )
            outcome.shown = [match.told_in(settings.measure) for match in found]
    if collector:
        outcome.to_copy = len(collector.missing(outcome.matches))
        outcome.copies = None if settings.dry_run else collector.copy(outcome.matches, progress)
        if outcome.copies and settings.tag:
            collector.tag(outcome.matches, outcome.copies)
    outcome.seconds = time.monotonic() - started
    return outcome


def bring_up_to_date(settings: Settings, index: Index, progress: Progress) -> TreeReport | None:
    """Make the groups folder show what was said elsewhere since it was written; None if there is none of this index.

    What the user did in the folder meanwhile is read first.
    """
    if not read_if_ours(index, settings.groups_folder).ours:
        return None
    faces = piled_faces(index)
    said = History(index).said()
    grouping = settled(faces.to_group, known(index, faces, said))
    shown_as = show_as(faces, grouping, said, model_limits(settings))
    wanted = _crops(faces, grouping, shown_as, people_to_show(shown_as, said), said)
    return Tree(index, settings.groups_folder, said.names, progress, is_new=False).write(wanted)


def _scan(
    settings: Settings, index: Index, spec: AnalyzerSpec, progress: Progress, outcome: GroupsOutcome
) -> ScanReport | None:
    """Look through the places named, or those of the last time; what is to be done with known faces needs neither."""
    asked = settings.grouping
    only_known = settings.copy or settings.people or (asked and (asked.undo or asked.export or asked.import_))
    before = piles(index)
    if not settings.places and before:
        there = [folder for folder in before if folder.exists()]
        for folder in before:
            if not folder.exists() and not only_known:
                progress.say(f"{folder} is not there now; its faces are known from before.")
        if only_known or not there:
            return None
        places: Sequence[Path] = outermost(there)
    else:
        places = places_to_search(settings)
    unlistable: list[tuple[str, str]] = []
    outcome.places += places
    watch = Watch(places)
    index.begin_run()
    add_piles(index, places)
    files = walk(
        places,
        rules_of(settings, places),
        on_problem=lambda path, why: unlistable.append((path, why)),
        on_skip=outcome.not_searched.add,
    )
    report = scan(files, index, spec, settings.jobs, progress)
    report.problems += unlistable
    report.miss(watch.gone())
    return report


def show_as(faces: PiledFaces, grouping: Grouping, said: Said, limits: Limits) -> list[ShownAs]:
    """For each face whose it is, and how surely: the user's word, else the grouping and the limits."""
    shown_as: list[ShownAs] = []
    for label, nearest, distance in zip(
        grouping.labels.tolist(), grouping.nearest.tolist(), grouping.distances.tolist(), strict=True
    ):
        if nearest == STRANGER or distance > limits.maybe and label == STRANGER:
            shown_as.append((None, Kind.STRANGER))
        else:
            shown_as.append((nearest, Kind.UNSURE if label == STRANGER else Kind.SURE))
    for row, verdicts in said.on(faces.contents, faces.boxes):
        for person, verdict in verdicts.items():
            if verdict is Verdict.IS:
                shown_as[row] = (person, Kind.SURE)
            elif verdict is Verdict.MAYBE:
                shown_as[row] = (person, Kind.UNSURE)
    return shown_as


def people_to_show(shown_as: Sequence[ShownAs], said: Said) -> list[GroupSummary]:
    """Everybody who gets a folder: those with a name first, then by how often they are seen."""
    sure = Counter(person for person, kind in shown_as if kind is Kind.SURE)
    maybe = Counter(person for person, kind in shown_as if kind is Kind.UNSURE)
    spoken_of = said.names.keys() | {
        person
        for faces in said.faces.values()
        for _, verdicts in faces
        for person, verdict in verdicts.items()
        if verdict is not Verdict.NOT
    }
    people = [
        GroupSummary(person, said.names.get(person), sure[person], maybe[person])
        for person in sure | maybe
        if person is not None and person not in said.aside and (sure[person] >= FEWEST_FACES or person in spoken_of)
    ]
    return sorted(people, key=lambda person: (person.name is None, -person.faces, person.number))


def _crops(
    faces: PiledFaces, grouping: Grouping, shown_as: Sequence[ShownAs], people: Sequence[GroupSummary], said: Said
) -> list[WantedCrop]:
    """What the groups folder is to show."""
    quality = faces.to_group.quality()
    likeness = np.clip(1 - np.nan_to_num(grouping.distances, posinf=1.0), 0, 1)
    have_folder = {person.number for person in people}
    crops: list[WantedCrop] = []
    strangers: list[WantedCrop] = []
    for row, (person, kind) in enumerate(shown_as):
        if person in said.aside:
            continue
        is_stranger = person not in have_folder
        worth = float(quality[row]) * (1.0 if is_stranger else float(likeness[row]))
        crop = WantedCrop(
            int(faces.ids[row]),
            int(faces.contents[row]),
            tuple(faces.boxes[row].tolist()),
            None if is_stranger else person,
            Kind.STRANGER if is_stranger else kind,
            round(999 * (1 - worth)),
        )
        (strangers if is_stranger else crops).append(crop)
    strangers.sort(key=lambda crop: (crop.order, crop.face))
    return crops + strangers[:MOST_STRANGERS]


def _asked_for(settings: Settings, said: Said, people: Sequence[GroupSummary]) -> tuple[dict[int, str], dict[int, str]]:
    """Number -> name of those whose photos are wanted, and of those who must not be on them. Raises UsageError."""
    numbers = {person.number for person in people} | set(said.joined)

    def find(name: str) -> int:
        number = find_number(said, name, numbers)
        if number is None:
            raise no_such_person(name, said)
        return number

    without = {number: said.names.get(number, number_name(number)) for number in map(find, settings.without)}
    wanted = [find(name) for name in settings.people] if settings.people else sorted(said.names.keys() - said.aside)
    if not wanted:
        raise UsageError("Nobody has a name yet. Rename a folder in groups/, or say --person 0001.")
    return {number: said.names.get(number, number_name(number)) for number in wanted}, without
