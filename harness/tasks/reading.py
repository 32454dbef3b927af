"""Tasks whose results are read from unusual places: from inside a task, or down a tree of tasks."""

from __future__ import annotations

from typing import Any

from celery.result import allow_join_result

from harness.tasks import named, task

INSIDE_WITHIN = 10.0
"""Seconds that a task waits for another one."""


@task(bind=True)
def wait_inside(self: Any, allowed: bool) -> object:
    """Wait for another task's result, with or without permission."""
    sent = named(self.app, "add").delay(1, 2)
    if not allowed:
        return sent.get(timeout=INSIDE_WITHIN)
    with allow_join_result():
        return sent.get(timeout=INSIDE_WITHIN)


@task(bind=True)
def branch(self: Any, depth: int) -> int:
    """Send two tasks of the same kind, one level down; their results are this one's children."""
    if depth:
        for _ in range(2):
            named(self.app, "branch").delay(depth - 1)
    return depth
