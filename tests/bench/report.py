"""How a page of thousands of matches is made, and how it feels in a browser.

    python3 tests/bench/report.py DIR [--matches 5000] [--keep FILE]

The faces in the photos in DIR (real ones) are taken for matches again and again, until there are so many. Measured:
making the page the first time, where each photo is opened once however many of its faces are shown, and the second
time, when it takes the pictures of the first; its size; and in Chromium, with a processor made four times slower as a
phone's is, the time to the first paint, until all is there, and for a step of the slider and a screen of scrolling.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

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
  if (paint) requestAnimationFrame(() => requestAnimationFrame(() => {
    const all = performance.getEntriesByType("navigation")[0];
    done([paint.startTime, all.domContentLoadedEventEnd, all.loadEventEnd]);
  }));
}).observe({ type: "paint", buffered: true });
"""
# Frames of a whole screen each: how long from one to the next.
SCROLLED = """
const done = arguments[0], times = [];
let before = performance.now();
function step() {
  const now = performance.now();
  times.push(now - before);
  before = now;
  if (times.length > 60) return done(times);
  scrollBy(0, innerHeight);
  requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""
SLID = """
const slider = document.getElementById("threshold"), done = arguments[1], before = performance.now();
slider.value = arguments[0];
slider.dispatchEvent(new Event("input"));
requestAnimationFrame(() => setTimeout(() => done(performance.now() - before)));
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
            seen = Sighting(verdict, distance, box)
            matches.append(PhotoMatch.of("Mom", index.content(content), places, [seen]))
        face = index.faces_at(matches[0].source)[0]
        person = Person("Mom", (Reference(matches[0].source, face),), face.vector, ())
    near = [match for match in matches if match.distance <= LIMITS.maybe]
    return Outcome(
        [person], near, [folder], LIMITS, ScanReport(count, count), None, 0, 1.0, further=matches[len(near) :]
    )


def in_browser(browser: webdriver.Chrome, page: Path) -> dict[str, object]:
    """Milliseconds on a phone's screen with a processor four times slower than this one."""
    look(browser, 390, 844)
    browser.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": 4})
    browser.get(page.as_uri())
    browser.set_script_timeout(120)
    painted, parsed, loaded = browser.execute_async_script(PAINTED)
    frames = browser.execute_async_script(SCROLLED)
    slid = [browser.execute_async_script(SLID, threshold) for threshold in (0.2, 0.4, 0.3, 0.5, 0.6)]
    memory = browser.execute_cdp_cmd("Performance.enable", {}) or browser.execute_cdp_cmd("Performance.getMetrics", {})
    heap = {metric["name"]: metric["value"] for metric in memory["metrics"]}["JSHeapUsedSize"]
    return {
        "first_paint_ms": round(painted),
        "parsed_ms": round(parsed),
        "loaded_ms": round(loaded),
        "screen_scrolled_ms_median": round(median(frames), 1),
        "screen_scrolled_ms_worst": round(max(frames), 1),
        "slider_step_ms_median": round(median(slid), 1),
        "script_memory_megabytes": round(heap / 1e6, 1),
    }


if __name__ == "__main__":
    main()
