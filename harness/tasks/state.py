"""Tasks that stop at a gate, so that what is stored of a running task can be read."""

from __future__ import annotations

from harness.gates import Gate
from harness.tasks import task


@task(track_started=True)
def hold(gate: str) -> str:
    """Stop at a gate until the client opens it."""
    Gate(gate).stop()
    return "opened"
