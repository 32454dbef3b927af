"""The tasks that workers really run: one module per family of scenarios.

A function becomes a task with ``@task()``, whose options are those of Celery's ``app.task``. Its name is
``roundtrip.`` and the function's. Values and failures travel by name and are built in the worker.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import celery

Function = TypeVar("Function", bound=Callable[..., Any])

_declared: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}


def task(**options: Any) -> Callable[[Function], Function]:
    """Declare a task; `options` as ``app.task`` takes them."""

    def declare(function: Function) -> Function:
        _declared[function.__name__] = (function, options)
        return function

    return declare


def register(app: celery.Celery) -> None:
    """Put all tasks on an app."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    for name, (function, options) in _declared.items():
        app.task(name=f"roundtrip.{name}", shared=False, **options)(function)


def named(app: celery.Celery, name: str) -> Any:
    """The task object, e.g. of ``give``.

    :raises AttributeError: no such task.
    """
    try:
        return app.tasks[f"roundtrip.{name}"]
    except KeyError:
        raise AttributeError(f"no task is called {name!a}: see harness/tasks/") from None


@dataclass(frozen=True)
class Tasks:
    """The tasks of an app as attributes: ``tasks.give.delay("int_42")``."""

    app: celery.Celery

    def __getattr__(self, name: str) -> Any:
        return named(self.app, name)
