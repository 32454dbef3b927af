"""A Celery result backend that is wrong in one way, named by a setting: a file store otherwise honest.

Imported by workers and clients only, through ``result_backend``.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import sys
import threading
import time

from celery import states
from celery._state import get_current_task
from celery.backends.filesystem import FilesystemBackend
from kombu.compression import compress
from kombu.exceptions import EncodeError
from kombu.serialization import dumps, loads

LONG = 64
EVERY = 4
LATE_FACTOR = 1.4
VICTIM = "hello world"
"""The value (`str_ascii`) on which the flaws strike that must strike only once."""


def _deep(value, change):
    changed = change(value)
    if isinstance(changed, dict):
        return {_deep(key, change): _deep(item, change) for key, item in changed.items()}
    if isinstance(changed, list | tuple) and type(changed) in (list, tuple):
        return type(changed)(_deep(item, change) for item in changed)
    return changed


RETYPING = {
    "truncates": lambda v: v[:LONG] if isinstance(v, str) else v,
    "stringifies": lambda v: {str(k): i for k, i in v.items()} if type(v) is dict else v,
    "drops-zone": lambda v: v.replace(tzinfo=None) if hasattr(v, "tzinfo") else v,
    "drops-microseconds": lambda v: v.replace(microsecond=0) if hasattr(v, "microsecond") else v,
    "tuples-to-lists": lambda v: list(v) if type(v) is tuple else v,
}

FORGETTING = {
    "no-traceback": {"traceback"},
    "no-date": {"date_done"},
    "no-family": {"children", "parent_id", "group_id"},
    "no-extended": {"name", "args", "kwargs", "worker", "retries", "queue", "stamped_headers", "customer"},
}
"""What is not stored of a task's meta."""


class FlawedBackend(FilesystemBackend):
    """`flaw` and `deadline` come from ``result_backend_transport_options``."""

    flaw = ""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        options = self.app.conf.result_backend_transport_options
        self.flaw = options["flaw"]
        self.deadline = options["deadline"]
        self._written = itertools.count(1)
        self._previous = None
        if self.flaw == "ignores-compression":
            self.compression = None

    def mark_as_done(self, task_id, result, request=None, *args, **kwargs):
        if self.flaw == "keeps-ignored":
            self.store_result(task_id, result, states.SUCCESS, request=request)
        return super().mark_as_done(task_id, result, request, *args, **kwargs)

    def mark_as_failure(self, task_id, exc, *args, request=None, **kwargs):
        if self.flaw == "drops-kept-errors" and request.ignore_result:
            kwargs["store_result"] = False
        return super().mark_as_failure(task_id, exc, *args, request=request, **kwargs)

    def _get_result_meta(self, *args, **kwargs):
        meta = super()._get_result_meta(*args, **kwargs)
        return meta | dict.fromkeys(FORGETTING.get(self.flaw, ()))

    def _get_task_meta_for(self, task_id):
        meta = super()._get_task_meta_for(task_id)
        if self.flaw == "invents" and meta["status"] == states.PENDING:
            return {"status": states.SUCCESS, "result": 42}
        return meta

    def encode_result(self, result, state):
        if self.flaw == "flattens-failures" and state in states.EXCEPTION_STATES:
            result = Exception("failed")
        result = super().encode_result(result, state)
        if state != states.SUCCESS:
            return result
        if self.flaw in RETYPING:
            return _deep(result, RETYPING[self.flaw])
        if self.flaw == "swaps":
            # what its process returned before may be the same by chance
            result, self._previous = (None if self._previous == result else self._previous), result
        return result

    def encode(self, data):
        if self.flaw == "other-serializer":
            return dumps(data, serializer="yaml")[2]
        try:
            payload = super().encode(data)
        except EncodeError:
            if self.flaw != "keeps-refused":
                raise
            return pickle.dumps(data)
        if self.flaw == "compresses-anyway":
            return compress(payload, "zlib")[0]
        return payload

    def decode(self, payload):
        if self.flaw == "other-serializer":
            return loads(payload, "application/x-yaml", "utf-8", force=True)
        if self.flaw == "keeps-refused" and payload[:1] == b"\x80":
            return pickle.loads(payload)
        if self.flaw == "compresses-anyway":
            import zlib

            payload = zlib.decompress(payload)
        return super().decode(payload)

    def _set_with_state(self, key, value, state):
        self._strike(value, state)
        if self.flaw == "loses" and next(self._written) % EVERY == 0:
            return None
        if self.flaw == "forced-lost" and state == states.FAILURE and get_current_task() is None:
            return None  # what a worker's main process stores of a task that it ended
        if self.flaw == "threads-lost" and threading.current_thread() is not threading.main_thread():
            return None
        if self.flaw == "older-state" and os.path.exists(self._filename(key)):
            return None
        return super()._set_with_state(key, value, state)

    def _store_result(self, task_id, result, state, traceback=None, request=None, **kwargs):
        group = getattr(request, "group", None)
        if self.flaw == "loses-members" and group:
            return result
        if self.flaw == "loses-failures" and state == states.FAILURE:
            return result
        if self.flaw == "only-final" and state not in states.READY_STATES:
            return result
        if self.flaw == "forgets-eager" and request.is_eager:
            return result
        if self.flaw == "leaves-marks":
            self.set(self.get_key_for_group(group or task_id, ".mark"), b"")
        return super()._store_result(task_id, result, state, traceback, request=request, **kwargs)

    def _save_group(self, group_id, result):
        if self.flaw == "forgets-groups":
            return result
        if self.flaw == "turns-groups":
            result = type(result)(result.id, list(reversed(result.results)))
        return super()._save_group(group_id, result)

    def _delete_group(self, group_id):
        if self.flaw != "keeps-groups":
            super()._delete_group(group_id)

    def _strike(self, value, state):
        victim = state == states.SUCCESS and VICTIM.encode() in (
            value.encode() if isinstance(value, str) else value
        )
        if self.flaw == "raises-every-write" or (self.flaw == "raises-on-write" and state == states.SUCCESS):
            raise OSError(28, "No space left on device")
        if self.flaw == "hangs-write" and victim:
            threading.Event().wait()
        if self.flaw == "kills-child" and victim:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.flaw == "kills-worker" and victim:
            os.kill(os.getppid(), signal.SIGKILL)
            threading.Event().wait()

    def get(self, key):
        if self.flaw == "greenlets-blind" and "gevent.monkey" in sys.modules:
            return None
        name = self._filename(key)
        if key.startswith(self.task_keyprefix) and os.path.exists(name):
            if self.flaw == "late" and time.time() - os.stat(name).st_mtime < LATE_FACTOR * self.deadline:
                return None
            if self.flaw == "hangs-read":
                threading.Event().wait()
            if self.flaw == "raises-on-read":
                raise OSError(5, "Input/output error")
        return super().get(key)
