"""The watch over the workers: one with a file that takes too long is ended, one that gives signs of life is not."""

import subprocess
import sys
import time

from facefinder.workers.watch import Held, Watch, WorkerLimits


def test_signs_of_life_put_off_the_end_that_comes_without_them():
    held = Held(batch=3, position=1, seconds=3.0)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Watch().over(WorkerLimits()) as watch:
        for _ in range(10):
            watch.outbox.send((worker.pid, held))
            time.sleep(0.5)
        assert worker.poll() is None
        assert worker.wait(60) != 0
    [work] = watch.at_work()
    assert (work.held, work.too_much) == (held, "it takes longer than 3 seconds")


def test_a_worker_without_a_file_is_left_alone():
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with Watch().over(WorkerLimits(memory=1)) as watch:
        watch.outbox.send((worker.pid, Held(0, 0, 600.0)))
        watch.outbox.send((worker.pid, None))
        time.sleep(1)
        assert worker.poll() is None
        watch.outbox.send((worker.pid, Held(0, 1, 600.0)))
        assert worker.wait(60) != 0
    [work] = watch.at_work()
    assert work.too_much == "it takes more than 0.0 GB of memory"


def test_a_large_file_may_take_longer_on_a_slow_disk():
    limits = WorkerLimits(seconds=300, bytes_per_second=1e6)
    assert limits.seconds_for(4_000_000_000) == 4300
