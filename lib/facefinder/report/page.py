"""What stands on the page, as plain data, and how it becomes HTML."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from facefinder.estimate import CERTAINTY, Estimate
from facefinder.flags import PROGRAM
from facefinder.pages.templates import FOLDER, Texts, environment, inline

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
    """A photo that shows somebody. link: the address of the copy, or of the photo. folder: all of it.

    taken: a date, when: a time in a video; "" where there is none. likeness: a name in texts/: report.likeness.
    ruled: "in" or "out" where the user's word is stronger than any threshold, else "". elsewhere: other paths.
    """

    picture: Picture | None
    link: str
    name: str
    folder: str
    taken: str
    when: str
    distance: float
    likeness: str
    ruled: str = ""
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """What was found of somebody: cards, the nearest first. further: what a looser threshold would have taken.

    references: the pictures used. problems: (path, reason). share: None where there is too little to say.
    """

    name: str
    sure: list[Card]
    maybe: list[Card]
    further: list[Card]
    references: list[Picture]
    problems: list[tuple[str, str]]
    share: Estimate | None = None


@dataclass(frozen=True)
class Report:
    """All that the page says. sure, maybe: the limits, as told to the user; loosest: where the slider ends.

    unreadable: (path, reason). passed_over: (name in texts/: report.passed_over, how many, some of the paths).
    gone: places that went away while they were searched.
    """

    sections: list[Section]
    sure: float
    maybe: float
    loosest: float
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

    @property
    def decimals(self) -> int:
        """Of a distance, so many that the slider has at least STEPS steps."""
        return max(2, math.ceil(math.log10(STEPS / self.loosest)))


def in_html(report: Report) -> Iterator[str]:
    """The page, piece by piece: with thousands of pictures it is large."""
    style, allowed_style = inline(FOLDER / "style.css", HERE / "report.css")
    script, allowed_script = inline(HERE / "report.js")
    policy = f"default-src 'none'; img-src data:; style-src {allowed_style}; script-src {allowed_script}"
    policy += "; base-uri 'none'; form-action 'none'"
    templates = environment(HERE / "templates")
    templates.filters["duration"] = partial(_duration, text=Texts())
    templates.filters["percent"] = "{:.0%}".format
    templates.filters["tail"] = lambda folder: os.sep.join(Path(folder).parts[-2:])
    templates.filters["distance"] = f"{{:.{report.decimals}f}}".format
    page = templates.get_template("report.html").stream(
        report=report,
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
