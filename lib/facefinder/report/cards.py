"""Matches -> the cards that show them, the same on the page of a search and on that of the groups."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from facefinder.collect import Collector
from facefinder.errors import DestinationError
from facefinder.match import BY_WORD, Limits, PhotoMatch, Verdict
from facefinder.media.archives import archive_of
from facefinder.report.page import Card, Picture
from facefinder.report.pictures import Wanted
from facefinder.settings import Settings

VERY_LIKE = 0.7  # times the limit of `sure`: said in other words, no more
LONGEST_PLACE = 40  # characters, two lines
NEVER = 400 * 86400 * 10**9  # nanoseconds; a file from before 1971 has no date that anybody set


class Cards:
    """Makes the cards of one page, which is going to lie at `page`. side: of the pictures, see Wanted."""

    def __init__(
        self,
        settings: Settings,
        page: Path,
        places: Sequence[Path],
        limits: Limits,
        pictures: Mapping[Wanted, str],
        side: int,
    ):
        self._folder, self._places, self._limits = page.parent, places, limits
        self._pictures, self._side = pictures, side
        self._collector = None
        with suppress(DestinationError):  # its drive was pulled out: the page leads to the photos themselves
            self._collector = Collector(settings.copy) if settings.copy else None
        self._photos: dict[str, int] = {}

    def of(self, name: str, matches: Sequence[PhotoMatch], verdict: Verdict) -> list[Card]:
        """Those of one person and one verdict, in the order of the matches."""
        return [self._card(match) for match in matches if match.person == name and match.verdict is verdict]

    def _card(self, match: PhotoMatch) -> Card:
        face = face_of(match)
        jpeg = self._pictures.get(face)
        copy = self._collector.copy_of(match) if self._collector else None
        original = Path(archive_of(match.source) or match.source)
        return Card(
            picture=Picture(jpeg, face.key(self._side)) if jpeg else None,
            link=_link(copy if copy and copy.is_file() else original, self._folder),
            name=os.path.basename(match.source),
            folder=os.path.dirname(match.source),
            place=_shortened(_from_place(Path(match.source).parent, self._places)),
            taken=(match.taken or "")[:10].replace(":", "-"),
            modified=_day(match.modified_ns),
            when=match.when,
            distance=match.distance,
            likeness=_likeness(match, self._limits),
            elsewhere=match.also_at,
            taken_from=match.taken_from,
            photo=self._photos.setdefault(match.sha256, len(self._photos)),
        )


def face_of(match: PhotoMatch) -> Wanted:
    """What is to be seen on the card of a match."""
    photo = (match.width, match.height) if match.width and match.height else None
    return Wanted((match.source, *match.also_at), bytes.fromhex(match.sha256), match.box, match.moment, photo)


def _from_place(folder: Path, places: Sequence[Path]) -> str:
    """A folder as one says where it is: from the place on, which was searched and which the page names in full."""
    around = [place.parent for place in places if folder.is_relative_to(place)]
    return str(folder.relative_to(around[0]) if around else folder)


def _shortened(place: str) -> str:
    """A path that fits on a card; what is left out stands in the middle, for both ends tell something."""
    if len(place) <= LONGEST_PLACE:
        return place
    first = LONGEST_PLACE // 3
    return f"{place[:first]}…{place[first + 1 - LONGEST_PLACE :]}"


def _day(modified_ns: int | None) -> str:
    if modified_ns is None or modified_ns < NEVER:
        return ""
    try:
        return time.strftime("%Y-%m-%d", time.localtime(modified_ns / 1e9))
    except (OverflowError, OSError, ValueError):  # a damaged file system may say anything
        return ""


def _likeness(match: PhotoMatch, limits: Limits) -> str:
    """The distance in words, or what was stronger than it: a name in texts/."""
    if match.taken_from == BY_WORD:
        return "in"
    if match.taken_from is None:
        return "out"
    if match.distance > limits.maybe:
        return "little"
    if match.distance > limits.sure:
        return "somewhat"
    return "very" if match.distance <= VERY_LIKE * limits.sure else "well"


def _link(target: Path, folder: Path) -> str:
    """The address of a file for a page in `folder`: relative on the stick, whose drive letter changes."""
    target, folder = target.absolute(), folder.absolute()
    if target.is_relative_to(folder):
        return quote(os.fsencode(target.relative_to(folder).as_posix()))
    return target.as_uri()
