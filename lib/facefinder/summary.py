"""The end of a run, in words for people and as JSON for programs."""

import json
from collections import Counter
from dataclasses import asdict

from facefinder.find import Outcome
from facefinder.match import Verdict
from facefinder.settings import Settings

SHOWN = 5  # problems named without --verbose


def in_words(outcome: Outcome, settings: Settings) -> str:
    """The summary that closes a run, lines of at most 80 columns apart from paths."""
    scan = outcome.scan
    lines = [
        f"{_count(scan.photos, 'photo')} looked at in {_time(outcome.seconds)}, "
        f"{scan.analysed} of them for the first time.",
        "",
    ]
    found = Counter((match.person, match.verdict) for match in outcome.matches)
    width = max(len(person.name) for person in outcome.people)
    for person in outcome.people:
        sure, maybe = found[person.name, Verdict.SURE], found[person.name, Verdict.MAYBE]
        lines.append(f"  {person.name:<{width}}  {_count(sure, 'photo')}" + (f", and {maybe} maybe" if maybe else ""))
    if settings.verbose or not settings.copy:
        lines += [
            "",
            *(f"  {m.person}  {m.verdict:<5}  {m.distance:.2f}  {m.source}" for m in outcome.matches),
        ]
    lines += ["", *_copies(outcome, settings)]
    references = [problem for person in outcome.people for problem in person.problems]
    lines += _problems(references, "Reference photos to look at again", settings.verbose)
    lines += _problems(scan.problems, f"{_count(len(scan.problems), 'file')} could not be read", settings.verbose)
    if outcome.copies:
        failures = outcome.copies.failures
        lines += _problems(failures, f"{_count(len(failures), 'photo')} could not be copied", settings.verbose)
    return "\n".join(lines)


def as_json(outcome: Outcome, settings: Settings) -> str:
    """One JSON object with everything that in_words says, and every match."""
    return json.dumps(
        {
            "people": [
                {
                    "name": person.name,
                    "references": [reference.path for reference in person.references],
                    "reference_problems": person.problems,
                }
                for person in outcome.people
            ],
            "matches": [asdict(match) for match in outcome.matches],
            "thresholds": asdict(outcome.limits),
            "places": [str(place) for place in outcome.places],
            "photos": outcome.scan.photos,
            "analysed": outcome.scan.analysed,
            "faces": outcome.scan.faces,
            "problems": outcome.scan.problems,
            "copies": asdict(outcome.copies) if outcome.copies else None,
            "to_copy": outcome.to_copy,
            "destination": str(settings.copy) if settings.copy else None,
            "seconds": round(outcome.seconds, 3),
        },
        indent=1,
    )


def _copies(outcome: Outcome, settings: Settings) -> list[str]:
    if outcome.copies:
        there = f" ({outcome.copies.already_there} lay there already)" if outcome.copies.already_there else ""
        return [
            f"{_count(outcome.copies.copied, 'copy', 'copies')} made{there}. They are in:",
            f"  {settings.copy}",
        ]
    if settings.dry_run and settings.copy:
        return [f"{_count(outcome.to_copy, 'photo')} would be copied to {settings.copy}. Nothing was copied."]
    return ["Nothing was copied. To copy these photos, add:  --copy FOLDER"] if outcome.matches else []


def _problems(problems: list[tuple[str, str]], title: str, verbose: bool) -> list[str]:
    if not problems:
        return []
    shown = problems if verbose else problems[:SHOWN]
    lines = ["", f"{title}:", *(f"  {path}: {reason}" for path, reason in shown)]
    if len(shown) < len(problems):
        lines.append(f"  and {len(problems) - len(shown)} more; --verbose names them all.")
    return lines


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _time(seconds: float) -> str:
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} seconds"
    minutes = round(seconds / 60)
    return _count(minutes, "minute") if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
