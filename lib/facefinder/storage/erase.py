"""What the index holds of some photos, of a person or of a computer -> out of it, and out of the bytes of its file."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from facefinder.errors import IndexFileError
from facefinder.index import Index
from facefinder.review.word import History, same_name

SOMEBODY = "somebody"  # stands in the history for a name that is forgotten
PARTS_OF_STEPS = ("word", "naming", "joining", "aside")


def begin_erasing(index: Index) -> None:
    """What is deleted from here on is overwritten in the file at once."""
    index.rows("PRAGMA secure_delete = ON")


def faces_of(index: Index, contents: Iterable[int]) -> set[int]:
    """The row numbers of the faces in some photos, whichever model found them."""
    return {face for content in contents for (face,) in index.rows("SELECT id FROM face WHERE content = ?", (content,))}


def erase_contents(index: Index, contents: Collection[int]) -> None:
    """Forget photos: where they lie, and every face in them. What the user said of faces in them is kept."""
    for face in faces_of(index, contents):
        for table in ("grouped", "regrouped", "shown"):
            index.rows(f"DELETE FROM {table} WHERE face = ?", (face,))
    for content in contents:
        for table in ("face", "analysis", "place"):
            index.rows(f"DELETE FROM {table} WHERE content = ?", (content,))
        index.rows("DELETE FROM content WHERE id = ?", (content,))


def erase_words(index: Index, contents: Iterable[int]) -> None:
    """Forget what the user said of faces in some photos; before the photos themselves."""
    touched = set()
    for content in contents:
        of_content = "WHERE sha256 = (SELECT sha256 FROM content WHERE id = ?)"
        touched |= {step for (step,) in index.rows(f"SELECT step FROM word {of_content}", (content,))}
        index.rows(f"DELETE FROM word {of_content}", (content,))
    _erase_empty_steps(index, touched)


def erase_people(index: Index, numbers: Collection[int], names: Collection[str]) -> None:
    """Forget who people are: their names, wherever they stand, and all that was said of them.

    numbers: all that they ever had. names: others that they go by.
    """
    namings = index.rows("SELECT id, person, name FROM naming WHERE name IS NOT NULL")
    known = {name for _, person, name in namings if person in numbers} | set(names)
    touched = set()
    for number, person, name in namings:
        if person not in numbers and any(same_name(name, each) for each in known):
            touched |= set(index.rows("DELETE FROM naming WHERE id = ? RETURNING step", (number,)))
    for person in numbers:
        touched |= set(index.rows("DELETE FROM joining WHERE ? IN (person, other) RETURNING step", (person,)))
        for table in ("word", "naming", "aside"):
            touched |= set(index.rows(f"DELETE FROM {table} WHERE person = ? RETURNING step", (person,)))
        for table in ("grouped", "regrouped", "shown"):
            index.rows(f"DELETE FROM {table} WHERE person = ?", (person,))
        index.rows("DELETE FROM person WHERE id = ?", (person,))
    _erase_empty_steps(index, {step for (step,) in touched})
    for step in History(index).steps():
        what = step.what
        for name in sorted(known, key=len, reverse=True):
            what = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", SOMEBODY, what, flags=re.IGNORECASE)
        if what != step.what:
            index.rows("UPDATE step SET what = ? WHERE id = ?", (what, step.number))


def _erase_empty_steps(index: Index, steps: Iterable[int]) -> None:
    """Of these steps, those of which nothing is left."""
    for step in steps:
        if not any(index.rows(f"SELECT 1 FROM {part} WHERE step = ? LIMIT 1", (step,)) for part in PARTS_OF_STEPS):
            index.rows("DELETE FROM regrouped WHERE step = ?", (step,))
            index.rows("DELETE FROM step WHERE id = ?", (step,))


def contents_only_on(index: Index, computer: str) -> set[int]:
    """The photos that were seen on this computer alone, or of which no place is known any more."""
    elsewhere = "SELECT content FROM place WHERE computer != ?"
    return {number for (number,) in index.rows(f"SELECT id FROM content WHERE id NOT IN ({elsewhere})", (computer,))}


def erase_computer(index: Index, computer: str) -> None:
    """Forget that a computer was searched, and every path on it; what was only there, erase_contents() erases."""
    index.rows("DELETE FROM search WHERE run IN (SELECT id FROM run WHERE computer = ?)", (computer,))
    for table in ("place", "pile", "quarantine", "run"):
        index.rows(f"DELETE FROM {table} WHERE computer = ?", (computer,))


def end_erasing(index: Index, path: Path) -> Path:
    """Write what is left into a new file beside the index, which knows nothing of before; returns it.

    The old file keeps what was deleted in earlier runs in its free places. The new one has to be put into its place
    once the index is closed. It needs as much room again. Raises IndexFileError.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    index.rows("COMMIT")
    try:
        index.rows("VACUUM INTO ?", (os.fspath(part),))
    except IndexFileError:
        part.unlink(missing_ok=True)
        raise
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    return part


def put_in_place(part: Path, path: Path) -> None:
    """Put what end_erasing() wrote into the place of the index, which is closed. Raises IndexFileError."""
    try:
        os.replace(part, path)
    except OSError as error:
        raise IndexFileError(
            f"What was to be forgotten is deleted, but the file {path} could not be exchanged for one without traces: "
            f"{error.strerror}. Start the same command again."
        ) from error
