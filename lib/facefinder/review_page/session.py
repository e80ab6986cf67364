"""What the user says on the page -> steps of the history, the same as that of the groups folder."""

import re
import unicodedata
from collections.abc import Sequence
from functools import partial

from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.index import Index
from facefinder.review.changes import count_faces
from facefinder.review.names import NOT_SURE, STRANGERS, folder_stem, number_name, parse_folder
from facefinder.review.piled import new_person, undo
from facefinder.review.read import read_if_ours, word_on
from facefinder.review.word import History, PastStep, Step, Verdict, same_name
from facefinder.review_page.album import ShownFace, Somebody, gather, look_through
from facefinder.settings import Settings

LONGEST_NAME = 60  # characters


class Refused(Exception):
    """What the user wants cannot be. text: which one of review.refused in pages/texts says why. name: a person's."""

    def __init__(self, text: str, name: str = ""):
        super().__init__(text)
        self.text, self.name = text, name


class Session:
    """One sitting at the page. Not for several threads at once. Raises IndexFileError when the index fails."""

    def __init__(self, index: Index, spec: AnalyzerSpec, settings: Settings):
        self._index = index
        self._history = History(index)
        self.reading = read_if_ours(index, settings.groups_folder)
        self._material = gather(index, spec, settings, self._history.said())
        self.problem = self._material.problem
        self._everybody: dict[str, Somebody] | None = None
        # Of the questions passed over (person's key, face); and for each thing done here, the last one last, such a
        # question, or None for a step of the history.
        self._passed: list[tuple[str, int]] = []
        self._done: list[tuple[str, int] | None] = []
        self.changed = False
        index.commit()

    def everybody(self) -> list[Somebody]:
        """All people there are now."""
        return list(self._people().values())

    def person(self, key: str) -> Somebody | None:
        """The person that a key stands for, also of a group that has become part of another."""
        if key.isdecimal() and key not in self._people():
            root = self._history.said().root(int(key[:9]))
            return next((one for one in self._people().values() if one.number == root), None)
        return self._people().get(key)

    def questions(self, person: Somebody) -> list[ShownFace]:
        """The faces to ask about, the nearest first, without those passed over."""
        return [face for face in person.maybe if (person.key, face.id) not in self._passed]

    def steps(self) -> list[PastStep]:
        """The whole history, the last step first."""
        return self._history.steps()[::-1]

    def last(self) -> str | None:
        """What undo would take back, in words ("" for a question passed over); None for nothing."""
        if self._done and self._done[-1]:
            return ""
        return next((step.what for step in self.steps() if not step.undone), None)

    def answer(self, person: Somebody, face: int, verdict: Verdict) -> None:
        """Say of one face that it is, or is not, a person."""
        no = "" if verdict is Verdict.IS else "not "
        step = Step(f"You said of {count_faces(1)}: {no}{person.called}.")
        step.words = [word_on(self._index, face, self._number(person, step), verdict)]
        self._add(step)

    def pass_over(self, person: Somebody, face: int) -> None:
        """Do not ask about this face for now."""
        self._passed.append((person.key, face))
        self._done.append((person.key, face))

    def ask_again(self, person: Somebody) -> None:
        """Ask about the faces that were passed over."""
        self._passed = [(key, face) for key, face in self._passed if key != person.key]
        self._done = [done for done in self._done if not done or done[0] != person.key]

    def reject(self, person: Somebody, faces: Sequence[int]) -> None:
        """Say of faces that they are not a person."""
        step = Step(f"You took {count_faces(len(faces))} out of {person.called}.")
        number = self._number(person, step)
        step.words = [word_on(self._index, face, number, Verdict.NOT) for face in faces]
        self._add(step)

    def move(self, person: Somebody, faces: Sequence[int], target: Somebody) -> None:
        """Say of faces of one person that they are another."""
        step = Step(f"You moved {count_faces(len(faces))} from {person.called} to {target.called}.")
        self._move(step, faces, self._number(person, step), self._number(target, step))

    def split(self, person: Somebody, faces: Sequence[int], name: str) -> str:
        """Make a new person of faces, and return the key; who has that name already gets them."""
        name = self._checked_name(name) if name.strip() else ""
        if name and (known := self._called(name)):
            self.move(person, faces, known)
            return known.key
        made = new_person(self._index)
        step = Step(f"You made a new person, {name or number_name(made)}, of {count_faces(len(faces))}.")
        step.names.append((made, name or None))
        self._move(step, faces, self._number(person, step), made)
        return str(made)

    def name(self, person: Somebody, name: str) -> None:
        """Give a group a name, and confirm its faces; two with one name are one person."""
        name = self._checked_name(name)
        if person.of_refs:
            raise Refused("of_refs", person.called)
        known = self._called(name)
        if known and known is not person:
            self.merge(person, known)
            return
        faces = [face.id for face in person.sure]
        number = person.number or 0
        what = f"You named group {number_name(number)} {name} ({count_faces(len(faces))})."
        step = Step(f"You renamed {person.name} to {name}." if person.name else what, names=[(number, name)])
        step.words = [word_on(self._index, face, number, Verdict.IS) for face in faces]
        self._add(step)

    def merge(self, person: Somebody, other: Somebody) -> Somebody:
        """Make one of two people; returns which of the two it goes by: one of refs/, whose name stands there."""
        if person.of_refs and other.of_refs:
            raise Refused("both_of_refs")
        if person.of_refs or (person.name and not other.name and not other.of_refs):
            person, other = other, person
        faces = [face.id for face in person.sure]
        step = Step(f"You merged {person.called} into {other.called} ({count_faces(len(faces))}).")
        source, target = self._number(person, step), self._number(other, step)
        step.joins.append((source, target))
        step.words = [word_on(self._index, face, target, Verdict.IS) for face in faces]
        self._add(step)
        return other

    def put_aside(self, person: Somebody) -> None:
        """Do not show somebody again."""
        if person.of_refs:
            raise Refused("aside_of_refs", person.called)
        what = f"You put {person.called} aside ({count_faces(len(person.sure))})."
        self._add(Step(what, aside=[person.number or 0]))

    def take_back(self) -> str | None:
        """Undo the last thing: what was done here, then the steps of before, in the folders too. Returns its text."""
        if passed := self._done.pop() if self._done else None:
            self._passed.remove(passed)
            return ""
        step = undo(self._index)
        self._keep()
        return step.what if step else None

    def knows(self, face: int) -> bool:
        """Whether this is a face of the index."""
        return bool(self._index.rows("SELECT 1 FROM face WHERE id = ?", (face,)))

    def _move(self, step: Step, faces: Sequence[int], source: int, target: int) -> None:
        word = partial(word_on, self._index)
        for face in faces:
            step.words += [word(face, source, Verdict.NOT), word(face, target, Verdict.IS)]
        self._add(step)

    def _people(self) -> dict[str, Somebody]:
        if self._everybody is None:
            people = look_through(self._index, self._material, self._history.said())
            self._everybody = {person.key: person for person in people}
        return self._everybody

    def _number(self, person: Somebody, step: Step) -> int:
        """A person's number; who has none yet gets one, as a part of this step."""
        if person.number is None:
            person.number = new_person(self._index)
            step.names.append((person.number, person.called))
        return person.number

    def _called(self, name: str) -> Somebody | None:
        return next((one for one in self._people().values() if one.name and same_name(one.name, name)), None)

    def _checked_name(self, name: str) -> str:
        """A name as the groups folder can bear it. Raises Refused."""
        name = unicodedata.normalize("NFC", re.sub(r"[\s\x00-\x1f\x7f]+", " ", name)).strip()[:LONGEST_NAME].strip()
        if not name:
            raise Refused("no_name")
        stem = folder_stem(name)
        if parse_folder(stem).number is not None or not parse_folder(stem).name:
            raise Refused("number", name)
        if stem.casefold() in (NOT_SURE, STRANGERS):
            raise Refused("taken", name)
        return name

    def _add(self, step: Step) -> None:
        self._history.add(step)
        self._done.append(None)
        self._keep()

    def _keep(self) -> None:
        self._index.commit()
        self._everybody = None
        self.changed = True
