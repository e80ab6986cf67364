"""The fourth job: all that is known of a person, of a computer, or of everybody, off the stick; and what remains."""

import os
import platform
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from facefinder.errors import DestinationError, IndexFileError, UnreadableIndex, UsageError
from facefinder.find import open_index
from facefinder.index import Index
from facefinder.remains import remains_of_computers, remains_of_everybody, remains_of_people
from facefinder.review.names import folder_stem, is_junk, parse_folder
from facefinder.review.read import index_name, mark_of, read_if_ours
from facefinder.review.word import same_name
from facefinder.settings import INDEX_NAME, ForgetSettings, Settings
from facefinder.storage.database import is_plain, is_there, left_behind, part_of, sweep, with_journal
from facefinder.storage.erase import erase_computer, erase_contents, erase_people, erase_words, faces_of
from facefinder.storage.passphrase import passphrase_of
from facefinder.traces import (
    Traces,
    crops_in,
    is_reference,
    reports_and_logs,
    traces_of_computer,
    traces_of_person,
)

REPORTS = "the report and the logs of earlier runs"

# Told what is about to go, in words; whether it shall.
Agree = Callable[[str], bool]


@dataclass
class Forgotten:
    """What was removed: photos are no longer known, crops are files of the groups folder.

    who: in words. done: False if the user did not agree. reports: how many files that told of earlier runs.
    remains: places on the stick that still tell of them. problems: (path, reason) of what could not be removed.
    notes: what there is to know besides.
    """

    who: str
    done: bool = False
    photos: int = 0
    faces: int = 0
    crops: int = 0
    reports: int = 0
    remains: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def forget(settings: Settings, agree: Agree) -> Forgotten:
    """Do what the command `forget` says. Raises FaceFinderError; the photos themselves are never touched.

    Whatever breaks it off, the same command goes on: the index is exchanged last, and until then it is whole.
    """
    asked = settings.forget
    assert asked, "this command has settings of its own"
    if not (asked.everything or settings.people or asked.computers):
        raise UsageError("Say what to forget:  --all,  --person NAME  or  --computer NAME")
    if asked.everything:
        return _forget_everybody(settings, agree)
    path = settings.index
    if path is None or not is_there(path):
        raise IndexFileError(
            f"There is no index {path}, so nobody is remembered in it. Name another one with --index FILE, or remove "
            "what else is left with --all."
        )
    with open_index(settings, None) as index:
        try:
            outcome = _forget(settings, asked, index, path, agree)
        except BaseException:
            sweep(path)
            raise
    if outcome.done:
        _exchange(path)
    return outcome


def _forget(settings: Settings, asked: ForgetSettings, index: Index, path: Path, agree: Agree) -> Forgotten:
    """All but the exchange of the index for one that knows nothing of them, which lies beside it afterwards."""
    reading = read_if_ours(index, settings.groups_folder)
    if asked.computers:
        outcome = Forgotten(" and ".join(f"the computer {name}" for name in asked.computers))
        traces = traces_of_computer(index, asked.computers)
        outcome.remains = remains_of_computers(settings, asked.computers)
    else:
        outcome = Forgotten(" and ".join(settings.people))
        traces = Traces()
        for name in settings.people:
            own = traces_of_person(index, name, settings)
            traces.numbers |= own.numbers
            traces.contents |= own.contents
            traces.names |= own.names
        outcome.remains = remains_of_people(settings, traces.names, _digests(index, traces.contents))
    faces = faces_of(index, traces.contents)
    crops = crops_in(settings.groups_folder, index_name(index), faces) if reading.ours else []
    tellers = reports_and_logs(settings)
    outcome.photos, outcome.faces = len(traces.contents), len(faces)
    outcome.crops, outcome.reports = len(crops), len(tellers)
    if not reading.ours and any(face in faces for (face,) in index.rows("SELECT face FROM shown")):
        outcome.notes.append(
            f"Small pictures of them were written into a groups folder, and {settings.groups_folder} is not that one. "
            "If it is still somewhere, say where with --groups DIR."
        )
    if not agree(_about_to_go(outcome, settings.groups_folder)):
        return outcome
    outcome.done = True

    def erase(copy: Index) -> None:
        if asked.computers:
            erase_words(copy, traces.contents)
        erase_contents(copy, traces.contents)
        erase_people(copy, traces.numbers, traces.names)
        for (held,) in copy.rows("SELECT path FROM quarantine"):
            if any(is_reference(held, settings.refs, name) for name in traces.names):
                copy.rows("DELETE FROM quarantine WHERE path = ?", (held,))
        for name in asked.computers:
            erase_computer(copy, name)

    index.rewritten(part_of(path), erase)
    # Should the rest be broken off: what is missing in the groups folder then was not deleted by the user.
    index.rows("UPDATE tree SET complete = 0")
    index.commit()
    _remove_files(settings, crops, tellers, traces.names, outcome)
    return outcome


def _exchange(path: Path) -> None:
    """Put the index without them into the place of the old one, which is closed. Raises IndexFileError."""
    part = part_of(path)
    try:
        os.replace(part, path)
    except OSError as error:
        raise IndexFileError(
            f"The index {path} could not be exchanged for one without them: {error.strerror}. Nothing is forgotten so "
            "far but reports and small pictures; start the same command again."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _forget_everybody(settings: Settings, agree: Agree) -> Forgotten:
    """Also where the index cannot be read any more: lost passphrases and damage are reasons to have it gone."""
    path, folder = settings.index, settings.groups_folder
    outcome = Forgotten("everybody", remains=remains_of_everybody(settings))
    name, crops = None, []
    if path and is_there(path):
        try:
            with Index(path, None, platform.node(), _passphrase_if_known(path)) as index:
                contents = [number for (number,) in index.rows("SELECT id FROM content")]
                outcome.photos, outcome.faces = len(contents), len(faces_of(index, contents))
                name = index_name(index)
        except UnreadableIndex:
            if path.name != INDEX_NAME:  # it may be anything
                raise
            outcome.notes.append(f"{path} cannot be read (encrypted, or damaged), and goes all the same.")
    with suppress(DestinationError):
        mark = mark_of(folder)
        if mark and name in (None, mark[0]):
            crops = crops_in(folder, mark[0], None)
        elif mark:
            outcome.remains.append(str(folder))  # of another index
    tellers = reports_and_logs(settings)
    files = [file for file in [*with_journal(path), *left_behind(path)] if file.is_file()] if path else []
    if not (files or crops or tellers):
        raise IndexFileError(f"There is no index {path}, so nothing is remembered. Name another one with --index FILE.")
    outcome.crops, outcome.reports = len(crops), len(tellers)
    if not agree(_about_to_go(outcome, folder)):
        return outcome
    outcome.done = True
    _remove_files(settings, crops, tellers, (), outcome)
    _remove(files, outcome)
    return outcome


def _passphrase_if_known(path: Path) -> str | None:
    """Of an encrypted index; None if it is none, or nobody knows it any more."""
    if is_plain(path):
        return None
    try:
        return passphrase_of(path, is_new=False)
    except (UsageError, IndexFileError):
        return None


def _digests(index: Index, contents: Iterable[int]) -> set[str]:
    return {index.content(content).sha256.hex() for content in contents}


def _about_to_go(outcome: Forgotten, groups: Path) -> str:
    parts = [f"{outcome.faces} faces in {outcome.photos} photos"]
    parts += [f"{outcome.crops} small pictures in {groups}"] if outcome.crops else []
    parts += [REPORTS] if outcome.reports else []
    question = f"Forget {outcome.who}: {', '.join(parts)}? The photos themselves stay."
    return "\n".join([*outcome.notes, question])


def _remove_files(
    settings: Settings, crops: list[Path], tellers: list[Path], names: Collection[str], outcome: Forgotten
) -> None:
    """Small pictures, reports and logs, and the folders that are empty then."""
    _remove([*crops, *tellers], outcome)
    left = _remove_empty(settings.groups_folder, {crop.parent for crop in crops}, outcome)
    named = [
        folder for folder in left if any(same_name(parse_folder(folder.name).name, folder_stem(name)) for name in names)
    ]
    outcome.remains += map(str, named)
    if settings.logs and settings.logs.is_dir():
        _remove_empty(settings.logs, {settings.logs}, outcome)


def _remove(paths: Iterable[Path], outcome: Forgotten) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            outcome.problems.append((str(path), f"cannot be removed: {error.strerror}"))


def _remove_empty(root: Path, folders: set[Path], outcome: Forgotten) -> list[Path]:
    """Of these folders and those around them, up to root, those in which nothing of anybody is left; returns others."""
    around = {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root)}
    kept = []
    for folder in sorted(folders | around, key=lambda path: -len(path.parts)):
        try:
            left = list(folder.iterdir())
            if all(is_junk(path.name) for path in left):
                _remove(left, outcome)
                folder.rmdir()
            else:
                kept.append(folder)
        except OSError as error:
            outcome.problems.append((str(folder), f"cannot be removed: {error.strerror}"))
    return kept


def in_words(outcome: Forgotten) -> str:
    """What to say at the end."""
    if not outcome.done:
        return "Nothing was removed."
    removed = [f"{outcome.faces} faces in {outcome.photos} photos"]
    removed += [f"{outcome.crops} files of the groups folder"] if outcome.crops else []
    removed += [REPORTS] if outcome.reports else []
    lines = [f"Forgotten: {outcome.who}.", f"Removed: {', '.join(removed)}."]
    lines += ["", *outcome.notes] if outcome.notes else []
    if outcome.problems:
        lines += ["", "Could not be removed:", *(f"  {path}: {reason}" for path, reason in outcome.problems)]
    if outcome.remains:
        lines += ["", "These are yours and still there; delete them yourself if they are to go too:"]
        lines += [f"  {path}" for path in outcome.remains]
    return "\n".join(
        [
            *lines,
            "",
            "Copies that went elsewhere with --copy, and files of --export, are where you put them.",
            "A later search of the same photos works their faces out anew.",
        ]
    )
