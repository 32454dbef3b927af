"""Gates: a running task stops at one, and goes on when the client opens it. Files, on one machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harness import poll

REACHED_WITHIN = 20.0
"""Seconds of an idle worker after which no task will come any more."""
OPENED_WITHIN = 60.0
"""Seconds after which a task goes on by itself: a client that died must not block a pool for ever."""


class GateNeverReached(Exception):
    """No task came to the gate in time."""


class Gate:
    """A gate, by the path of its file. Tasks get the path as their argument.

    :param worked: the client's side: when the worker last did something, on the monotonic clock. A task may
        stand in a queue behind those of many other cells.
    """

    def __init__(self, path: str, worked: Callable[[], float] = lambda: 0.0) -> None:
        self.path = path
        self._worked = worked

    def stop(self) -> None:
        """The task's side: say that it is here, and wait until the gate is opened."""
        self.passed()
        poll.until(Path(self.path + ".open").exists, OPENED_WITHIN)

    def passed(self) -> None:
        """The task's side: say that it came by, and go on."""
        Path(self.path + ".reached").touch()

    def was_passed(self) -> bool:
        """Either side: whether a task has come here."""
        return Path(self.path + ".reached").exists()

    def reached(self, unless: Callable[[], bool] = lambda: False) -> None:
        """The client's side: wait until a task stands at the gate.

        :param unless: says that none will come any more; then this returns at once.
        :raises GateNeverReached: none came, and the worker does nothing else.
        """
        began = time.monotonic()
        while not poll.until(lambda: self.was_passed() or unless(), 1.0):
            if time.monotonic() - max(began, self._worked()) > REACHED_WITHIN:
                raise GateNeverReached(f"no task came to its gate, and the worker idled {REACHED_WITHIN:g} s")

    def open(self, after: float = 0.0) -> None:
        """Let the task go on. Opening twice is fine.

        :param after: seconds from now, for a client that must be found waiting; this returns at once.
        """
        if after:
            timer = threading.Timer(after, self.open)
            timer.daemon = True
            timer.start()
            return
        with contextlib.suppress(FileNotFoundError):  # the worker's folder is gone, its tasks with it
            Path(self.path + ".open").touch()
