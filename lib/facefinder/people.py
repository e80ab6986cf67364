"""Reference photos -> people: which face in each photo is meant, and what is wrong with the others."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import ReferencesError
from facefinder.faces.analyzer import Face, Rule
from facefinder.media.kinds import Kind, kind_of_name
from facefinder.media.rules import skipped_folder
from facefinder.media.walk import FoundFile, walk

# A smaller face makes a poor reference, pixels.
SMALLEST_REFERENCE = 40


@dataclass(frozen=True)
class Reference:
    """A good reference photo and the face in it, or one of them (see Rule).

    path: "" for a face of a photo that lies nowhere now. sha256: of the photo, where that is known; None for whatever
    lies at the path.
    """

    path: str
    face: Face
    sha256: bytes | None = None


@dataclass(frozen=True)
class Person:
    """Somebody to look for. template: (D,), of length 1, the direction of the mean of the references' vectors.

    problems: (path, reason) of the reference photos that are not used, and of those used with a doubt.
    rejected: the vectors of faces of which the user said that they are somebody else.
    """

    name: str
    references: tuple[Reference, ...]
    template: NDArray[np.float32]
    problems: tuple[tuple[str, str], ...]
    rejected: tuple[NDArray[np.float32], ...] = ()

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(K, D): one vector for each reference."""
        return np.stack([reference.face.vector for reference in self.references])


def reference_files(folder: Path) -> dict[str, list[FoundFile]]:
    """The reference photos by person: sub-folders are one person each; photos directly in it are one more.

    Raises ReferencesError when there are none, also when only one of the sub-folders holds none.
    """
    if not folder.is_dir():
        raise ReferencesError(f"There is no folder {folder}. {_ADVICE}")
    folder = Path(os.path.abspath(folder))
    people: dict[str, list[FoundFile]] = {}
    problems: list[str] = []
    for file in walk([folder], on_problem=lambda path, why: problems.append(f"{path}: {why}.")):
        first, *below = Path(file.path).relative_to(folder).parts
        if kind_of_name(file.path) in (Kind.PHOTO, Kind.RAW) and not (below and first.startswith(".")):
            people.setdefault(first if below else folder.name, []).append(file)
    if problems:
        raise ReferencesError("\n".join(problems))
    empty = [path for path in sorted(folder.iterdir()) if _is_somebody(path) and path.name not in people]
    if empty or not people:
        folders = ", ".join(map(str, empty or [folder]))
        raise ReferencesError(f"There are no photos in {folders}. {_ADVICE}")
    return people


def _is_somebody(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and not skipped_folder(str(path), path.name)


_ADVICE = (
    "Make a folder with the person's name in refs/ and put three to ten clear photos of their face into it, "
    "for example refs/Mom/photo1.jpg."
)


def make_person(
    name: str,
    photos: Mapping[str, Sequence[Face]],
    agree: float,
    unreadable: Sequence[tuple[str, str]] = (),
    rule: Rule = Rule.AGREED,
) -> Person:
    """Choose the face in each reference photo on which the photos agree (or all, see Rule), and make the template.

    photos: path -> its faces. agree: the cosine distance up to which two faces may be one person.
    Raises ReferencesError when no photo is usable.
    """
    problems = list(unreadable)
    smallest = 0 if rule is Rule.NEAREST else SMALLEST_REFERENCE
    usable: dict[str, list[Face]] = {}
    for path, faces in photos.items():
        large = [face for face in faces if face.size >= smallest]
        if not faces:
            problems.append((path, "no face found in it"))
        elif not large:
            largest = max(face.size for face in faces)
            problems.append((path, f"the face is too small: {largest:.0f} pixels, {smallest} are needed"))
        else:
            usable[path] = large
    if not usable:
        reasons = "".join(f"\n  {path}: {reason}" for path, reason in problems)
        raise ReferencesError(f"No reference photo of {name} can be used.{reasons}\n{_ADVICE}")
    if rule is Rule.NEAREST:
        references, doubts = _everyone(name, usable)
    else:
        references, doubts = _agreed(usable, agree)
    mean = np.mean([reference.face.vector for reference in references], axis=0)
    template = (mean / np.linalg.norm(mean)).astype(np.float32)
    return Person(name, tuple(references), template, (*problems, *doubts))


def _everyone(name: str, photos: Mapping[str, Sequence[Face]]) -> tuple[list[Reference], list[tuple[str, str]]]:
    """Every face in the photos, as DeepFace.find takes them; and what there is to know about the photos."""
    references = [Reference(path, face) for path, faces in photos.items() for face in faces]
    crowds = [(path, len(faces)) for path, faces in photos.items() if len(faces) > 1]
    return references, [(path, f"shows {count} faces, and each of them counts as {name}") for path, count in crowds]


def _agreed(photos: Mapping[str, Sequence[Face]], agree: float) -> tuple[list[Reference], list[tuple[str, str]]]:
    """The face in each photo on which the photos agree; and what is wrong with the photos, or doubtful."""
    chosen, doubt = _choose(photos, agree)
    doubts = []
    for path in photos:
        if path not in chosen:
            doubts.append((path, "does not agree with the other photos: somebody else, or a face hard to see"))
        elif doubt:
            doubts.append((path, doubt))
    return [Reference(path, face) for path, face in chosen.items()], doubts


def _choose(photos: Mapping[str, Sequence[Face]], agree: float) -> tuple[dict[str, Face], str]:
    """path -> the face on which the photos agree, without the photos that do not; and a doubt of them all, or ""."""
    everyone = [(path, face) for path, faces in photos.items() for face in faces]
    vectors = np.stack([face.vector for _, face in everyone])
    counts = [len(faces) for faces in photos.values()]
    starts = np.cumsum([0, *counts[:-1]])
    # (faces, photos): how near each face is to the nearest face in each photo; in its own photo, to itself.
    nearness = np.maximum.reduceat(vectors @ vectors.T, starts, axis=1)
    nearness[np.arange(len(everyone)), np.repeat(np.arange(len(photos)), counts)] = 1
    support = (1 - nearness <= agree).sum(axis=1)
    if support.max() == 1:
        return _without_agreement(photos)
    sizes = np.array([face.size for _, face in everyone])
    seed = int(np.lexsort((sizes, nearness.sum(axis=1), support))[-1])
    template = vectors[seed]
    # The first template is one photo's face; the mean of those that agree with it is a better judge.
    for _ in range(2):
        distances = 1 - vectors @ template
        picked = [
            start + int(distances[start : start + count].argmin()) for start, count in zip(starts, counts, strict=True)
        ]
        picked = [row for row in picked if distances[row] <= agree]
        template = vectors[picked].mean(axis=0)
        template /= np.linalg.norm(template)
    rivals = (support == support[seed]) & (1 - vectors @ template > agree)
    doubt = "somebody else is on as many of the photos: add one of the person alone" if rivals.any() else ""
    return dict(everyone[row] for row in picked), doubt


def _without_agreement(photos: Mapping[str, Sequence[Face]]) -> tuple[dict[str, Face], str]:
    """No two photos agree: the photos that show one person alone are believed, others only if there is none."""
    alone = {path: faces[0] for path, faces in photos.items() if len(faces) == 1}
    if alone:
        return alone, "no two of the photos agree: do they all show the same person?" if len(alone) > 1 else ""
    path, faces = max(photos.items(), key=lambda entry: max(face.size for face in entry[1]))
    doubt = "shows several people and nothing says who is meant: took the largest face"
    return {path: max(faces, key=lambda face: face.size)}, doubt


def read_people(
    files: Mapping[str, Sequence[FoundFile]],
    faces_at: Callable[[str], Sequence[Face]],
    problems: Sequence[tuple[str, str]],
    agree: float,
    rule: Rule = Rule.AGREED,
) -> list[Person]:
    """Make a Person of each folder. faces_at: path -> faces; problems: the photos that could not be read.

    Raises ReferencesError when somebody has no usable photo: going on without one of several people would end in
    "no photos found", which is not true.
    """
    unreadable = dict(problems)
    people, failures = [], []
    for name, photos in files.items():
        faces = {photo.path: faces_at(photo.path) for photo in photos if photo.path not in unreadable}
        broken = [(photo.path, unreadable[photo.path]) for photo in photos if photo.path in unreadable]
        try:
            people.append(make_person(name, faces, agree, broken, rule))
        except ReferencesError as error:
            failures.append(str(error))
    if failures:
        raise ReferencesError("\n".join(failures))
    return people
