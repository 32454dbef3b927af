"""Celery result backends that are wrong about ids, about reading, or about how long a result lives.

Imported by workers and clients only, through ``result_backend``, as `flawed` is.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import flawed
from celery import states
from celery.exceptions import TimeoutError

from harness.worker import SETUP_VARIABLE, runs

LONGER = 1.0
"""Seconds that a wait takes too long."""

_first_thread = threading.get_ident()
_remembered = {}


class FlawedBackend(flawed.FlawedBackend):
    flaw = ""  # until the file store has tried whether it can read and write

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.flaw == "claims-expiry":
            self.supports_autoexpire = True

    # -- reading

    def get(self, key):
        if self._is_blind():
            return None
        value = super().get(key)
        if self.flaw == "remembers":
            return _remembered.setdefault(key, value) if value else _remembered.get(key)
        if self.flaw == "reads-once" and value and states.SUCCESS.encode() in value:
            self.delete(key)
        if self.flaw == "dies-with-worker" and value and not self._writer_runs(key):
            return None
        return value

    def _is_blind(self):
        return (
            (self.flaw == "one-thread" and threading.get_ident() != _first_thread)
            or (self.flaw == "one-process" and sys.argv[0].endswith("elsewhere.py"))
            or (self.flaw == "blind-worker" and SETUP_VARIABLE in os.environ)
        )

    def _writer_runs(self, key):
        pid = super().get(b"pid-" + key)
        return pid is None or runs(int(pid))

    def wait_for_pending(self, result, callback=None, on_interval=None, **kwargs):
        if self.flaw != "no-hooks":
            kwargs.update(callback=callback, on_interval=on_interval)
        return super().wait_for_pending(result, **kwargs)

    def wait_for(self, task_id, **kwargs):
        try:
            return super().wait_for(task_id, **kwargs)
        except TimeoutError:
            if self.flaw == "waits-longer":
                time.sleep(LONGER)
            raise

    def task_result_exists(self, task_id):
        return self.flaw == "always-there" or super().task_result_exists(task_id)

    def _forget(self, task_id):
        if self.flaw != "keeps-forgotten":
            super()._forget(task_id)

    # -- writing

    def current_task_children(self, request=None):
        return [] if self.flaw == "childless" else super().current_task_children(request)

    def _store_result(self, task_id, result, state, *args, **kwargs):
        if self.flaw == "forgives" and state == states.FAILURE:
            state = states.SUCCESS
        return super()._store_result(task_id, result, state, *args, **kwargs)

    def _set_with_state(self, key, value, state):
        if self.flaw == "picky-ids" and b"*" in key:
            raise OSError(22, "Invalid argument")
        if self.flaw == "dies-with-worker":
            self.set(b"pid-" + key, str(os.getpid()))
        return super()._set_with_state(key, value, state)

    def get_key_for_task(self, task_id, key=""):
        return super().get_key_for_task(task_id.lower() if self.flaw == "lowers-ids" else task_id, key)

    def _add_global_keyprefix(self):
        # called before `flaw` is set
        if self.app.conf.result_backend_transport_options["flaw"] != "ignores-prefix":
            super()._add_global_keyprefix()

    # -- the end of a result's life

    def cleanup(self):
        if self.flaw == "cleans-all":
            for name in os.listdir(self.path):
                if name.startswith(self.task_keyprefix):
                    os.unlink(os.path.join(self.path, name))
        elif self.flaw != "cleans-nothing":
            super().cleanup()
