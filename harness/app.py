"""The Celery app that workers really run, and the one line per task event that they write.

``celery -A harness.app worker`` reads its set-up from the file that the environment variable
ROUNDTRIP_SETUP names. Events come from Celery's signals, and from a wrapper around the backend's
``store_result`` that passes everything through: "was the write tried, and did it return" cannot be
known otherwise. Each is one ``write`` to a file opened for appending, so that lines of several pool
processes never mix.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import celery
from celery import signals
from celery.exceptions import Reject

from harness import stacks, tasks
from harness.contract import ask
from harness.errors import RoundtripError
from harness.worker import SETUP_VARIABLE, Setup, untagged


def build(settings: Mapping[str, object], **options: object) -> celery.Celery:
    """A Celery app with the harness's tasks, under these settings. Not made the current app.

    :param options: of ``Celery(...)``.
    """
    made = celery.Celery("roundtrip", set_as_current=False, **options)
    made.conf.update({name: untagged(setting) for name, setting in settings.items()})
    tasks.register(made)
    return made


class EventFile:
    """Appends one JSON line per event."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(self, event: str, **facts: object) -> None:
        line = json.dumps({"event": event, "at": time.monotonic(), **facts}, default=repr)
        os.write(self._file, line.encode("ascii") + b"\n")


def _observe(app: celery.Celery, folder: Path) -> None:
    """Report ready, started, writing, wrote, write-failed, ended; give their stacks when asked."""
    events = EventFile(folder / "events.jsonl")

    def stacks_on_signal(**_: Any) -> None:
        stacks.write_on_signal(folder)

    def ready(**_: Any) -> None:
        # the main process writes too: what is revoked anywhere in a run, every worker stores as REVOKED
        _watch_writes(app, events)
        events.say("ready", pid=os.getpid())

    def started(task_id: str, task: Any, **_: Any) -> None:
        _watch_writes(app, events)
        told = {"name": task.name, "group": task.request.group, "root": task.request.root_id}
        events.say("started", task=task_id, pid=os.getpid(), **told)

    def ended(task_id: str, state: str | None = None, **_: Any) -> None:
        # trace_task (celery/app/trace.py) sends this from a `finally`. Where that lets an exception through
        # (the write failed, or what follows it), a failure is still to be stored; not of these two
        error = sys.exc_info()[1]
        breaking = isinstance(error, Exception) and not isinstance(error, Reject | MemoryError)
        events.say("breaking" if breaking else "ended", task=task_id, state=state)

    def received(request: Any, **_: Any) -> None:
        events.say("received", task=request.id)

    def failed(task_id: str, **_: Any) -> None:
        events.say("failed", task=task_id)

    # weak=False: the receivers are closures that nothing else holds
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_init.connect(stacks_on_signal, weak=False)
    signals.worker_process_init.connect(stacks_on_signal, weak=False)
    signals.task_received.connect(received, weak=False)
    signals.task_prerun.connect(started, weak=False)
    signals.task_postrun.connect(ended, weak=False)
    signals.task_failure.connect(failed, weak=False)


def _watch_writes(app: celery.Celery, events: EventFile) -> None:
    """Wrap ``store_result`` of this thread's backend, once. app.backend is one object per thread."""
    backend = app.backend
    if getattr(backend, "_roundtrip_watched", False):
        return
    store = backend.store_result

    def store_result(task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        events.say("writing", task=task_id, state=state)
        try:
            answer = store(task_id, result, state, *args, **kwargs)
        except BaseException as error:
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            events.say("write-failed", task=task_id, state=state, type=kind, message=str(error)[:500])
            raise
        events.say("wrote", task=task_id, state=state)
        return answer

    backend.store_result = store_result
    backend._roundtrip_watched = True


def _main() -> celery.Celery:
    path = Path(os.environ[SETUP_VARIABLE])
    setup = Setup.read(path)
    try:
        ask(setup.backend(), "prepare")
    except RoundtripError as error:
        EventFile(path.parent / "events.jsonl").say("unprepared", message=str(error))
        raise
    app = build(setup.settings)
    _observe(app, path.parent)
    return app


if SETUP_VARIABLE in os.environ:
    app = _main()
