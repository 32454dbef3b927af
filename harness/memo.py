"""What takes long to compute and is the same for all clients of a run: the first that asks computes it."""

from __future__ import annotations

import fcntl
import os
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")

LONG = 0.02
"""Seconds of CPU from which on an answer is kept: reading it again takes well below a millisecond."""


class Memo:
    """Answers in the files of a folder, pickled, for all processes that are given that folder.

    :param folder: made when it is needed; only what this project wrote may lie there. None: nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def get(self, name: str, compute: Callable[[], T], once: bool = False) -> T:
        """The answer of that name. Two processes that ask at once may both compute it: it is the same.

        Raises what ``compute`` raises.

        :param once: only one of them does, and the others wait: for what takes long for certain.
        """
        if self._folder is None:
            return compute()
        file = self._folder / f"{quote(name, safe='')}.pickle"
        if not once:
            return self._get(file, compute)
        self._folder.mkdir(exist_ok=True)
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._get(file, compute)

    def _get(self, file: Path, compute: Callable[[], T]) -> T:
        try:
            kept: T = pickle.loads(file.read_bytes())
            return kept
        except FileNotFoundError:
            pass  # nobody has needed it, or it is computed quickly
        began = time.thread_time()
        made = compute()
        if time.thread_time() - began >= LONG:
            self._keep(file, made)
        return made

    def _keep(self, file: Path, made: object) -> None:
        try:
            text = pickle.dumps(made)
        except Exception:  # noqa: BLE001 - a value may raise anything; then each computes it for itself
            return
        file.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as whole:
            whole.write(text)
        os.replace(whole.name, file)
