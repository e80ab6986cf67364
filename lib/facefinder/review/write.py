"""People and their faces -> the groups folder: crops that are there are renamed in place, others written or removed."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import DestinationError
from facefinder.index import Index
from facefinder.progress import Progress
from facefinder.review.crops import cut_crops, identity, write_crop
from facefinder.review.names import HELP, JUNK, NOT_SURE, STRANGERS, Kind, crop_name, folder_name, has_count
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

    def __init__(self, index: Index, folder: Path, names: Mapping[int, str], progress: Progress):
        self._index = index
        self._folder = folder
        self._names = names
        self._progress = progress
        self._name = index_name(index)
        self._report = TreeReport()
        # face -> the path of its crop, relative, with forward slashes
        self._lies = dict(index.rows("SELECT face, path FROM shown"))

    def write(self, wanted: Sequence[WantedCrop], is_new: bool) -> TreeReport:
        """Make the folder show the wanted crops. is_new: it is not the folder written last.

        Raises DestinationError. When it is interrupted, the next run goes on.
        """
        targets = self._targets(wanted)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._begin(wanted, targets, is_new)
            self._rename_folders(wanted, targets)
            self._remove({crop.face for crop in wanted})
            self._rename_crops(targets)
            self._add([crop for crop in wanted if crop.face not in self._lies], targets)
            self._remove_empty_folders()
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

    def _begin(self, wanted: Sequence[WantedCrop], targets: Mapping[int, str], is_new: bool) -> None:
        """Write down what is going to lie where, before anything is moved: so our doing is not taken for the user's."""
        rows = self._index.rows
        if is_new:
            rows("INSERT INTO tree (complete) VALUES (0)")
            self._lies = {}
            rows("DELETE FROM shown")
        [(mark,)] = rows("SELECT max(mark) FROM tree")
        rows("UPDATE tree SET complete = 0 WHERE mark = ?", (mark,))
        for crop in wanted:
            for path in {targets[crop.face], self._after_renaming(crop, targets)}:
                values = (crop.face, path, crop.person, crop.kind.value)
                rows("INSERT OR IGNORE INTO shown VALUES (?, ?, ?, ?)", values)
        self._index.commit()
        text = TEXT.format(mark=mark_line(self._index, mark)).replace("\n", "\r\n")  # for old editors of Windows
        (self._folder / HELP).write_bytes(text.encode())

    def _after_renaming(self, crop: WantedCrop, targets: Mapping[int, str]) -> str:
        lies = self._lies.get(crop.face)
        target = PurePosixPath(targets[crop.face])
        return (target.parent / PurePosixPath(lies).name).as_posix() if lies else target.as_posix()

    def _rename_folders(self, wanted: Sequence[WantedCrop], targets: Mapping[int, str]) -> None:
        """Where most crops of a folder go to one other folder, rename it: foreign files in it come along."""
        moves: dict[str, Counter[str]] = defaultdict(Counter)
        for crop in wanted:
            if lies := self._lies.get(crop.face):
                moves[_parent(lies)][_parent(targets[crop.face])] += 1
        for folder, counts in moves.items():
            target = counts.most_common(1)[0][0]
            if target == folder or folder in (".", NOT_SURE) or STRANGERS in (folder, target):
                continue
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
            for face, path in self._lies.items():
                if _parent(path) == folder:
                    self._lies[face] = f"{target}/{PurePosixPath(path).name}"

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
                cut = threads.map(cut_crops, paths, sha256, boxes)
                yield from zip(some, cut, strict=True)

    def _paths(self, content: int) -> list[str]:
        rows = self._index.rows(
            "SELECT path FROM place WHERE content = ? AND computer = ? ORDER BY run DESC, path",
            (content, self._index.computer),
        )
        return [os.fsdecode(path) for (path,) in rows]

    def _remove_empty_folders(self) -> None:
        """Folders of ours in which nothing is left; a system's own files do not count."""
        not_sure = self._folder / NOT_SURE
        folders = [path for above in (not_sure, self._folder) if above.is_dir() for path in sorted(above.iterdir())]
        for folder in folders:
            ours = has_count(folder.name) or folder.name in (NOT_SURE, STRANGERS)
            if ours and folder.is_dir() and all(name.lower() in JUNK for name in os.listdir(folder)):
                try:
                    for name in os.listdir(folder):
                        (folder / name).unlink()
                    folder.rmdir()
                except OSError as error:
                    self._problem(folder.relative_to(self._folder).as_posix(), error)

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


def _parent(path: str) -> str:
    return PurePosixPath(path).parent.as_posix()
