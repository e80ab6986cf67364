"""How a page of thousands of matches is made, and how it feels in a browser.

    python3 tests/bench/report.py DIR [--matches 5000] [--keep FILE]

The faces in the photos in DIR (real ones) are taken for matches again and again, until there are so many. Measured:
making the page the first time, where each photo is opened once however many of its faces are shown, and the second
time, when it takes the pictures of the first; its size; and in Chromium, on a phone's screen, the seconds until the
first paint and those of the processor (so that other work on the computer does not count) until all is there, for each
screen of scrolling and for each step of the slider. A phone is some times slower.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import common  # first: it finds the packages

# isort: split

import numpy as np
from selenium import webdriver

from facefinder.faces.analyzer import specify
from facefinder.find import Outcome
from facefinder.index import Index
from facefinder.match import Limits, PhotoMatch, Sighting, Verdict
from facefinder.media.walk import walk
from facefinder.people import Person, Reference
from facefinder.progress import NoProgress
from facefinder.report.write import report_on
from facefinder.scan import ScanReport, scan
from facefinder.settings import read_settings
from tests.browser import chromium, look

LIMITS, FARTHEST = Limits(0.46, 0.58), 0.66
PAINTED = """
const done = arguments[0];
new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) requestAnimationFrame(() => requestAnimationFrame(() => done(paint.startTime)));
}).observe({ type: "paint", buffered: true });
"""
SCREENS = 60
SCROLLED = """
const [screens, done] = arguments;
let left = screens;
function step() {
  if (left-- === 0) return done();
  scrollBy(0, innerHeight);
  requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""
STEPS = (0.45, 0.44, 0.43, 0.42, 0.41, 0.4, 0.2, 0.6)  # small ones as of a finger, and two jumps
SLID = """
const slider = document.getElementById("threshold"), done = arguments[1];
slider.value = arguments[0];
slider.dispatchEvent(new Event("input"));
requestAnimationFrame(() => requestAnimationFrame(done));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--matches", type=int, default=5000, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write the page there, to look at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = (options.keep or Path(folder) / "report.html").absolute()
        page.unlink(missing_ok=True)
        settings = read_settings(["--index", str(page.with_name("index.sqlite")), "--jobs", "2"], common.ROOT)
        settings = replace(settings, report=page)
        outcome = found(options.folder, options.matches)
        figures: dict[str, object] = {"matches": len(outcome.matches) + len(outcome.further)}
        for which in ("first", "second"):
            started = time.perf_counter()
            report_on(outcome, settings, NoProgress())
            figures[f"seconds_to_write_{which}"] = round(time.perf_counter() - started, 2)
        figures["megabytes"] = round(page.stat().st_size / 1e6, 2)
        figures["bytes_per_match"] = round(page.stat().st_size / options.matches)
        with chromium(Path(folder) / "profile") as browser:
            figures |= in_browser(browser, page)
    common.print_table(["", ""], list(figures.items()))
    common.print_figures(figures)


def found(folder: Path, count: int) -> Outcome:
    """An outcome with so many matches, spread over all distances."""
    spec = specify("sface", 20, common.ROOT / "models")
    with Index(None, spec.key, "bench") as index:
        scan(walk([folder]), index, spec, 2, NoProgress())
        faces = [
            (int(content), tuple(box.tolist()))
            for stored in index.faces_seen()
            for content, box in zip(stored.contents, stored.boxes, strict=True)
        ]
        matches = []
        for number, distance in enumerate(np.linspace(0.1, FARTHEST, count).tolist()):
            content, (left, *rest) = faces[number % len(faces)]
            verdict = Verdict.SURE if distance <= LIMITS.sure else Verdict.MAYBE
            # A little to the side, so that each picture is one of its own.
            box = (left + number // len(faces), *rest)
            places = index.places_seen(content)
            seen = Sighting(verdict, distance, box, taken_from=distance)
            matches.append(PhotoMatch.of("Mom", index.content(content), places, [seen]))
        face = index.faces_at(matches[0].source)[0]
        person = Person("Mom", (Reference(matches[0].source, face),), face.vector, ())
    near = [match for match in matches if match.distance <= LIMITS.maybe]
    return Outcome(
        [person], near, [folder], LIMITS, ScanReport(count, count), None, 0, 1.0, further=matches[len(near) :]
    )


def in_browser(browser: webdriver.Chrome, page: Path) -> dict[str, object]:
    """What the browser has to do for it."""

    def spent() -> float:
        """Seconds that the page's thread has had of the processor."""
        metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return float({metric["name"]: metric["value"] for metric in metrics}["TaskDuration"])

    look(browser, 390, 844)
    browser.set_script_timeout(120)
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    browser.get(page.as_uri())
    painted = browser.execute_async_script(PAINTED)
    loaded = spent()
    browser.execute_async_script(SCROLLED, SCREENS)
    scrolled = spent()
    for threshold in STEPS:
        browser.execute_async_script(SLID, threshold)
    return {
        "seconds_to_first_paint": round(painted / 1000, 2),
        "processor_seconds_to_load": round(loaded, 2),
        "processor_ms_for_a_screen_scrolled": round(1000 * (scrolled - loaded) / SCREENS, 1),
        "processor_ms_for_a_step_of_the_slider": round(1000 * (spent() - scrolled) / len(STEPS), 1),
    }


if __name__ == "__main__":
    main()
