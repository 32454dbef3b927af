"""Tasks to build groups, chains and chords of."""

from __future__ import annotations

from harness.tasks import task


@task()
def add(left: int, right: int) -> int:
    """The sum of two numbers."""
    return left + right


@task()
def collect(results: list[object]) -> list[object]:
    """What a chord's body received."""
    return results
