"""Keeping the computer awake while there is work to do."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wakepy import keep


@contextmanager
def kept_awake() -> Iterator[None]:
    """Inside, the computer does not go to sleep by itself where its system can be asked for that; the screen may.

    A system that refuses is no failure. When the process dies, the system forgets that it was asked.
    """
    mode = keep.running(on_fail="pass")
    mode.__enter__()
    try:
        yield
    finally:
        with suppress(RuntimeError):  # the desktop that was asked may have gone meanwhile
            mode.__exit__(None, None, None)
