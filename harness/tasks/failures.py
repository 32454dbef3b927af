"""Tasks that fail in ways that a value by name cannot say."""

from __future__ import annotations

import os
import signal
import time

from harness.tasks import task

LINGERS = 2.5
"""Seconds that a task takes whose time limit is 1 s."""


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
