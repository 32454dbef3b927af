"""A process that has imported Celery, and forks processes of a run from itself.

A process that is forked finds imported what ``celery worker`` or ``python -m harness.client`` would import
first, which is most of the time that its start takes. From there it goes the same way: its own arguments,
environment, folder and session, and the ``main()`` that the console script would call. A driver is imported
by the nursery of the backends that need it only; settings, and what plug-ins bring, in the forked process.
What patches modules before Celery imports them (gevent, eventlet) is started in another way.

Talks JSON lines: a request on standard input, the pid of the forked process on standard output. It ends with
its standard input; what it has forked lives on.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import RoundtripError

WORKER = (
    *("celery.bin.celery", "celery.apps.worker", "celery.app.trace", "celery.concurrency.prefork"),
    *("celery.worker.worker", "celery.worker.consumer", "celery.worker.strategy", "kombu.transport.virtual"),
    *("celery.app.routes", "celery.events.dispatcher", "celery.events.receiver", "kombu.pidbox"),
    *("billiard.heap", "billiard.popen_fork", "billiard.synchronize", "encodings.idna", "harness.app"),
)
"""What every worker imports."""
CLIENT = (
    *("harness.client", "celery.app.routes", "celery.events.receiver", "celery.worker", "kombu.pidbox"),
    *("encodings.idna", "hypothesis.strategies"),
)
"""What most clients import."""
BACKEND, BROKER = "backend:", "broker:"
"""Before the first word of a URL: the module that Celery, or kombu, would import for it, and its driver."""
OWN = "harness.app"
"""Imported for what it imports; what it does is for the forked process, which imports it again."""


def worker_imports(settings: Mapping[str, object], own: Sequence[str] = ()) -> tuple[str, ...]:
    """What a worker with these settings imports.

    :param own: what the backend names, beside what is Celery's own.
    """
    return (
        *WORKER,
        *own,
        _chosen(BACKEND, settings, "result_backend"),
        _chosen(BROKER, settings, "broker_url"),
    )


def client_imports(settings: Mapping[str, object], own: Sequence[str] = ()) -> tuple[str, ...]:
    """What a client of such a worker imports, but for the store's driver: few need the same one."""
    return (*CLIENT, *own, _chosen(BROKER, settings, "broker_url"))


def _chosen(kind: str, settings: Mapping[str, object], name: str) -> str:
    # what Celery and kombu go by: SCHEME://..., or SCHEME+MORE://...
    return kind + re.split(r"\+|://", str(settings.get(name, "")))[0]


class Nursery:
    """Forks processes that run a module's ``main()``. Used by one thread at a time.

    :param imports: modules that are imported before anything is forked.
    """

    def __init__(self, imports: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                # by its file: with -m, runpy's frames lie below all others, and whoever walks a stack to its
                # end (the elasticsearch client, at each request) looks for them in every module there is
                [sys.executable, "-P", __file__, *imports],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=True,
            )
        self.pid = self._process.pid

    def fork(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
        """Start a process that calls a module's ``main()``: its pid, which leads a session of its own.

        :param words: the module and its arguments.
        :param log: where its output goes; it works in that file's folder.
        :param environment: all of it.
        :raises RoundtripError: the nursery has ended.
        """
        asked = {"words": list(words), "log": str(log), "environment": dict(environment)}
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise RoundtripError(f"no process can be started: {self._last_line()}") from error

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="backslashreplace").strip().splitlines()
        return lines[-1] if lines else "the nursery ended without a message"


def _serve() -> dict[str, Any] | None:
    """Fork at each request: None at the end, and in a forked process what it was asked for."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ended, tell = os.pipe()
    os.set_blocking(tell, False)
    os.set_blocking(ended, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(ended, selectors.EVENT_READ)
    text = b""
    while True:
        for key, _ in selector.select():
            new = os.read(key.fd, 1 << 16)
            if key.fd == ended:
                _reap()
                continue
            if not new:
                return None
            *lines, text = (text + new).split(b"\n")
            for line in lines:
                if os.fork() == 0:
                    # said by the process itself, once it leads its session: it may be ended at once
                    os.setsid()
                    os.write(1, f"{os.getpid()}\n".encode())
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    selector.close()
                    os.close(ended)
                    os.close(tell)
                    asked: dict[str, Any] = json.loads(line)
                    return asked


def _reap() -> None:
    """Take in what has ended: a pid that stays a zombie would look alive."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return  # none is left


def _become(asked: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    log = Path(asked["log"])
    os.chdir(log.parent)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(nothing)
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    added = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = list(dict.fromkeys([str(log.parent), *added, *sys.path]))
    name, *words = asked["words"]
    module = importlib.import_module(name)
    sys.argv[:] = [str(module.__file__), *words]
    module.main()


def _import(name: str) -> None:
    from celery.app.backends import BACKEND_ALIASES, load_extension_class_names
    from kombu.transport import TRANSPORT_ALIASES
    from kombu.utils.imports import symbol_by_name

    for kind, known in ((BACKEND, BACKEND_ALIASES), (BROKER, TRANSPORT_ALIASES)):
        if name.startswith(kind):
            # what plug-ins have registered: Celery remembers it, but each process would look through all
            # installed packages once
            load_extension_class_names("celery.result_backends")
            alias = known.get(name.removeprefix(kind))
            if alias:  # else a plug-in's
                symbol_by_name(alias)  # type: ignore[no-untyped-call]
            return
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # what lies beside a plug-in's file, for one; the forked process knows more places, or says so
        print(f"nursery: {name} is left to who needs it: {error}", file=sys.stderr, flush=True)


def _remember_version() -> None:
    """Have redis-py look up its own version once: it parses its package's metadata for each connection."""
    utils: Any = sys.modules.get("redis.utils")
    if hasattr(utils, "get_lib_version"):
        utils.get_lib_version = functools.cache(utils.get_lib_version)


def main() -> None:
    for name in sys.argv[1:]:
        _import(name)
    _remember_version()
    if OWN in sys.modules:
        package, _, last = OWN.rpartition(".")
        del sys.modules[OWN]
        delattr(sys.modules[package], last)
    gc.collect()
    # what is imported stays: no collection in a forked process looks at it, nor copies its pages
    gc.freeze()
    asked = _serve()
    if asked is not None:
        _become(asked)


if __name__ == "__main__":
    main()
