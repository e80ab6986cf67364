"""How many photos of a person are found, and nobody else's: on labelled photos, where a developer has them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import face_finder

BENCH = face_finder.HOME / "tests" / "bench"
PROGRAMS = sorted(path.name for path in BENCH.glob("*.py") if '__name__ == "__main__"' in path.read_text("utf-8"))


def test_every_press_photo_is_found_and_no_wrong_one(shared_photos, face_finder_command, tmp_path):
    """13 people, three references each or one less than there are; all other photos are searched, by a whole run."""
    refs, place = tmp_path / "refs", tmp_path / "place"
    expected = set()
    for folder in sorted(path for path in (shared_photos / "press").iterdir() if path.is_dir()):
        photos = sorted(folder.iterdir())
        references = min(3, len(photos) - 1)
        (refs / folder.name).mkdir(parents=True)
        place.mkdir(exist_ok=True)
        for number, photo in enumerate(photos):
            target = refs / folder.name if number < references else place
            (target / photo.name).write_bytes(photo.read_bytes())
        expected |= {(folder.name, photo.name) for photo in photos[references:]}
    run = face_finder_command("--json", "--refs", refs, place)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    sure = {
        (match["person"], Path(path).name)
        for match in result["matches"]
        for path in (match["source"], *match["also_at"])
        if match["verdict"] == "sure"
    }
    assert sure == expected
    assert [person["reference_problems"] for person in result["people"]] == [[]] * 13


def bench(program: str, *words: object) -> Any:
    """The figures that a measurement prints as its last line."""
    run = subprocess.run(
        ["python3", BENCH / program, *map(str, words)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_press_crops_are_found_with_a_recall_of_985_at_a_precision_of_99_percent(shared_photos):
    """24 people with five references each among 300 strangers."""
    figures = bench("quality.py", shared_photos / "press-crops", "--references", "5")
    assert figures["precision 99.0%"]["precision"] >= 0.99
    assert figures["precision 99.0%"]["recall"] >= 0.985


def test_answered_maybes_make_the_next_search_find_more_and_no_strangers(shared_photos):
    """24 people with one reference each: answers on one half of the photos, measured on the other half."""
    words = [shared_photos / "press-crops", "--references", "1", "--draws", "2"]
    figures = bench("corrections.py", *words)
    assert figures["after"]["recall"] >= figures["before"]["recall"] + 0.08
    assert figures["missed_ratio"] <= 0.4
    assert figures["after"]["wrong"] <= figures["before"]["wrong"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_measurement_starts_with_the_computers_own_python_and_explains_itself(program, tmp_path):
    help_text = subprocess.run(
        [sys.executable, BENCH / program, "-h"], cwd=tmp_path, env={}, capture_output=True, text=True
    )
    assert help_text.returncode == 0, help_text.stderr
    assert f"python3 tests/bench/{program}" in help_text.stdout
