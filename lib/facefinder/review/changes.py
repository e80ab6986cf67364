"""What lay in the groups folder, and what lies there now -> what the user said by moving, renaming and deleting."""

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from facefinder.review.names import Kind, folder_stem, number_name, parse_folder
from facefinder.review.word import Said, Step, Verdict, Word, same_name

Words = Callable[[int, int, Verdict], Word]


@dataclass(frozen=True, slots=True)
class ShownCrop:
    """Where a face was put. folder: see names.person_folder; person: None for a stranger."""

    face: int
    folder: str | None
    kind: Kind
    person: int | None


@dataclass(frozen=True, slots=True)
class LyingCrop:
    """Where a face lies now."""

    face: int
    folder: str | None
    kind: Kind


@dataclass
class Folders:
    """folder -> whose it is; and the folders whose name was given by the user: folder -> the name."""

    people: dict[str, int] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)


@dataclass
class Changes:
    """steps: what the user said. where: face -> person (None: a stranger) and kind, as the crops lie now."""

    steps: list[Step]
    where: dict[int, tuple[int | None, Kind]]


def whose_folders(
    shown: Iterable[ShownCrop],
    lying: Iterable[LyingCrop],
    said: Said,
    people: Container[int],
    new_person: Callable[[], int],
) -> Folders:
    """Say whose each folder is: by the name it was written under, a known person's name, its number, or its crops.

    people: the numbers that exist.
    """
    written = {crop.folder: said.root(crop.person) for crop in shown if crop.folder and crop.person is not None}
    was = {crop.face: crop for crop in shown}
    crops: dict[str, list[LyingCrop]] = defaultdict(list)
    for crop in lying:
        if crop.folder:
            crops[crop.folder].append(crop)
    folders = Folders()
    for folder in crops:
        parsed = parse_folder(folder.rpartition("/")[2])
        named = _person_called(parsed.name, said)
        if folder in written:
            folders.people[folder] = written[folder]
        elif named is not None:
            folders.people[folder] = named
            if said.names[named] != parsed.name and said.names[named].casefold() == parsed.name.casefold():
                folders.given[folder] = parsed.name  # the same name in other capitals
        elif parsed.number is not None and parsed.number in people:
            folders.people[folder] = said.root(parsed.number)
            if parsed.name:
                folders.given[folder] = parsed.name
    standing = {(crops[folder][0].kind, person) for folder, person in folders.people.items()}
    for folder in sorted(crops.keys() - folders.people.keys(), key=lambda folder: (-len(crops[folder]), folder)):
        kind = crops[folder][0].kind
        parsed = parse_folder(folder.rpartition("/")[2])
        name = parsed.name or ("" if parsed.number is None else str(parsed.number))
        votes = Counter(
            said.root(before.person)
            for crop in crops[folder]
            if (before := was.get(crop.face)) and before.kind is kind and before.person is not None
        )
        # Renamed is a folder that holds somebody's crops while no other folder is that person's.
        person = votes.most_common(1)[0][0] if votes else None
        twin = next((folders.people[other] for other, given in folders.given.items() if same_name(given, name)), None)
        if name and twin is not None:
            person = twin
        elif person is None or (kind, person) in standing:
            person = new_person()
            folders.made.add(person)
        folders.people[folder] = person
        standing.add((kind, person))
        if name:
            folders.given[folder] = name
    return folders


def _person_called(name: str, said: Said) -> int | None:
    if not name:
        return None
    return next(
        (who for who, known in said.names.items() if same_name(known, name) or same_name(folder_stem(known), name)),
        None,
    )


def interpret(
    shown: list[ShownCrop],
    lying: list[LyingCrop],
    folders: Folders,
    said: Said,
    word: Words,
    deletions: Container[Kind],
    overruled: Container[int] = (),
) -> Changes:
    """Turn the differences into steps. word: (face, person, verdict) -> a Word.

    deletions: the kinds of which a missing crop counts as deleted by the user. overruled: the faces of which the user
    said elsewhere, after the folder was written, that they are not who they lie with: what is done to a whole folder
    says nothing of them.
    """
    was = {crop.face: crop for crop in shown}
    names = dict(said.names)
    changes = Changes([], {})
    moved: dict[tuple[int | None, int | None, Kind, Kind], list[int]] = defaultdict(list)
    in_folder: dict[str, list[int]] = defaultdict(list)
    for crop in lying:
        before = was.get(crop.face)
        source = said.root(before.person) if before and before.person is not None else None
        source_kind = before.kind if before else Kind.STRANGER
        target, kind = (folders.people[crop.folder] if crop.folder else None), crop.kind
        if crop.folder is None and kind is not Kind.STRANGER:
            target, kind = source, source_kind  # lies loose, which says nothing
        changes.where[crop.face] = (target, kind)
        if (source, source_kind) != (target, kind):
            moved[source, target, source_kind, kind].append(crop.face)
        elif crop.folder and kind is Kind.SURE and crop.face not in overruled:
            in_folder[crop.folder].append(crop.face)
    changes.steps += _namings(folders, in_folder, names, word)

    def called(person: int) -> str:
        return names.get(person) or number_name(person)

    members, missing = defaultdict(list), defaultdict(list)
    for before in shown:
        if before.person is not None:
            members[said.root(before.person), before.kind].append(before.face)
            # Who has become part of somebody else since, elsewhere, has a folder that is out of date: that it is gone
            # says nothing.
            is_up_to_date = said.root(before.person) == before.person
            if is_up_to_date and before.face not in changes.where and before.kind in deletions:
                missing[said.root(before.person), before.kind].append(before.face)
    standing = {person for person, kind in changes.where.values() if person is not None and kind is Kind.SURE}
    gone = {person for person, kind in members if kind is Kind.SURE and person not in standing}
    new: dict[int, Step] = {}
    for (source, target, source_kind, kind), faces in sorted(moved.items(), key=lambda move: str(move[0])):
        if target is not None and target in folders.made:
            if target not in new:
                count = sum(person == target for person, _ in changes.where.values())
                new[target] = Step(f"You made a new person, {called(target)}, of {count_faces(count)}.")
                new[target].names.append((target, names.get(target)))
                changes.steps.append(new[target])
            _move(new[target], source, target, kind, faces, word)
            continue
        if source in gone and source_kind is kind is Kind.SURE and len(faces) == len(members[source, Kind.SURE]):
            assert source is not None and target is not None, "members and folders have a person"
            step = Step(f"You merged {called(source)} into {called(target)} ({count_faces(len(faces))}).")
            step.joins.append((source, target))
            step.words = [word(face, target, Verdict.IS) for face in faces if face not in overruled]
            changes.steps.append(step)
            if name := names.pop(source, None):
                names.setdefault(target, name)
            continue
        if target is None:
            assert source is not None, "a stranger among the strangers has not moved"
            if source in gone and len(faces) == len(members[source, Kind.SURE]):
                changes.steps.append(
                    Step(f"You put {called(source)} aside ({count_faces(len(faces))}).", aside=[source])
                )
                continue
            step = Step(f"You said of {count_faces(len(faces))}: not {called(source)}.")
        elif kind is Kind.UNSURE:
            step = Step(f"You were not sure of {count_faces(len(faces))}: {called(target)}, maybe.")
        elif source == target:
            step = Step(f"You said of {count_faces(len(faces))}: {called(target)}.")
        else:
            step = Step(f"You moved {count_faces(len(faces))} {_from(source, called)} to {called(target)}.")
        _move(step, source, target, kind, faces, word)
        changes.steps.append(step)
    for (person, kind), faces in missing.items():
        if kind is Kind.SURE and person in gone:
            changes.steps.append(Step(f"You put {called(person)} aside ({count_faces(len(faces))}).", aside=[person]))
        else:
            step = Step(f"You took {count_faces(len(faces))} out of {called(person)}.")
            step.words = [word(face, person, Verdict.NOT) for face in faces]
            changes.steps.append(step)
    return changes


def _namings(folders: Folders, in_folder: Mapping[str, list[int]], names: dict[int, str], word: Words) -> list[Step]:
    """The steps that give names; `names` is kept up. All that lies in a folder is confirmed together with its name."""
    steps = []
    for folder, name in folders.given.items():
        person, faces = folders.people[folder], in_folder.get(folder, [])
        before, names[person] = names.get(person), name
        if before == name or person in folders.made:
            continue
        what = f"You named group {number_name(person)} {name} ({count_faces(len(faces))})."
        step = Step(f"You renamed {before} to {name}." if before else what, names=[(person, name)])
        step.words = [word(face, person, Verdict.IS) for face in faces]
        steps.append(step)
    return steps


def _move(step: Step, source: int | None, target: int | None, kind: Kind, faces: Sequence[int], word: Words) -> None:
    """Add the words that moving crops says: not the one, but the other."""
    for face in faces:
        if source is not None and source != target:
            step.words.append(word(face, source, Verdict.NOT))
        if target is not None:
            step.words.append(word(face, target, Verdict.MAYBE if kind is Kind.UNSURE else Verdict.IS))


def _from(source: int | None, called: Callable[[int], str]) -> str:
    return f"from {called(source)}" if source is not None else "from the strangers"


def count_faces(count: int) -> str:
    """`1 face`, `25 faces`."""
    return "1 face" if count == 1 else f"{count} faces"
