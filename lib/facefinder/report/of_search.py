"""The outcome of a search -> what its page says."""

from pathlib import Path

from facefinder.find import FURTHER, Outcome, model_limits
from facefinder.match import Verdict
from facefinder.progress import Progress
from facefinder.report.cards import Cards, face_of
from facefinder.report.page import Picture, Report, Section
from facefinder.report.pictures import MOST_PICTURES, Wanted, make_pictures, pictures_on, side_of
from facefinder.report.runs import run_of
from facefinder.settings import Settings

LOOSEST = 0.99  # a cosine distance; --threshold is below 1


def report_of_search(outcome: Outcome, settings: Settings, page: Path, progress: Progress) -> Report:
    """Everybody who was searched for, with cards of their photos. page: where it will lie, or lies from before."""
    shown = [*outcome.matches, *outcome.further]
    nearest = sorted(shown, key=lambda match: match.distance)[:MOST_PICTURES]
    references = {
        person.name: [Wanted((one.path,), one.sha256, one.face.box, one.face.moment) for one in person.references]
        for person in outcome.people
    }
    wanted = [face_of(match) for match in nearest]
    side = side_of(len(wanted))
    faces = [*wanted, *(face for of_person in references.values() for face in of_person)]
    pictures = make_pictures(faces, side, pictures_on(page), settings.jobs, progress)
    cards = Cards(settings, page, outcome.places, outcome.limits, pictures, side)
    groups = [outcome.people] if settings.together else [[person] for person in outcome.people]
    sections = []
    for people in groups:
        name = " and ".join(person.name for person in people)
        used = [pictures[face] for person in people for face in references[person.name] if face in pictures]
        sections.append(
            Section(
                name=name,
                sure=cards.of(name, outcome.matches, Verdict.SURE),
                maybe=cards.of(name, outcome.matches, Verdict.MAYBE),
                further=cards.of(name, outcome.further, Verdict.MAYBE),
                references=[Picture(jpeg) for jpeg in used],
                problems=[problem for person in people for problem in person.problems],
                share=outcome.shares.get(name),
            )
        )
    measure, usual = settings.measure, model_limits(settings).maybe
    loosest = max(measure.to_cosine(outcome.limits.maybe), usual) * FURTHER
    return Report(
        sections=sections,
        sure=outcome.limits.sure,
        maybe=outcome.limits.maybe,
        loosest=measure.of_cosine(min(loosest, LOOSEST)),
        run=run_of(outcome.scan, outcome.not_searched, outcome.places, outcome.seconds, settings),
        has_slider=not settings.without,
        together=settings.together,
        without=", ".join(settings.without),
    )
