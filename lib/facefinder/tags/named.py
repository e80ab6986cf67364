"""Names that other programs wrote into the XMP of the searched photos -> people to look for."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from facefinder.errors import ReferencesError
from facefinder.faces.analyzer import Face, Rule
from facefinder.index import Content, Index
from facefinder.media.packets import read_packets, read_sidecars
from facefinder.people import Person, make_person
from facefinder.progress import Progress
from facefinder.review.people import MOST_REFERENCES
from facefinder.review.word import Box, overlap, same_name
from facefinder.tags.xmp import UnreadablePacket, faces_in

MOST_PHOTOS = 500  # of one person that are compared with each other, those with the largest faces


@dataclass(frozen=True)
class NamedPeople:
    """People made of named faces. photos: name -> how many photos name a face that was found there.

    problems: what is wrong with people of whom no face can be used, in words.
    """

    people: list[Person] = field(default_factory=list)
    photos: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def only(self, names: Sequence[str]) -> Self:
        """Those of them who are called one of these names."""
        return replace(
            self,
            people=[person for person in self.people if any(same_name(person.name, name) for name in names)],
            photos={own: count for own, count in self.photos.items() if any(same_name(own, name) for name in names)},
        )


def named_people(index: Index, agree: float, rule: Rule, progress: Progress) -> NamedPeople:
    """Everybody whose face has a name in the photos seen in this run, or in sidecars beside them. They are only read.

    agree: the cosine distance up to which two faces may be one person; of a name's faces those count that agree.
    """
    photos_of: dict[str, dict[str, Face]] = {}
    spellings: dict[str, str] = {}
    numbers = {int(number) for stored in index.faces_seen() for number in np.unique(stored.contents)}
    progress.start("Reading names", len(numbers))
    try:
        for number in sorted(numbers):
            paths = index.places_seen(number)
            for name, face in _named_faces(paths, index.content(number), index.faces_at(paths[0])).items():
                key = spellings.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
                photos_of.setdefault(key, {})[paths[0]] = face
            progress.advance()
    finally:
        progress.finish()
    named = NamedPeople(photos={name: len(photos_of[name]) for name in sorted(photos_of)})
    for name in named.photos:
        try:
            named.people.append(_person(name, photos_of[name], agree, rule))
        except ReferencesError as error:
            named.problems.append(str(error).partition("\n")[0])
    return named


def _named_faces(paths: Sequence[str], content: Content, faces: Sequence[Face]) -> Mapping[str, Face]:
    """Name -> that one of the faces found in a photo at which another program says that it is. paths: of its copies."""
    first = read_packets(paths[0])
    if first.size is None or not content.width or not content.height:
        return {}  # a video or a RAW file: what its regions are measured on is not the picture that is looked at
    packets = [*first.sidecars.values(), *(packet for path in paths[1:] for packet in read_sidecars(path).values())]
    packets += [first.embedded] if first.embedded else []
    free = [face for face in faces if face.moment is None]
    named: dict[str, Face] = {}
    for packet in packets:
        try:
            regions = faces_in(packet)
        except UnreadablePacket:
            continue
        for region in regions:
            if region.area is None or region.name in named:
                continue
            box = region.area.upright(first.orientation).in_pixels(content.width, content.height)
            here = [face for face in free if _is_same(box, face.box)]
            if here:
                face = max(here, key=lambda face: overlap(box, face.box))
                free.remove(face)
                named[region.name] = face
    return named


def _is_same(one: Box, other: Box) -> bool:
    """Whether two boxes mean one face: each holds the centre of the other.

    Not by their common area: some programs frame the whole head, and others less than the face.
    """
    return _holds(one, other) and _holds(other, one)


def _holds(one: Box, other: Box) -> bool:
    x, y = other[0] + other[2] / 2, other[1] + other[3] / 2
    return one[0] <= x <= one[0] + one[2] and one[1] <= y <= one[1] + one[3]


def _person(name: str, photos: Mapping[str, Face], agree: float, rule: Rule) -> Person:
    """Raises ReferencesError when no face can be used."""
    largest = sorted(photos, key=lambda path: -photos[path].size)[:MOST_PHOTOS]
    person = make_person(name, {path: [photos[path]] for path in largest}, agree, (), rule)
    best = sorted(person.references, key=lambda reference: -reference.face.size)[:MOST_REFERENCES]
    return replace(person, references=tuple(best))
