"""What there is to look through: people with their sure and their possible faces, worked out from the index alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from facefinder.errors import ReferencesError
from facefinder.faces.analyzer import AnalyzerSpec, Rule
from facefinder.find import limits_of, model_limits, people_of_references
from facefinder.group import settled
from facefinder.groups import people_to_show, show_as
from facefinder.index import Index, StoredFaces
from facefinder.match import Limits, Verdict, distances, match
from facefinder.people import Person, Reference, reference_files
from facefinder.progress import NoProgress
from facefinder.review.names import Kind, number_name
from facefinder.review.people import joined, people_of_groups, sharpened, verdicts_on
from facefinder.review.piled import PiledFaces, known, piled_faces
from facefinder.review.word import Said, same_name
from facefinder.settings import Settings
from facefinder.tags.named import named_people

# Faces so much farther than `maybe` are kept at hand: what the user says on the page may bring them nearer.
WITHIN_REACH = 0.12
MOST_REFERENCES = 8  # of a person, shown beside a face in question


@dataclass(frozen=True, slots=True)
class ShownFace:
    """id, content: row numbers in the index. distance: on the scale of match.Limits, infinite without one."""

    id: int
    content: int
    distance: float


@dataclass
class Somebody:
    """One person on the page. sure, maybe: the nearest first. references: faces (row numbers) to compare with.

    key: what stands for them in addresses: r0, r1 ... for people of refs/, else the number. number: None for people of
    refs/ of whom nothing was said yet. name: None for a group without one; then `probably` is somebody with a name who
    most of its faces surely are.
    """

    key: str
    number: int | None
    name: str | None
    of_refs: bool
    sure: list[ShownFace] = field(default_factory=list)
    maybe: list[ShownFace] = field(default_factory=list)
    references: list[int] = field(default_factory=list)
    probably: "Somebody | None" = None

    @property
    def called(self) -> str:
        """The name, or the number that stands for it."""
        return self.name or number_name(self.number or 0)


@dataclass(frozen=True)
class Material:
    """What stays the same while the page is open. problem: why refs/ is not among it, or "".

    people: those of refs/. searched: the faces of the last search that are near enough to anybody.
    """

    people: tuple[Person, ...]
    searched: tuple[StoredFaces, ...]
    piled: PiledFaces
    limits: Limits
    limits_of_groups: Limits
    problem: str


def gather(index: Index, spec: AnalyzerSpec, settings: Settings, said: Said) -> Material:
    """Read what is to be looked through: of photos only new ones in refs/ are analysed."""
    people: Sequence[Person] = ()
    problem = ""
    try:
        if settings.from_refs or not settings.refs_from_tags:
            people = people_of_references(reference_files(settings.refs), index, spec, settings)
    except ReferencesError as error:
        problem = str(error)
    limits = limits_of(settings)
    # Last, for reading refs/ counted as seeing its photos.
    found = index.back_to_last_search()
    if found and settings.refs_from_tags:
        of_model = model_limits(settings)
        people = joined([*people, *named_people(index, of_model.maybe, of_model.rule, NoProgress()).people])
    everybody = _to_look_for(index, said, people)
    searched = _near(index, everybody, said, limits.maybe + WITHIN_REACH, limits.rule) if found and everybody else ()
    return Material(tuple(people), tuple(searched), piled_faces(index), limits, model_limits(settings), problem)


def _near(index: Index, people: Sequence[Person], said: Said, limit: float, rule: Rule) -> Iterator[StoredFaces]:
    """The faces of the search that are near enough to anybody, or of which something was said."""
    for stored in index.faces_seen():
        near = distances(stored.vectors, people, rule).min(axis=1) <= limit
        near[[row for row, _ in said.on(stored.contents, stored.boxes)]] = True
        columns = (stored.ids, stored.contents, stored.boxes, stored.vectors, stored.times)
        yield StoredFaces(*(column[near] for column in columns))


def _to_look_for(index: Index, said: Said, people: Iterable[Person]) -> list[Person]:
    """The people of refs/, then those with a name in the groups: all with what the user said of faces."""
    of_refs = [sharpened(index, said, person) for person in people]
    names = [
        name
        for number, name in said.names.items()
        if number not in said.aside and not any(same_name(name, person.name) for person in of_refs)
    ]
    return [*of_refs, *people_of_groups(index, said, names).values()]


def look_through(index: Index, material: Material, said: Said) -> list[Somebody]:
    """Everybody there is, after what the user said so far: first those with a name."""
    everybody: dict[str, Somebody] = {}
    look_for = _to_look_for(index, said, material.people)
    numbers = [said.person_called(person.name) for person in look_for]
    for place, (person, number) in enumerate(zip(look_for, numbers, strict=True)):
        of_refs = place < len(material.people)
        key = f"r{place}" if of_refs else str(number)
        everybody[key] = Somebody(key, number, person.name, of_refs)
        if of_refs:
            everybody[key].references = _rows_of(index, material.people[place].references)[:MOST_REFERENCES]
    keys = list(everybody)
    faces: dict[tuple[str, int], tuple[Kind, ShownFace]] = {}
    for stored in material.searched if look_for else ():
        word = verdicts_on(said, numbers, stored.contents, stored.boxes)
        for found in match(stored.vectors, look_for, material.limits, word):
            face = ShownFace(int(stored.ids[found.face]), int(stored.contents[found.face]), found.distance)
            kind = Kind.SURE if found.verdict is Verdict.SURE else Kind.UNSURE
            faces[keys[found.person], face.id] = (kind, face)
    _add_groups(index, material, said, everybody, faces)
    for (key, _), (kind, face) in sorted(faces.items(), key=lambda entry: (entry[1][1].distance, entry[1][1].id)):
        (everybody[key].sure if kind is Kind.SURE else everybody[key].maybe).append(face)
    for one in everybody.values():
        # Who surely is on a photo is not on it a second time.
        there = {face.content for face in one.sure}
        one.maybe = [face for face in one.maybe if face.content not in there]
        one.references = one.references or [face.id for face in one.sure[:MOST_REFERENCES]]
        if one.name is None:
            one.probably = _most_likely(one, [other for other in everybody.values() if other.name])
    return sorted(everybody.values(), key=lambda one: (one.name is None, one.name or "", -len(one.sure), one.key))


def _most_likely(group: Somebody, people: Iterable[Somebody]) -> Somebody | None:
    faces = {face.id for face in group.sure}
    common = [(len(faces & {face.id for face in person.sure}), person) for person in people]
    count, person = max(common, key=lambda entry: entry[0], default=(0, None))
    return person if 2 * count > len(faces) else None


def _add_groups(
    index: Index,
    material: Material,
    said: Said,
    everybody: dict[str, Somebody],
    faces: dict[tuple[str, int], tuple[Kind, ShownFace]],
) -> None:
    """Add the groups, and the faces that they have besides those of the search."""
    piled = material.piled
    if len(piled) == 0:
        return
    grouping = settled(piled.to_group, known(index, piled, said))
    shown_as = show_as(piled, grouping, said, material.limits_of_groups)
    shown = {person.number for person in people_to_show(shown_as, said)}
    key_of = {person.number: person.key for person in everybody.values()}
    for row, (number, kind) in enumerate(shown_as):
        if number is None or number not in shown or kind is Kind.STRANGER:
            continue
        key = key_of.get(number, str(number))
        everybody.setdefault(key, Somebody(key, number, said.names.get(number), of_refs=False))
        face = ShownFace(int(piled.ids[row]), int(piled.contents[row]), float(grouping.distances[row]))
        if faces.get((key, face.id), (Kind.UNSURE, face))[0] is Kind.UNSURE:
            faces[key, face.id] = (kind, face)


def _rows_of(index: Index, references: Iterable[Reference]) -> list[int]:
    """The row numbers of reference photos' faces."""
    rows = "SELECT face.id FROM place JOIN face USING (content) WHERE path = CAST(? AS BLOB) AND analyzer = ? AND x = ?"
    found = (
        index.rows(rows, (reference.path.encode(errors="surrogateescape"), index.analyzer, reference.face.box[0]))
        for reference in references
    )
    return [face for (face,) in chain.from_iterable(found)]
