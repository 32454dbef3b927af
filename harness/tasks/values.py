"""Tasks that return a value or raise a failure, by name."""

from __future__ import annotations

from harness import corpus, generated
from harness.tasks import task


@task()
def give(name: str) -> object:
    """Return the value of that name."""
    return corpus.value(name).build()


@task()
def give_packed(text: str) -> object:
    """Return a generated value, which travels as text."""
    return generated.unpacked(text)


@task()
def fail(name: str) -> object:
    """Raise the failure of that name."""
    raise corpus.failure(name).build()


@task(track_started=True)
def give_tracked(name: str) -> object:
    """Return the value of that name; STARTED is stored before."""
    return give(name)
