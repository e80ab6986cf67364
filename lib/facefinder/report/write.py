"""The outcome of a search -> report.html."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from facefinder.collect import Collector
from facefinder.find import FURTHER, Outcome
from facefinder.match import Limits, PhotoMatch, Verdict
from facefinder.media.archives import archive_of
from facefinder.media.rules import Reason
from facefinder.progress import Progress
from facefinder.report.page import GENERATOR, Card, Picture, Report, Section, in_html
from facefinder.report.pictures import Wanted, make_pictures, pictures_on, side_of
from facefinder.settings import Settings

PART = "~face-finder-report.part"  # the page under way; the next run uses it up
MOST_PICTURES = 10_000  # on one page, the nearest; beyond that a browser gets slow
VERY_LIKE = 0.7  # times the limit of `sure`: said in other words, no more
HEAD = 1024  # bytes, within which a page of ours says that it is one
OWN = {Reason.OWN, Reason.PSEUDO}  # passed over, and no news


class ReportError(OSError):
    """Why there is no page, in words for the user."""


def report_on(outcome: Outcome, settings: Settings, progress: Progress) -> Path | None:
    """Write the page; returns where it lies, None if there is no place for it. Raises ReportError."""
    path = settings.report
    if path is None:
        return None
    if not is_ours(path):
        raise ReportError(f"{path} is not a page of this program. Move it away, and the next search writes one.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _report(outcome, settings, path, progress))
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}.") from error
    return path


def is_ours(path: Path) -> bool:
    """Whether nothing, or a page of ours, lies there."""
    try:
        with path.open("rb") as file:
            return GENERATOR.encode() in file.read(HEAD)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _write(path: Path, report: Report) -> None:
    part = path.with_name(PART)
    try:
        # A file's name may be no valid Unicode; the page has a question mark there.
        with part.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(in_html(report))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _report(outcome: Outcome, settings: Settings, path: Path, progress: Progress) -> Report:
    shown = [*outcome.matches, *outcome.further]
    nearest = sorted(shown, key=lambda match: match.distance)[:MOST_PICTURES]
    references = {
        person.name: [Wanted((one.path,), None, one.face.box, one.face.moment) for one in person.references]
        for person in outcome.people
    }
    wanted = [_wanted(match) for match in nearest]
    side = side_of(len(wanted))
    faces = [*wanted, *(face for of_person in references.values() for face in of_person)]
    pictures = make_pictures(faces, side, pictures_on(path), settings.jobs, progress)
    collector = Collector(settings.copy) if settings.copy else None

    def card(match: PhotoMatch) -> Card:
        face = _wanted(match)
        jpeg = pictures.get(face)
        copy = collector.copy_of(match) if collector else None
        original = Path(archive_of(match.source) or match.source)
        return Card(
            picture=Picture(jpeg, face.key(side)) if jpeg else None,
            link=_link(copy if copy and copy.is_file() else original, path.parent),
            name=os.path.basename(match.source),
            folder=os.path.dirname(match.source),
            taken=(match.taken or "")[:10].replace(":", "-"),
            when=match.when,
            distance=match.distance,
            likeness=_likeness(match.distance, outcome.limits),
            ruled=_ruled(match, outcome.limits),
            elsewhere=match.also_at,
        )

    def cards(name: str, matches: Sequence[PhotoMatch], verdict: Verdict) -> list[Card]:
        return [card(match) for match in matches if match.person == name and match.verdict is verdict]

    groups = [outcome.people] if settings.together else [[person] for person in outcome.people]
    sections = []
    for people in groups:
        name = " and ".join(person.name for person in people)
        used = [pictures[face] for person in people for face in references[person.name] if face in pictures]
        sections.append(
            Section(
                name=name,
                sure=cards(name, outcome.matches, Verdict.SURE),
                maybe=cards(name, outcome.matches, Verdict.MAYBE),
                further=cards(name, outcome.further, Verdict.MAYBE),
                references=[Picture(jpeg) for jpeg in used],
                problems=[problem for person in people for problem in person.problems],
                share=outcome.shares.get(name),
            )
        )
    scan, passed_over, measure = outcome.scan, outcome.not_searched, settings.measure
    return Report(
        sections=sections,
        sure=outcome.limits.sure,
        maybe=outcome.limits.maybe,
        loosest=measure.of_cosine(measure.to_cosine(outcome.limits.maybe) * FURTHER),
        made=time.strftime("%Y-%m-%d %H:%M"),
        computer=platform.node(),
        places=[str(place) for place in outcome.places],
        photos=scan.photos,
        videos=scan.videos,
        analysed=scan.analysed,
        seconds=outcome.seconds,
        model=settings.model,
        measure=measure.name,
        unreadable=scan.problems,
        passed_over=[
            (reason.name.lower(), passed_over.counts[reason], passed_over.examples[reason])
            for reason in Reason
            if reason in passed_over.counts and reason not in OWN
        ],
        gone=[str(place) for place in scan.gone],
    )


def _wanted(match: PhotoMatch) -> Wanted:
    photo = (match.width, match.height) if match.width and match.height else None
    return Wanted((match.source, *match.also_at), bytes.fromhex(match.sha256), match.box, match.moment, photo)


def _likeness(distance: float, limits: Limits) -> str:
    """The distance in words: a name in texts/."""
    if distance > limits.maybe:
        return "little"
    if distance > limits.sure:
        return "somewhat"
    return "very" if distance <= VERY_LIKE * limits.sure else "well"


def _ruled(match: PhotoMatch, limits: Limits) -> str:
    """Whether something else than the distance decided."""
    if match.verdict is Verdict.SURE:
        return "in" if match.distance > limits.sure else ""
    return "out" if match.distance <= limits.sure else ""


def _link(target: Path, folder: Path) -> str:
    """The address of a file for a page in `folder`: relative on the stick, whose drive letter changes."""
    target, folder = target.absolute(), folder.absolute()
    if target.is_relative_to(folder):
        return quote(os.fsencode(target.relative_to(folder).as_posix()))
    return target.as_uri()
