"""People and their faces -> the groups folder: crops that are there are renamed in place, others written or removed."""

import os
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import DestinationError
from facefinder.index import Index
from facefinder.progress import Progress
from facefinder.review.crops import AROUND, SIDE, cut_crops, identity, write_crop
from facefinder.review.names import (
    HELP,
    NOT_SURE,
    STRANGERS,
    Kind,
    crop_name,
    folder_name,
    has_count,
    is_junk,
    person_folder,
)
from facefinder.review.read import index_name, mark_line
from facefinder.review.word import Box

TEXT = """Each folder here holds the faces of one person, cut out of your photos; the best come first.
These are small copies: your photos stay where they are, whatever you do here.

  Give a folder a name            and the person has that name: "0003 (25)" becomes "Mom".
  Move faces to another folder    and they are that other person.
  Delete a face                   and it is not that person any more.
  Move all of one folder into another, and the two are one person.
  Delete a whole folder           and that person is not shown again.
  Make a new folder with a name, move faces into it, and there is a new person.

"not sure" holds faces that may be somebody's: move them to that person, or delete them.
"strangers" holds faces that are nobody's so far.

Then start the same command again: it reads what you did. "run.sh groups --undo" takes the last step back.
Please leave this file where it is: by it the program knows this folder again.

{mark}
"""


@dataclass(frozen=True, slots=True)
class WantedCrop:
    """A crop that is to be shown. person: None for a stranger. order: 0 (best) to 999."""

    face: int
    content: int
    box: Box
    person: int | None
    kind: Kind
    order: int


@dataclass
class TreeReport:
    """crops: how many lie there now; new: written now; without_photo: not shown, for their photos are not there.

    problems: (path, reason).
    """

    crops: int = 0
    new: int = 0
    without_photo: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)


class Tree:
    """The groups folder while it is being written."""

    def __init__(self, index: Index, folder: Path, names: Mapping[int, str], progress: Progress, is_new: bool):
        """is_new: the folder is not the one written last."""
        self._index = index
        self._folder = folder
        self._names = names
        self._progress = progress
        self._name = index_name(index)
        self._report = TreeReport()
        # face -> the path of its crop, relative, with forward slashes
        self._is_new = is_new
        self._lies: dict[int, str] = {} if is_new else dict(index.rows("SELECT face, path FROM shown"))

    def write(self, wanted: Sequence[WantedCrop]) -> TreeReport:
        """Make the folder show the wanted crops.

        Raises DestinationError. When it is interrupted, the next run goes on.
        """
        targets = self._targets(wanted)
        moves = self._folder_moves(wanted, targets)
        used = {_parent(path) for path in self._lies.values()}
        used |= {_moved(folder, before, after) for folder in used for before, after in moves.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._begin(wanted, targets, moves)
            self._rename_folders(moves)
            self._remove({crop.face for crop in wanted})
            self._rename_crops(targets)
            self._add([crop for crop in wanted if crop.face not in self._lies], targets)
            self._remove_empty_folders(used)
        except OSError as error:
            raise DestinationError(
                f"The groups cannot be written to {self._folder}. {error.strerror}. Is it full, write-protected or "
                "gone? What was done there is kept; or name another folder with --groups."
            ) from error
        self._finish(wanted)
        return self._report

    def _targets(self, wanted: Sequence[WantedCrop]) -> dict[int, str]:
        """Face -> the path where its crop is to lie."""
        counts = Counter((crop.person, crop.kind) for crop in wanted)
        folders: dict[tuple[int | None, Kind], str] = {}
        taken: set[str] = set()
        for person, kind in sorted(counts, key=str):
            if person is None:
                folders[person, kind] = STRANGERS
                continue
            folder = folder_name(person, self._names.get(person), counts[person, kind])
            folder = f"{NOT_SURE}/{folder}" if kind is Kind.UNSURE else folder
            if folder.casefold() in taken:  # two names that no file system can tell apart
                folder += f" {person:04}"
            taken.add(folder.casefold())
            folders[person, kind] = folder
        targets = {}
        for crop in wanted:
            photo = self._index.rows("SELECT path FROM place WHERE content = ? ORDER BY path LIMIT 1", (crop.content,))
            name = crop_name(crop.order, os.fsdecode(photo[0][0]) if photo else "", crop.face)
            targets[crop.face] = f"{folders[crop.person, crop.kind]}/{name}"
        return targets

    def _begin(self, wanted: Sequence[WantedCrop], targets: Mapping[int, str], moves: Mapping[str, str]) -> None:
        """Write down what is going to lie where, before anything is moved: so our doing is not taken for the user's."""
        rows = self._index.rows
        if self._is_new:
            rows("INSERT INTO tree (complete) VALUES (0)")
            rows("DELETE FROM shown")
        [(mark,)] = rows("SELECT max(mark) FROM tree")
        rows("UPDATE tree SET complete = 0 WHERE mark = ?", (mark,))
        for crop in wanted:
            lies = self._lies.get(crop.face, targets[crop.face])
            folder = person_folder(lies) or ""
            for path in {targets[crop.face], lies, _moved(lies, folder, moves.get(folder, folder))}:
                values = (crop.face, path, crop.person, crop.kind.value)
                rows("INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?)", values)
        self._index.commit()
        text = TEXT.format(mark=mark_line(self._index, mark)).replace("\n", "\r\n")  # for old editors of Windows
        (self._folder / HELP).write_bytes(text.encode())

    def _folder_moves(self, wanted: Sequence[WantedCrop], targets: Mapping[int, str]) -> dict[str, str]:
        """Where most crops of a folder go to one other folder, rename it: foreign files in it come along."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for crop in wanted:
            folder = person_folder(self._lies.get(crop.face, ""))
            if folder:
                counts[folder][_parent(targets[crop.face])] += 1
        moves: dict[str, str] = {}
        for folder, goals in counts.items():
            target = goals.most_common(1)[0][0]
            # Two folders that become one: the first is renamed, the crops of the other follow one by one.
            if target not in (folder, STRANGERS) and target not in moves.values():
                moves[folder] = target
        return moves

    def _rename_folders(self, moves: Mapping[str, str]) -> None:
        for folder, target in moves.items():
            old, new = self._folder / folder, self._folder / target
            # On some systems a name in other capitals is the same folder.
            if os.path.lexists(new) and not (old.is_dir() and os.path.samefile(old, new)):
                continue
            try:
                new.parent.mkdir(exist_ok=True)
                os.rename(old, new)
            except OSError as error:
                self._problem(folder, error)
                continue
            self._lies = {face: _moved(path, folder, target) for face, path in self._lies.items()}

    def _remove(self, wanted: set[int]) -> None:
        for face in self._lies.keys() - wanted:
            path = self._folder / self._lies[face]
            try:
                # Whoever put something else in its place shall keep it.
                if identity(path, self._name) == face:
                    path.unlink()
                del self._lies[face]
            except OSError as error:
                self._problem(self._lies[face], error)

    def _rename_crops(self, targets: Mapping[int, str]) -> None:
        for face, lies in list(self._lies.items()):
            target = targets.get(face, lies)
            if target == lies:
                continue
            new = self._folder / target
            try:
                new.parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(new):
                    os.rename(self._folder / lies, new)
                    self._lies[face] = target
            except FileNotFoundError:
                del self._lies[face]
            except OSError as error:
                self._problem(lies, error)

    def _add(self, crops: Sequence[WantedCrop], targets: Mapping[int, str]) -> None:
        by_content: dict[int, list[WantedCrop]] = defaultdict(list)
        for crop in crops:
            by_content[crop.content].append(crop)
        self._progress.start("Cutting out faces", len(by_content))
        try:
            for number, pictures in self._cut(by_content):
                for crop, picture in zip(by_content[number], pictures or [], strict=False):
                    path = self._folder / targets[crop.face]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_crop(path, picture, self._name, crop.face)
                    self._lies[crop.face] = targets[crop.face]
                    self._report.new += 1
                if pictures is None:
                    self._report.without_photo += len(by_content[number])
                self._progress.advance()
        finally:
            self._progress.finish()

    def _cut(
        self, by_content: Mapping[int, Sequence[WantedCrop]]
    ) -> Iterator[tuple[int, list[NDArray[np.uint8]] | None]]:
        """Content -> its crops, some at a time: decoding lets go of Python's lock, so threads are enough."""
        threads_wanted = os.cpu_count() or 1
        numbers = list(by_content)
        with ThreadPoolExecutor(threads_wanted) as threads:
            for start in range(0, len(numbers), 8 * threads_wanted):
                some = numbers[start : start + 8 * threads_wanted]
                paths = [self._paths(number) for number in some]
                sha256 = [self._index.content(number).sha256 for number in some]
                boxes = [[crop.box for crop in by_content[number]] for number in some]
                moments = [self._moments(by_content[number]) for number in some]
                cut = threads.map(cut_crops, paths, sha256, boxes, repeat(SIDE), repeat(AROUND), moments)
                yield from zip(some, cut, strict=True)

    def _moments(self, crops: Sequence[WantedCrop]) -> list[float | None]:
        select = "SELECT moment FROM face WHERE id = ?"
        return [moment for crop in crops for (moment,) in self._index.rows(select, (crop.face,))]

    def _paths(self, content: int) -> list[str]:
        rows = self._index.rows(
            "SELECT path FROM place WHERE content = ? AND computer = ? ORDER BY run DESC, path",
            (content, self._index.computer),
        )
        return [os.fsdecode(path) for (path,) in rows]

    def _remove_empty_folders(self, used: Container[str]) -> None:
        """Folders that are ours, or held crops, and in which nothing is left; a system's own files do not count."""
        for parent, _, names in os.walk(self._folder, topdown=False):
            path = Path(parent)
            relative = path.relative_to(self._folder).as_posix()
            ours = relative in used or has_count(path.name) or relative in (NOT_SURE, STRANGERS)
            if relative != "." and ours and all(is_junk(name) for name in os.listdir(path)):
                try:
                    for name in names:
                        (path / name).unlink()
                    path.rmdir()
                except OSError as error:
                    self._problem(relative, error)

    def _finish(self, wanted: Sequence[WantedCrop]) -> None:
        rows = self._index.rows
        rows("DELETE FROM shown")
        for crop in wanted:
            if path := self._lies.get(crop.face):
                rows("INSERT INTO shown VALUES (?, ?, ?, ?)", (crop.face, path, crop.person, crop.kind.value))
                self._report.crops += 1
        rows("UPDATE tree SET complete = 1 WHERE mark = (SELECT max(mark) FROM tree)")
        self._index.commit()

    def _problem(self, path: str, error: OSError) -> None:
        reason = f"{error.strerror}; is it open in another window? It is put right next time"
        self._report.problems.append((str(self._folder / path), reason))


def _moved(path: str, folder: str, target: str) -> str:
    """A path after its folder, or one further up, was renamed."""
    if path == folder:
        return target
    return target + path[len(folder) :] if folder and path.startswith(f"{folder}/") else path


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()
