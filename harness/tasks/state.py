"""Tasks that stop at a gate, so that what is stored of a running task can be read; and tasks by state."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject

from harness.gates import Gate
from harness.tasks import named, task

CUSTOM_META = {"done": 3, "note": "half way", "nothing": None, "of": 7, "parts": [1, "two", {"three": 3.5}]}
"""What goes with a custom state: nothing that a serializer would change (yaml sorts keys)."""


@task(track_started=True)
def hold(gate: str) -> str:
    """Stop at a gate until the client opens it."""
    Gate(gate).stop()
    return "opened"


@task(bind=True)
def advance(self: Any, state: str, gates: list[str]) -> str:
    """Store a state with its meta, once before each gate."""
    for number, gate in enumerate(gates):
        self.update_state(state=state, meta={**CUSTOM_META, "done": number})
        Gate(gate).stop()
    return "through"


@task(bind=True)
def retry_once(self: Any, gate: str) -> str:
    """Ask to be run again; stop at a gate the second time."""
    if self.request.retries == 0:
        raise self.retry(exc=ValueError("not yet", 7), countdown=0)
    Gate(gate).stop()
    return "second time"


@task(bind=True)
def give_up_quietly(self: Any, how: str) -> None:
    """Store a custom state, then raise Ignore or Reject."""
    self.update_state(state="LEFT", meta=CUSTOM_META)
    raise Ignore() if how == "ignore" else Reject("not wanted", requeue=False)


@task()
def echo(*args: Any, **kwargs: Any) -> list[Any]:
    """What it was called with."""
    return [list(args), kwargs]


@task(bind=True)
def spawn(self: Any, left: int, right: int) -> str:
    """Send another task, and return its id."""
    return str(named(self.app, "add").delay(left, right).id)


@task(ignore_result=True)
def give_ignored() -> str:
    """Its result is to be ignored."""
    return "ignored"


@task(ignore_result=True, store_errors_even_if_ignored=True)
def fail_ignored() -> None:
    """Its result is to be ignored, its failure is not."""
    raise ValueError("kept", 7)
