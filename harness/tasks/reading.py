"""Tasks whose results are read from unusual places: from inside a task, or down a tree of tasks."""

from __future__ import annotations

from typing import Any

from celery.result import allow_join_result

from harness.gates import Gate
from harness.tasks import named, task

INSIDE_WITHIN = 10.0
"""Seconds that a task waits for another one."""
WAITED_FOR = 0.5
"""Seconds after which the other one ends, where the first is to be found waiting."""


@task(bind=True)
def wait_inside(self: Any, case: str, other: str, gate: str) -> object:
    """Wait for another task's result.

    :param case: ``waiting``: it ends while this one waits; ``finished``: it has ended before, as the client
        says by opening the gate. With permission, both; else without.
    :param other: the id that the other one is to have.
    """
    if case == "waiting":
        sent = named(self.app, "add_held").apply_async((gate, 1, 2), task_id=other)
        Gate(gate).open(after=WAITED_FOR)
        with allow_join_result():
            return sent.get(timeout=INSIDE_WITHIN)
    sent = named(self.app, "add").apply_async((1, 2), task_id=other)
    if case != "finished":
        return sent.get(timeout=INSIDE_WITHIN)
    Gate(gate).stop()
    with allow_join_result():
        return sent.get(timeout=INSIDE_WITHIN)


@task(bind=True)
def branch(self: Any, depth: int) -> int:
    """Send two tasks of the same kind, one level down; their results are this one's children."""
    if depth:
        for _ in range(2):
            named(self.app, "branch").delay(depth - 1)
    return depth
