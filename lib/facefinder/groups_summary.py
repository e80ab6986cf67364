"""The end of a run of `groups`, in words for people and as JSON for programs."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

from facefinder.flags import PROGRAM
from facefinder.groups import MOST_STRANGERS, GroupsOutcome
from facefinder.review.names import number_name
from facefinder.settings import Settings
from facefinder.summary import (
    copies_made,
    count,
    duration,
    each_match,
    foreign_files,
    not_copied,
    not_looked_into,
    page_to_look_at,
    photos_of_each,
    problems,
    went_away,
    what_was_read,
)

LISTED = 10  # people named without --verbose


def in_words(outcome: GroupsOutcome, settings: Settings) -> str:
    """The summary that closes a run, lines of at most 80 columns apart from paths and what the user named."""
    asked = settings.grouping
    if asked and asked.history:
        return "\n".join([*_history(outcome), *what_was_read(outcome.reading)])
    lines = []
    if scan := outcome.scan:
        lines.append(
            f"{count(scan.photos, 'photo')} looked at in {duration(outcome.seconds)}, "
            f"{scan.analysed} of them for the first time."
        )
    if asked and asked.undo:
        lines.append(f"Taken back: {outcome.undone}" if outcome.undone else "There is nothing to take back.")
    lines += [*what_was_read(outcome.reading), *foreign_files(outcome.reading, settings)]
    if not settings.copy and not settings.people and not (asked and asked.export):
        lines += ["", *_people(outcome, settings)]
    if asked and asked.export:
        lines += ["", f"{count(outcome.exported, 'person', 'people')} written to {asked.export}."]
    if settings.copy or settings.people:
        lines += ["", *photos_of_each(outcome.names, outcome.matches, settings)]
        if settings.verbose or not settings.copy:
            lines += ["", *each_match(outcome.matches)]
        lines += ["", *copies_made(outcome, settings)]
        if outcome.absent:
            lines.append(f"{count(outcome.absent, 'photo')} more are not there now. Is a disk unplugged?")
    if scan:
        lines += problems(scan.problems, f"{count(len(scan.problems), 'file')} could not be read", settings.verbose)
    lines += not_looked_into(outcome.not_searched, settings.verbose)
    if outcome.tree:
        lines += problems(outcome.tree.problems, "Not everything in the groups folder could be moved", settings.verbose)
    lines += not_copied(outcome, settings) + page_to_look_at(outcome) + (went_away(scan) if scan else [])
    return "\n".join(lines).strip("\n")


def _people(outcome: GroupsOutcome, settings: Settings) -> list[str]:
    """Who is in the groups folder, and what to do there."""
    tree = outcome.tree
    if not outcome.faces or not tree:
        return ["There are no faces in these photos."]
    named = sum(person.name is not None for person in outcome.people)
    people = f"{count(len(outcome.people), 'person', 'people')}, {named} with a name"
    lines = [f"{count(outcome.faces, 'face')}: {people}; {count(outcome.strangers, 'stranger')}."]
    shown = outcome.people if settings.verbose else outcome.people[:LISTED]
    labels = [person.name or number_name(person.number) for person in shown]
    width = max(map(len, labels), default=0)
    for label, person in zip(labels, shown, strict=True):
        maybe = f", and {person.maybe} not sure" if person.maybe else ""
        lines.append(f"  {label:<{width}}  {count(person.faces, 'face')}{maybe}")
    if len(shown) < len(outcome.people):
        lines.append(f"  and {len(outcome.people) - len(shown)} more; --verbose lists them all.")
    if outcome.aside:
        lines.append(f"{count(outcome.aside, 'person is', 'people are')} put aside and not shown.")
    if outcome.strangers > MOST_STRANGERS:
        lines.append(f"Of the strangers the {MOST_STRANGERS} clearest are shown.")
    if tree.without_photo:
        lines.append(
            f"{count(tree.without_photo, 'face is', 'faces are')} not shown: their photos are not there now. "
            "Is a disk unplugged?"
        )
    lines += ["", "The faces are in:", f"  {settings.groups_folder}"]
    if not outcome.reading.steps:
        lines += [
            "Give a person's folder a name, move faces that are in the wrong one, delete",
            f"what is wrong. Then start  {PROGRAM} groups  again: it reads what you did.",
        ]
    return lines


def _history(outcome: GroupsOutcome) -> list[str]:
    if not outcome.history:
        return ["You have not changed anything in the groups so far."]
    lines = [
        f"{step.number:4}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(step.made))}  "
        f"{'(taken back) ' if step.undone else ''}{step.what}"
        for step in outcome.history
    ]
    return [*lines, "", f"To take the last one back:  {PROGRAM} groups --undo"]


def as_json(outcome: GroupsOutcome, settings: Settings) -> str:
    """One JSON object with everything that in_words says, and every match."""
    scan = outcome.scan
    looked_at = scan and {
        "photos": scan.photos,
        "analysed": scan.analysed,
        "faces": scan.faces,
        "problems": scan.problems,
        "gone": [str(place) for place in scan.gone],
    }
    page = str(outcome.report) if isinstance(outcome.report, Path) else None
    places = {
        "report": page,
        "groups": str(settings.groups_folder),
        "destination": str(settings.copy) if settings.copy else None,
        "places": [str(place) for place in outcome.places],
    }
    told = asdict(replace(outcome, scan=None, shown=[])) | {"scan": looked_at} | places
    del told["shown"]  # for the page alone
    return json.dumps(told, indent=1)
