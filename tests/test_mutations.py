"""Damaged files of every kind: each costs at most itself, within its limits, and the whole ones are read."""

from facefinder.workers.watch import WorkerLimits
from mutations import make_pile, search

FILES = 98  # tests/bench/mutations.py takes 2,000


def test_damaged_files_of_every_format_are_survived_and_the_whole_ones_read(tmp_path):
    found = search([make_pile(tmp_path, FILES, seed=5)], WorkerLimits())
    assert sum(number for (_, outcome), number in found.outcomes.items() if outcome == "of") == 14 + FILES
    assert (found.missed, found.left_out) == ([], [])
    assert 100 < found.peak < 1000
