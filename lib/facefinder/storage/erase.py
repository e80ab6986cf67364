"""What the index holds of some photos, of a person or of a computer -> out of it."""

import re
from collections.abc import Collection, Iterable

from facefinder.index import Index
from facefinder.review.word import History, same_name

SOMEBODY = "somebody"  # stands in the history for a name that is forgotten
PARTS_OF_STEPS = ("word", "naming", "joining", "aside")


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
