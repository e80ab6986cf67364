"""What a run went through -> what its page says of that, of whatever command it was."""

import platform
import time
from collections.abc import Sequence
from pathlib import Path

from facefinder.media.rules import NotSearched, Reason
from facefinder.report.page import Run
from facefinder.scan import ScanReport
from facefinder.settings import Settings

OWN = {Reason.OWN, Reason.PSEUDO}  # passed over, and no news


def run_of(
    scan: ScanReport, passed_over: NotSearched, places: Sequence[Path], seconds: float, settings: Settings
) -> Run:
    """How long it took, where it was, what could not be read."""
    return Run(
        made=time.strftime("%Y-%m-%d %H:%M"),
        computer=platform.node(),
        places=[str(place) for place in places],
        photos=scan.photos,
        videos=scan.videos,
        analysed=scan.analysed,
        seconds=seconds,
        model=settings.model,
        measure=settings.measure.name,
        unreadable=scan.problems,
        passed_over=[
            (reason.name.lower(), passed_over.counts[reason], passed_over.examples[reason])
            for reason in Reason
            if reason in passed_over.counts and reason not in OWN
        ],
        gone=[str(place) for place in scan.gone],
    )
