"""Tasks that fail in ways that a value by name cannot say."""

from __future__ import annotations

import threading

from harness.tasks import task


@task()
def linger() -> None:
    """Go on until the worker ends it."""
    while True:
        threading.Event().wait(0.05)
