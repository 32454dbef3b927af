"""Tasks that fail in ways that a value by name cannot say."""

from __future__ import annotations

import os
import signal
import threading
import time

from harness.gates import Gate
from harness.tasks import task

LINGERS = 2.0
"""Seconds that a task takes whose time limit is 0.5 s."""


@task()
def kill_own_process() -> None:
    """Die as by the kernel's hand. Only for a worker of its own: in some pools it is the worker that dies."""
    os.kill(os.getpid(), signal.SIGKILL)


@task()
def linger() -> str:
    """Go on until the worker ends it, or for so long that it will not."""
    end = time.monotonic() + LINGERS
    while time.monotonic() < end:
        time.sleep(0.05)
    return "nobody ended it"


@task()
def fail_foreign() -> None:
    """Raise what the caller cannot import."""
    from harness.foreign import ForeignError

    raise ForeignError("from afar", 7)


@task()
def fail_local(base: str) -> None:
    """Raise an exception of a class that exists in this function only."""

    class LocalError(ValueError if base == "of_value_error" else Exception):  # type: ignore[misc]
        """Found by no name."""

    raise LocalError("local", 7)


@task()
def fail_with_lock() -> None:
    """Raise an exception with an argument that nothing serializes."""
    raise ValueError("bad", threading.Lock())


@task(acks_late=True)
def die_once_late(gate: str) -> str:
    """Die the first time; say so the second time."""
    return _die_once(gate)


@task(acks_late=True, reject_on_worker_lost=True)
def die_once_rejected(gate: str) -> str:
    """The same, but the message goes back to the queue."""
    return _die_once(gate)


def _die_once(gate: str) -> str:
    if not Gate(gate).was_passed():
        Gate(gate).passed()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second time"
