"""Keeping the computer awake while there is work to do."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

SECONDS = 30.0  # from which on a run is a long one; no computer goes to sleep sooner


@contextmanager
def kept_awake() -> Iterator[None]:
    """Inside, the computer does not go to sleep by itself where its system can be asked for that; the screen may.

    A system that refuses is no failure. When the process dies, the system forgets that it was asked.
    """
    is_over = Event()
    thread = Thread(target=_keep_awake, args=(is_over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _keep_awake(is_over: Event) -> None:
    if sys.platform != "win32":
        # Ctrl-C is for the main thread, which does not want to hear it at any time (see workers/crew.py).
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if is_over.wait(SECONDS):
        return
    from wakepy import keep  # only here, for the start is faster without it

    with suppress(RuntimeError), keep.running(on_fail="pass"):  # at the end the desktop that was asked may have gone
        is_over.wait()
