"""Tasks to build groups, chains and chords of."""

from __future__ import annotations

from typing import Any

from celery import group

from harness.gates import Gate
from harness.tasks import named, task


@task()
def add(left: int, right: int) -> int:
    """The sum of two numbers."""
    return left + right


@task()
def collect(results: object) -> object:
    """What a chord's body received."""
    return results


@task()
def refuse(results: object) -> None:
    """A chord's body that raises."""
    raise ValueError("body", results)


@task()
def add_held(gate: str, left: int, right: int) -> int:
    """The sum of two numbers, once a gate is open."""
    Gate(gate).stop()
    return left + right


@task(ignore_result=True)
def add_ignored(left: int, right: int) -> int:
    """The sum of two numbers, in which nobody is interested."""
    return left + right


@task(bind=True)
def add_twice(self: Any, left: int, right: int, again: bool = True) -> int:
    """The sum of two numbers; sends itself a second time, as a broker does that delivers twice."""
    if again:
        request = self.request
        where = {"group_id": request.group, "group_index": request.group_index, "chord": request.chord}
        self.apply_async((left, right, False), task_id=request.id, **where)
    return left + right


@task()
def note_error(request: Any, error: BaseException, traceback: object, gate: str) -> None:
    """An errback: passes a gate, so that the caller knows that it was called."""
    Gate(gate).passed()


@task(bind=True)
def replace_by(self: Any, what: str) -> object:
    """Be replaced by another task, or by a group of tasks."""
    one = named(self.app, "add").s(1, 2)
    raise self.replace(one if what == "task" else group(one, named(self.app, "add").s(3, 4)))
