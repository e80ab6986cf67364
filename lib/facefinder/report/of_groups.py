"""The outcome of a run of `groups` -> what its page says."""

from pathlib import Path

from facefinder.groups import GroupsOutcome
from facefinder.match import Verdict
from facefinder.progress import Progress
from facefinder.report.cards import Cards, face_of
from facefinder.report.page import Grouped, Report, Section
from facefinder.report.pictures import MOST_PICTURES, make_pictures, pictures_on, side_of
from facefinder.report.runs import run_of
from facefinder.review.names import number_name
from facefinder.scan import ScanReport
from facefinder.settings import Settings


def report_of_groups(outcome: GroupsOutcome, settings: Settings, page: Path, progress: Progress) -> Report:
    """Everybody in the groups, or those whose photos were asked for. page: where it will lie, or lies from before."""
    wanted = [face_of(match) for match in outcome.shown[:MOST_PICTURES]]
    side = side_of(len(wanted))
    pictures = make_pictures(wanted, side, pictures_on(page), settings.jobs, progress)
    limits = outcome.limits
    cards = Cards(settings, page, outcome.places, limits, pictures, side)
    people: list[tuple[str, bool, int | None]]  # label, whether it is a name, how many faces
    if outcome.names:
        names = [" and ".join(outcome.names)] if settings.together else outcome.names
        people = [(name, True, None) for name in names]
    else:
        there = {match.person for match in outcome.shown}
        people = [(one.name or number_name(one.number), one.name is not None, one.faces) for one in outcome.people]
        people = [person for person in people if person[0] in there]
    return Report(
        sections=[
            Section(
                name=name,
                sure=cards.of(name, outcome.shown, Verdict.SURE),
                maybe=cards.of(name, outcome.shown, Verdict.MAYBE),
                is_named=is_named,
                faces=faces,
            )
            for name, is_named, faces in people
        ],
        sure=limits.sure,
        maybe=limits.maybe,
        loosest=limits.maybe,
        run=run_of(outcome.scan or ScanReport(), outcome.not_searched, outcome.places, outcome.seconds, settings),
        has_slider=False,
        grouped=Grouped(
            folder=str(settings.groups_folder),
            strangers=0 if outcome.names else outcome.strangers,
            absent=outcome.absent + outcome.not_shown,
            more=0 if outcome.names else len(outcome.people) - len(people),
        ),
    )
