"""The end of a run, in words for people and as JSON for programs."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from facefinder.estimate import CERTAINTY, Estimate
from facefinder.find import Outcome
from facefinder.groups import GroupsOutcome
from facefinder.match import PhotoMatch, Verdict
from facefinder.media.rules import NotSearched, Reason
from facefinder.review.read import Reading
from facefinder.scan import ScanReport
from facefinder.settings import Settings
from facefinder.tags.named import NamedPeople

SHOWN = 5  # problems named without --verbose


def in_words(outcome: Outcome, settings: Settings) -> str:
    """The summary that closes a run, lines of at most 80 columns apart from paths."""
    scan = outcome.scan
    lines = [
        f"{photos_and_videos(scan)} looked at in {duration(outcome.seconds)}, "
        f"{scan.analysed} of them for the first time.",
        "",
    ]
    lines += photos_of_each([person.name for person in outcome.people], outcome.matches, settings)
    lines += shares_found(outcome.shares)
    if settings.verbose or not settings.copy:
        lines += ["", *each_match(outcome.matches)]
    lines += names_read(outcome.named)
    lines += ["", *copies_made(outcome, settings), *what_was_read(outcome.reading)]
    references = [problem for person in outcome.people for problem in person.problems]
    lines += problems(references, "Reference photos to look at again", settings.verbose)
    lines += problems(scan.problems, f"{count(len(scan.problems), 'file')} could not be read", settings.verbose)
    lines += not_looked_into(outcome.not_searched, settings.verbose)
    lines += not_copied(outcome, settings) + page_to_look_at(outcome) + went_away(scan)
    return "\n".join(lines)


def as_json(outcome: Outcome, settings: Settings) -> str:
    """One JSON object with everything that in_words says, and every match."""
    return json.dumps(
        {
            "people": [
                {
                    "name": person.name,
                    "references": [reference.path for reference in person.references if reference.path],
                    "reference_problems": person.problems,
                }
                for person in outcome.people
            ],
            "matches": [asdict(match) for match in outcome.matches],
            "thresholds": asdict(outcome.limits),
            "shares_found": {name: asdict(told) for name, told in outcome.shares.items()},
            "places": [str(place) for place in outcome.places],
            "photos": outcome.scan.photos,
            "videos": outcome.scan.videos,
            "analysed": outcome.scan.analysed,
            "faces": outcome.scan.faces,
            "problems": outcome.scan.problems,
            "gone": [str(place) for place in outcome.scan.gone],
            "not_searched": asdict(outcome.not_searched),
            "copies": asdict(outcome.copies) if outcome.copies else None,
            "to_copy": outcome.to_copy,
            "destination": str(settings.copy) if settings.copy else None,
            "groups": asdict(outcome.reading),
            "named": outcome.named.photos,
            "seconds": round(outcome.seconds, 3),
            "report": str(outcome.report) if isinstance(outcome.report, Path) else None,
        },
        indent=1,
    )


def photos_of_each(names: Sequence[str], matches: Sequence[PhotoMatch], settings: Settings) -> list[str]:
    """A line for each person, or one for all of them together."""
    names = [" and ".join(names)] if settings.together else names
    found = Counter((match.person, match.verdict) for match in matches)
    width = max((len(name) for name in names), default=0)
    lines = []
    for name in names:
        sure, maybe = found[name, Verdict.SURE], found[name, Verdict.MAYBE]
        lines.append(f"  {name:<{width}}  {count(sure, 'photo')}" + (f", and {maybe} maybe" if maybe else ""))
    return lines


def shares_found(shares: dict[str, Estimate]) -> list[str]:
    """How many of the photos of each person these probably are."""
    if not shares:
        return []
    width = max(map(len, shares))
    title = f"Probably found, of the photos that show their face ({CERTAINTY:.0%} certain):"
    lines = [
        f"  {name:<{width}}  {told.share:.0%} ({told.low:.0%} to {told.high:.0%})" for name, told in shares.items()
    ]
    return ["", title, *lines]


def names_read(named: NamedPeople) -> list[str]:
    """Who was looked for by the names in the searched photos, and of whom that was not possible."""
    people = [f"{name} in {count(photos, 'photo')}" for name, photos in named.photos.items()]
    lines = textwrap.wrap(f"Known by names in these photos: {', '.join(people)}.", 80) if people else []
    return ["", *lines, *named.problems] if lines or named.problems else []


def each_match(matches: Sequence[PhotoMatch]) -> list[str]:
    """A line for each match: who, how surely, how near, where, and when in a video."""
    return [
        f"  {match.person}  {match.verdict:<5}  {match.distance:.2f}  {match.source}"
        + (f"  ({match.when})" if match.when else "")
        for match in matches
    ]


def what_was_read(reading: Reading) -> list[str]:
    """What the user did in the groups folder since the last run, and what there is to know about it."""
    lines = ["", "Read from the groups folder:", *(f"  {step}" for step in reading.steps)] if reading.steps else []
    return lines + (["", *reading.notes] if reading.notes else [])


def foreign_files(reading: Reading, settings: Settings) -> list[str]:
    """What lies in the groups folder and is none of ours."""
    title = f"{count(len(reading.foreign), 'file')} in the groups folder that this program did not put there"
    foreign = [(str(settings.groups_folder / path), "left alone") for path in reading.foreign]
    return problems(foreign, title, settings.verbose)


def copies_made(outcome: Outcome | GroupsOutcome, settings: Settings) -> list[str]:
    """What was copied, would have been, or could be."""
    if not outcome.matches:
        return []
    if outcome.copies:
        there = f" ({outcome.copies.already_there} lay there already)" if outcome.copies.already_there else ""
        names = [f"Names written beside {count(outcome.copies.tagged, 'copy', 'copies')}."] if settings.tag else []
        return [
            f"{count(outcome.copies.copied, 'copy', 'copies')} made{there}. They are in:",
            f"  {settings.copy}",
            *names,
        ]
    if settings.dry_run and settings.copy:
        return [f"{count(outcome.to_copy, 'photo')} would be copied to {settings.copy}. Nothing was copied."]
    if settings.copy:
        return []  # why not is said elsewhere
    return ["Nothing was copied. To copy these photos, add:  --copy FOLDER"]


def not_copied(outcome: Outcome | GroupsOutcome, settings: Settings) -> list[str]:
    """The photos that could not be copied, with their reasons."""
    failures = outcome.copies.failures if outcome.copies else []
    return problems(failures, f"{count(len(failures), 'photo')} could not be copied", settings.verbose)


# In the order in which they matter. The program's own folders, and what only looks like files, are no news.
_PASSED_OVER = {
    Reason.CLOUD: ("file that is only in the cloud", "files that are only in the cloud"),
    Reason.EXCLUDED: ("thing that you excluded", "things that you excluded"),
    Reason.TRASH: ("recycle bin", "recycle bins"),
    Reason.SYSTEM: ("system or program folder", "system and program folders"),
    Reason.CACHE: ("cache of small pictures", "caches of small pictures"),
    Reason.LINK: ("link", "links"),
    Reason.ARCHIVE: ("ZIP archive (--zip looks into it)", "ZIP archives (--zip looks into them)"),
    Reason.PASSWORD: ("file that needs a password", "files that need a password"),
}


def page_to_look_at(outcome: Outcome | GroupsOutcome) -> list[str]:
    """Where the report lies, or why there is none."""
    if isinstance(outcome.report, Path):
        return ["", "All of it on a page to look at, with pictures:", f"  {outcome.report}"]
    return ["", f"There is no page to look at: {outcome.report}"] if outcome.report else []


def not_looked_into(passed_over: NotSearched, verbose: bool) -> list[str]:
    """What the walk passed over: a line, or each path if `verbose`."""
    counts = passed_over.counts
    parts = [count(counts[reason], *words) for reason, words in _PASSED_OVER.items() if reason in counts]
    if not parts:
        return []
    lines = ["", *textwrap.wrap(f"Not looked into: {', '.join(parts)}.", 80, break_long_words=False)]
    for reason in counts if verbose else ():
        paths = passed_over.examples[reason]
        lines += [f"  {path}: {reason}" for path in paths]
        if len(paths) < counts[reason]:
            lines.append(f"  and {counts[reason] - len(paths)} more: {reason}")
    return lines


def went_away(scan: ScanReport) -> list[str]:
    """The places that were pulled out while they were searched, and what to do."""
    lines = []
    for place in scan.gone:
        lines += ["", f"{place} went away while it was searched. What was found until then is", "kept."]
    if lines:
        lines[-1] += " Plug it in and start the same command again: it goes on from there."
    return lines


def problems(found: Sequence[tuple[str, str]], title: str, verbose: bool) -> list[str]:
    """Paths with their reasons under a title, the first few unless `verbose`; nothing if there are none."""
    if not found:
        return []
    shown = found if verbose else found[:SHOWN]
    lines = ["", f"{title}:", *(f"  {path}: {reason}" for path, reason in shown)]
    if len(shown) < len(found):
        lines.append(f"  and {len(found) - len(shown)} more; --verbose names them all.")
    return lines


def photos_and_videos(scan: ScanReport) -> str:
    """`25 photos`, `25 photos and 2 videos`."""
    return count(scan.photos, "photo") + (f" and {count(scan.videos, 'video')}" if scan.videos else "")


def count(number: int, one: str, many: str = "") -> str:
    """`1 photo`, `12 photos`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`1.4 seconds`, `12 minutes`, `3 h 05 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} seconds"
    minutes = round(seconds / 60)
    return count(minutes, "minute") if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
