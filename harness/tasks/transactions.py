"""Tasks that Django's transactions surround. Django is imported where they run: only some workers have it."""

from __future__ import annotations

from typing import Any

from harness.gates import Gate
from harness.tasks import task


@task(bind=True)
def roll_back(self: Any, inside: str, after: str) -> str:
    """Store a state inside a transaction that is rolled back; a gate before that, and one behind it."""
    from django.db import transaction

    with transaction.atomic():
        self.update_state(state="INSIDE", meta={"done": 3})
        Gate(inside).stop()
        transaction.set_rollback(True)
    Gate(after).stop()
    return "rolled back"


@task()
def fail_in_transaction() -> None:
    """Raise inside a transaction, which that rolls back."""
    from django.db import transaction

    with transaction.atomic():
        raise ValueError("bad", 7)
