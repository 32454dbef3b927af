"""The tasks that workers really run. Values and failures travel by name and are built in the worker."""

from __future__ import annotations

from typing import Any

import celery

from harness import corpus, generated


def give(name: str) -> object:
    """Return the value of that name."""
    return corpus.value(name).build()


def give_packed(text: str) -> object:
    """Return a generated value, which travels as text."""
    return generated.unpacked(text)


def fail(name: str) -> object:
    """Raise the failure of that name."""
    raise corpus.failure(name).build()


def register(app: celery.Celery) -> None:
    """Put the tasks on an app."""
    app.task(name="roundtrip.give", shared=False)(give)
    app.task(name="roundtrip.give_packed", shared=False)(give_packed)
    app.task(name="roundtrip.fail", shared=False)(fail)
    app.task(name="roundtrip.give_tracked", shared=False, track_started=True)(give)


def named(app: celery.Celery, name: str) -> Any:
    """The task object, e.g. of ``give``."""
    return app.tasks[f"roundtrip.{name}"]
