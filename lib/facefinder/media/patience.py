"""Asking a disk something without waiting for ever: a share that has gone may never answer, and cannot be told to."""

import errno
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

SECONDS = 30.0  # a sleeping disk wakes up in 10 to 20

_Answer = TypeVar("_Answer")
_Answers = queue.SimpleQueue[tuple[Any, BaseException | None]]


class Patience:
    """Has a thread answer questions; when an answer does not come, that thread is left behind for a new one."""

    def __init__(self, seconds: float = SECONDS):
        self._seconds = seconds
        self._thread: tuple[queue.SimpleQueue[Any], _Answers] | None = None

    def ask(self, function: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """function(*arguments); raises TimeoutError when it takes too long."""
        if self._thread is None:
            self._thread = queue.SimpleQueue(), queue.SimpleQueue()
            # A daemon: at the end of the program nobody waits for it.
            threading.Thread(target=_answer, args=self._thread, daemon=True).start()
        questions, answers = self._thread
        questions.put((function, arguments))
        try:
            answer, error = answers.get(timeout=self._seconds)
        except queue.Empty:
            questions.put(None)
            self._thread = None
            raise TimeoutError(errno.ETIMEDOUT, f"no answer for {self._seconds:.0f} seconds") from None
        if error is not None:
            raise error
        return answer  # type: ignore[no-any-return] # it is what the function returned

    def ask_or(self, otherwise: _Answer, function: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """function(*arguments), or `otherwise` when it takes too long; for a single question."""
        try:
            return self.ask(function, *arguments)
        except TimeoutError:
            return otherwise
        finally:
            self.close()

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread[0].put(None)
            self._thread = None


def _answer(questions: "queue.SimpleQueue[Any]", answers: _Answers) -> None:
    while (question := questions.get()) is not None:
        function, arguments = question
        try:
            answers.put((function(*arguments), None))
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            answers.put((None, error))
