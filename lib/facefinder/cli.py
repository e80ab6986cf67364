"""Arguments -> one of the commands; the only place that maps an exception to an exit code."""

import io
import json
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from facefinder import groups_summary, summary
from facefinder.awake import kept_awake
from facefinder.errors import FaceFinderError, Interrupted, PlacesError, UsageError
from facefinder.find import Outcome, find
from facefinder.groups import GroupsOutcome, groups
from facefinder.log import RunLog, logged
from facefinder.match import Verdict
from facefinder.progress import Progress, choose_progress
from facefinder.settings import Settings, read_settings

DONE, SOME_UNREADABLE, WENT_AWAY, BUG = 0, 1, PlacesError.exit_code, 10


def main(arguments: Sequence[str], home: Path) -> int:
    """Run the program from its folder `home`; returns the exit code (listed in errors.py and the README)."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries talk to developers in this way
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal cannot show
    try:
        settings = read_settings(arguments, home)
        for note in settings.notes:
            print(note, file=sys.stderr)
        with logged(None if settings.command in UNLOGGED else settings.logs, arguments) as log:
            text, code = COMMANDS[settings.command](settings, choose_progress(settings.quiet), log)
        print(text if settings.json else f"\n{text}")
        return code
    except FaceFinderError as error:
        print(f"\n{error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept; the same command goes on from there.", file=sys.stderr)
        return Interrupted.exit_code
    except Exception:  # noqa: BLE001 - a bug: say so in words, then the details for whoever mends it
        traceback.print_exc()
        print("\nThis is a mistake in the program. What was found so far is kept.", file=sys.stderr)
        return BUG


def _find(settings: Settings, progress: Progress, log: RunLog) -> tuple[str, int]:
    with kept_awake():
        outcome = find(settings, progress)
        outcome = replace(outcome, report=_report(outcome, settings, progress))
    as_json = summary.as_json(outcome, settings)
    log.add(summary.in_words(outcome, replace(settings, verbose=True)), as_json, outcome.places)
    if outcome.not_written:
        print(as_json if settings.json else f"\n{summary.in_words(outcome, settings)}")
        raise outcome.not_written
    text = as_json if settings.json else summary.in_words(outcome, settings)
    if settings.by_hand and not settings.json and _wants_to_review(text, outcome):
        text, _ = _review(settings, progress, log)
    return text, _code(outcome)


def _report(outcome: Outcome | GroupsOutcome, settings: Settings, progress: Progress) -> Path | str | None:
    """Write the page to look at; where it lies, or why there is none."""
    from facefinder.report.write import ReportError, report_on  # only here, for the start is faster without it

    try:
        return report_on(outcome, settings, progress)
    except ReportError as problem:
        return str(problem)


def _wants_to_review(text: str, outcome: Outcome) -> bool:
    """Whether somebody sits at a terminal, there are photos to decide on, and they say yes to it."""
    maybe = sum(match.verdict is Verdict.MAYBE for match in outcome.matches)
    if not maybe or not sys.stdin.isatty() or not sys.stdout.isatty():
        return False
    print(f"\n{text}\n")
    return _says_yes(f"Look through the {summary.count(maybe, 'photo')} that may show them, in the browser?")


def _says_yes(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False


def _review(settings: Settings, progress: Progress, log: RunLog) -> tuple[str, int]:
    from facefinder.review_page import command  # only here, for the start of all else is faster without it

    outcome = command.review(settings, progress)
    words, as_json = command.in_words(outcome), json.dumps(asdict(outcome), indent=1)
    log.add(words, as_json)
    return as_json if settings.json else words, SOME_UNREADABLE if outcome.problem else DONE


def _groups(settings: Settings, progress: Progress, log: RunLog) -> tuple[str, int]:
    with kept_awake():
        outcome = groups(settings, progress)
        if outcome.tree:
            outcome.report = _report(outcome, settings, progress)
    as_json = groups_summary.as_json(outcome, settings)
    log.add(groups_summary.in_words(outcome, replace(settings, verbose=True)), as_json, outcome.places)
    return as_json if settings.json else groups_summary.in_words(outcome, settings), _code(outcome)


def _code(outcome: Outcome | GroupsOutcome) -> int:
    if outcome.scan and outcome.scan.gone:
        return WENT_AWAY
    return SOME_UNREADABLE if outcome.failures else DONE


def _forget(settings: Settings, progress: Progress, log: RunLog) -> tuple[str, int]:
    from facefinder.forget import forget, in_words  # only here, for the start is faster without it

    def agree(question: str) -> bool:
        if settings.forget and settings.forget.yes:
            return True
        if settings.json or not sys.stdin.isatty():
            raise UsageError("Nothing was removed, for nobody can be asked here. Add --yes to go ahead.")
        return _says_yes(question)

    outcome = forget(settings, agree)
    text = json.dumps(asdict(outcome), indent=1) if settings.json else in_words(outcome)
    return text, SOME_UNREADABLE if outcome.problems else DONE


# Command (see flags.PARSERS) -> what runs it; returns what to say at the end, and the exit code.
COMMANDS = {"find": _find, "groups": _groups, "review": _review, "forget": _forget}
# What these forget is not to be named in a log.
UNLOGGED = {"forget"}
