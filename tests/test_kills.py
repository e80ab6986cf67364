"""A run that is killed again and again ends with what an undisturbed one finds, and loses nothing on the way."""

import os
import sys

import pytest

import kills

# tests/bench/kills.py does it 200 times; each time costs seconds.
KILLS = int(os.environ.get("FACE_FINDER_KILLS", "6"))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL, which Windows does not have")
def test_a_run_killed_at_random_moments_ends_with_the_index_and_copies_of_an_undisturbed_one(tmp_path):
    place = kills.make_photos(tmp_path / "photos", 60)
    done = kills.kill_runs(tmp_path, place, KILLS, seed=1)
    assert done["ends"]
