"""Asks in another process: ``python -m harness.elsewhere`` reads a request from standard input.

For what a second process sees of a result, and for clients that gevent or eventlet have patched: patching
comes before every other import, so it takes an interpreter of its own.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def ask(patch: str, setup: str, function: str, args: tuple[object, ...], within: float) -> Any:
    """Call ``function(app, *args)`` in a fresh process: whether it raised, and what it returned or raised.

    :param patch: ``gevent``, ``eventlet`` or "": what patches that process.
    :param setup: path of the set-up file of the worker configuration.
    :param function: ``module:name`` of a function at the top of a module.
    :param within: seconds for the whole process.
    :raises subprocess.TimeoutExpired: it did not end in time.
    :raises RuntimeError: the process ended without an answer.
    """
    import pickle

    command = [sys.executable, "-m", "harness.elsewhere", patch or "-"]
    request = pickle.dumps((setup, function, args))
    # its environment is the client's: it carries the run's folder, so sweeps find it too
    done = subprocess.run(command, input=request, capture_output=True, timeout=within, check=False)
    _, found, answer = done.stdout.rpartition(MARK)
    if done.returncode != 0 or not found:
        last = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()[-1:]
        raise RuntimeError(f"the other process ended with {done.returncode}: {' '.join(last)}")
    return pickle.loads(answer)


MARK = b"\n--answer--\n"
"""What stands before the answer: whatever libraries print comes before it."""


def main() -> None:
    if sys.argv[1] == "gevent":
        from gevent import monkey

        monkey.patch_all()
    elif sys.argv[1] == "eventlet":
        import eventlet

        eventlet.monkey_patch()
    import importlib
    import pickle
    from pathlib import Path

    from harness.app import build
    from harness.worker import Setup

    setup, function, args = pickle.loads(sys.stdin.buffer.read())
    read = Setup.read(Path(setup))
    # first of all: loading a backend file makes the modules beside it importable
    read.backend().prepare_client()
    module, _, name = function.partition(":")
    asked = getattr(importlib.import_module(module), name)
    try:
        answer = (False, asked(build(read.settings), *args))
    except Exception as error:  # noqa: BLE001 - whatever it raises is what was asked for
        answer = (True, error)
    try:
        payload = pickle.dumps(answer)
    except Exception:  # noqa: BLE001 - exceptions of drivers often do not pickle
        payload = pickle.dumps((answer[0], RuntimeError(repr(answer[1]))))
    sys.stdout.flush()
    sys.stdout.buffer.write(MARK + payload)


if __name__ == "__main__":
    main()
