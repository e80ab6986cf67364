"""Reference photos -> people: which face in each photo is meant, and what is wrong with the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facefinder.errors import ReferencesError
from facefinder.faces.analyzer import Face
from facefinder.media.walk import FoundFile, walk

# A smaller face makes a poor reference, pixels.
SMALLEST_REFERENCE = 40


@dataclass(frozen=True)
class Reference:
    """A good reference photo and the face in it."""

    path: str
    face: Face


@dataclass(frozen=True)
class Person:
    """Somebody to look for. template: (D,), of length 1, the direction of the mean of the references' vectors.

    problems: (path, reason) of the reference photos that are not used, and of those used with a doubt.
    """

    name: str
    references: tuple[Reference, ...]
    template: NDArray[np.float32]
    problems: tuple[tuple[str, str], ...]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(K, D): one vector for each reference photo."""
        return np.stack([reference.face.vector for reference in self.references])


def reference_files(folder: Path) -> dict[str, list[FoundFile]]:
    """The reference photos by person: sub-folders are one person each; photos directly in it are one more.

    Raises ReferencesError when there are none.
    """
    if not folder.is_dir():
        raise ReferencesError(f"There is no folder {folder}. {_ADVICE}")
    people: dict[str, list[FoundFile]] = {}
    for file in walk([folder]):
        inside = Path(file.path).relative_to(folder)
        name = inside.parts[0] if len(inside.parts) > 1 else folder.resolve().name
        if file.has_photo_suffix:
            people.setdefault(name, []).append(file)
    if not people:
        raise ReferencesError(f"The folder {folder} holds no photos. {_ADVICE}")
    return people


_ADVICE = (
    "Make a folder with the person's name in refs/ and put three to ten clear photos of their face into it, "
    "for example refs/Mom/photo1.jpg."
)


def make_person(
    name: str, photos: Mapping[str, Sequence[Face]], agree: float, unreadable: Sequence[tuple[str, str]] = ()
) -> Person:
    """Choose the face in each reference photo on which the photos agree, and make the template.

    photos: path -> its faces. agree: the cosine distance up to which two faces may be one person.
    Raises ReferencesError when no photo is usable.
    """
    problems = list(unreadable)
    usable: dict[str, list[Face]] = {}
    for path, faces in photos.items():
        large = [face for face in faces if face.size >= SMALLEST_REFERENCE]
        if not faces:
            problems.append((path, "no face found in it"))
        elif not large:
            largest = max(face.size for face in faces)
            problems.append((path, f"the face is too small: {largest:.0f} pixels, {SMALLEST_REFERENCE} are needed"))
        else:
            usable[path] = large
    if not usable:
        reasons = "".join(f"\n  {path}: {reason}" for path, reason in problems)
        raise ReferencesError(f"No reference photo of {name} can be used.{reasons}\n{_ADVICE}")
    chosen = _agreeing(usable, agree)
    for path, faces in usable.items():
        if path not in chosen:
            problems.append((path, "does not agree with the other photos: somebody else, or a face hard to see"))
        elif len(chosen) == 1 and len(faces) > 1:
            problems.append((path, f"shows {len(faces)} people and nothing says who is meant: took the largest face"))
    references = tuple(Reference(path, face) for path, face in chosen.items())
    mean = np.mean([reference.face.vector for reference in references], axis=0)
    return Person(name, references, (mean / np.linalg.norm(mean)).astype(np.float32), tuple(problems))


def _agreeing(photos: Mapping[str, Sequence[Face]], agree: float) -> dict[str, Face]:
    """path -> the face in it that agrees with the other photos, without the photos that do not agree."""
    everyone = [(path, face) for path, faces in photos.items() for face in faces]
    vectors = np.stack([face.vector for _, face in everyone])
    similarity = vectors @ vectors.T
    rows = {path: [row for row, (owner, _) in enumerate(everyone) if owner == path] for path in photos}

    def nearest(path: str, closeness: NDArray[np.float32]) -> int:
        return max(rows[path], key=lambda row: (float(closeness[row]), everyone[row][1].size))

    def support(row: int) -> tuple[int, float]:
        others = [similarity[row, nearest(path, similarity[row])] for path in photos if path != everyone[row][0]]
        return sum(1 - other <= agree for other in others), everyone[row][1].size if not others else float(sum(others))

    seed = max(range(len(everyone)), key=support)
    if support(seed)[0] == 0:
        return _without_agreement(photos)
    template = vectors[seed]
    # The first template is one photo's face; the mean of those that agree with it is a better judge.
    for _ in range(2):
        picked = {path: nearest(path, vectors @ template) for path in photos}
        picked = {path: row for path, row in picked.items() if 1 - float(vectors[row] @ template) <= agree}
        template = vectors[list(picked.values())].mean(axis=0)
        template /= np.linalg.norm(template)
    return {path: everyone[row][1] for path, row in picked.items()}


def _without_agreement(photos: Mapping[str, Sequence[Face]]) -> dict[str, Face]:
    """No two photos agree: a photo that shows one person alone is believed, others only if there is none."""
    alone = {path: faces[0] for path, faces in photos.items() if len(faces) == 1}
    if alone:
        return alone
    path, faces = max(photos.items(), key=lambda entry: max(face.size for face in entry[1]))
    return {path: max(faces, key=lambda face: face.size)}


def read_people(
    files: Mapping[str, Sequence[FoundFile]],
    faces_at: Callable[[str], Sequence[Face]],
    problems: Sequence[tuple[str, str]],
    agree: float,
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
            people.append(make_person(name, faces, agree, broken))
        except ReferencesError as error:
            failures.append(str(error))
    if failures:
        raise ReferencesError("\n".join(failures))
    return people
