"""The command `review`: the pages, shown in the browser until the user is done."""

import os
import sys
import webbrowser
from dataclasses import dataclass

from facefinder.errors import FaceFinderError
from facefinder.find import open_index, spec_of
from facefinder.flags import PROGRAM
from facefinder.groups import bring_up_to_date
from facefinder.progress import Progress
from facefinder.review.word import History
from facefinder.review.write import TreeReport
from facefinder.review_page.server import LONG_CLOSED, Sitting, pages, serve
from facefinder.review_page.session import Session
from facefinder.settings import Settings


@dataclass(frozen=True)
class ReviewOutcome:
    """steps: what the user said on the page and did not take back. tree: how the groups folder was brought up to date.

    problem: why the groups folder could not be, or "". undone: what had been said before, and was taken back.
    """

    steps: tuple[str, ...]
    tree: TreeReport | None
    problem: str
    undone: tuple[str, ...] = ()


def review(settings: Settings, progress: Progress) -> ReviewOutcome:
    """Show the page until the user is done, closed it for long, or pressed Ctrl-C. Raises FaceFinderError."""
    spec = spec_of(settings)
    with open_index(settings, spec) as index:
        session = Session(index, spec, settings)
        history = History(index)
        before = {step.number for step in history.steps() if not step.undone}
        sitting = Sitting(LONG_CLOSED)
        gate = pages(index, session, sitting, PROGRAM, settings.language)

        def open_browser(port: int) -> None:
            address = gate.opens_at(port)
            progress.say(f"The page opens in your browser. If it does not, open this address there:\n  {address}")
            progress.say("When you are done, choose Done on the page, or press Ctrl-C here.")
            if _has_screen():
                webbrowser.open(address)

        try:
            serve(gate, sitting.is_over, open_browser)
        except KeyboardInterrupt:
            progress.say("Stopped. What you said is kept.")
        steps = [step.what for step in history.steps() if not step.undone and step.number not in before]
        undone = [step.what for step in history.steps() if step.undone and step.number in before]
        tree, problem = None, ""
        if session.changed:
            try:
                tree = bring_up_to_date(settings, index, progress)
            except FaceFinderError as error:
                problem = str(error)
    return ReviewOutcome(tuple(steps), tree, problem, tuple(undone))


def _has_screen() -> bool:
    """Whether there is anything but a terminal, in which a browser of text would take over."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))


def in_words(outcome: ReviewOutcome) -> str:
    """What to say at the end."""
    if not outcome.steps and not outcome.undone:
        return "You changed nothing."
    lines = ["What you said is kept:", *(f"  {step}" for step in outcome.steps)] if outcome.steps else []
    lines += ["What you took back:", *(f"  {step}" for step in outcome.undone)] if outcome.undone else []
    if outcome.tree:
        lines += ["", "The groups folder shows it as well."]
    if outcome.problem:
        lines += ["", outcome.problem]
    return "\n".join([*lines, "", "The next search knows it: start the same search again to see what changes."])
