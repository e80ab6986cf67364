"""What stands on the page, as plain data, and how it becomes HTML."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from facefinder.estimate import CERTAINTY, Estimate
from facefinder.flags import PROGRAM
from facefinder.pages.language import ENGLISH, Texts
from facefinder.pages.templates import FOLDER, environment, inline

HERE = Path(__file__).parent
GENERATOR = "Face Finder report"  # by this a page is known as one of ours
STEPS = 20  # of the slider, at least


@dataclass(frozen=True)
class Picture:
    """A face to be shown. jpeg: as Base64. key: see Wanted."""

    jpeg: str
    key: str = ""


@dataclass(frozen=True)
class Card:
    """A photo that shows somebody. link: the address of the copy, or of the photo. folder: all of it; place: in short.

    taken: when the camera took it, modified: when the file was changed last, dates; when: a time in a video; "" where
    there is none. likeness: a name in texts/: report.likeness. elsewhere: other paths. taken_from: as in PhotoMatch.
    photo: a number of its own for each photo, however many people it shows.
    """

    picture: Picture | None
    link: str
    name: str
    folder: str
    place: str
    taken: str
    modified: str
    when: str
    distance: float
    likeness: str
    elsewhere: tuple[str, ...] = ()
    taken_from: float | None = None
    photo: int = 0


@dataclass(frozen=True)
class Section:
    """What was found of somebody: cards, the nearest first. further: what a looser threshold would have taken.

    references: the pictures used. problems: (path, reason). share: None where there is too little to say.
    is_named: False for a group that has only a number. faces: how many there are surely in a group, of which the page
    shows the most alike; None where it shows all.
    """

    name: str
    sure: list[Card]
    maybe: list[Card]
    further: list[Card] = field(default_factory=list)
    references: list[Picture] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    share: Estimate | None = None
    is_named: bool = True
    faces: int | None = None


@dataclass(frozen=True)
class Run:
    """What a run went through. unreadable: (path, reason). gone: places that went away while they were searched.

    passed_over: (name in texts/: report.passed_over, how many, some of the paths). places: none if nothing was
    searched, because what was asked for was known.
    """

    made: str
    computer: str
    places: list[str]
    photos: int
    videos: int
    analysed: int
    seconds: float
    model: str
    measure: str
    unreadable: list[tuple[str, str]]
    passed_over: list[tuple[str, int, list[str]]]
    gone: list[str]


@dataclass(frozen=True)
class Grouped:
    """What a page of the groups says besides. folder: where they all are. strangers: faces of nobody.

    absent: photos that are not at their place now. more: people who are not on the page.
    """

    folder: str
    strangers: int
    absent: int
    more: int


@dataclass(frozen=True)
class Report:
    """All that the page says. sure, maybe: the limits, as told to the user; loosest: as far as the cards go.

    grouped: of a run of `groups`. has_slider: not where more than a threshold decides what is taken.
    together, without: what was asked for besides people.
    """

    sections: list[Section]
    sure: float
    maybe: float
    loosest: float
    run: Run
    grouped: Grouped | None = None
    has_slider: bool = True
    together: bool = False
    without: str = ""

    @property
    def decimals(self) -> int:
        """Of a distance, so many that the slider has at least STEPS steps."""
        return max(2, math.ceil(math.log10(STEPS / self.loosest)))

    @property
    def end(self) -> float:
        """Of the slider: a threshold with these decimals, of which all is known that it would take."""
        return float(math.floor(self.loosest * 10**self.decimals) / 10**self.decimals)

    @property
    def photos_found(self) -> int:
        """How many different ones, however many people each shows."""
        return len({card.photo for section in self.sections for card in section.sure})

    @property
    def photos_maybe(self) -> int:
        """How many more of them should be looked at."""
        maybe = {card.photo for section in self.sections for card in section.maybe}
        return len(maybe - {card.photo for section in self.sections for card in section.sure})


def in_html(report: Report, language: str = ENGLISH) -> Iterator[str]:
    """The page, piece by piece: with thousands of pictures it is large. language: one of pages/texts."""
    style, allowed_style = inline(FOLDER / "style.css", HERE / "report.css")
    script, allowed_script = inline(HERE / "report.js")
    policy = f"default-src 'none'; img-src data:; style-src {allowed_style}; script-src {allowed_script}"
    policy += "; base-uri 'none'; form-action 'none'"
    templates = environment(HERE / "templates", language=language)
    templates.filters["duration"] = partial(_duration, text=Texts(language))
    templates.filters["percent"] = "{:.0%}".format
    templates.filters["distance"] = f"{{:.{report.decimals}f}}".format
    page = templates.get_template("report.html").stream(
        report=report,
        run=report.run,
        grouped=report.grouped,
        style=style,
        script=script,
        policy=policy,
        generator=GENERATOR,
        program=PROGRAM,
        certainty=CERTAINTY,
    )
    page.enable_buffering(100)
    return page


def _duration(seconds: float, text: Texts) -> str:
    if round(seconds, 1) < 60:
        return text("report.took.seconds", seconds=f"{seconds:.1f}")
    minutes = round(seconds / 60)
    if minutes < 60:
        return text("report.took.minutes", count=minutes)
    return text("report.took.hours", hours=minutes // 60, minutes=f"{minutes % 60:02}")
