"""Where the threads of another process are: it writes so on SIGUSR2, whatever it hangs in (faulthandler)."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
from pathlib import Path

from harness import poll

SIGNAL = signal.SIGUSR2
WRITTEN_WITHIN = 5.0
"""Seconds within which a process writes its stacks."""


def write_on_signal(path: Path) -> None:
    """Have this process append the stacks of its threads to a file each time that it gets the signal."""
    file = path.open("a")  # stays open for the handler
    faulthandler.register(SIGNAL, file=file, all_threads=True)


def ask(pid: int, path: Path) -> str:
    """Where the threads of a process are that called `write_on_signal` with this file.

    :returns: what it wrote, whole; or why there is nothing.
    """
    before = _size(path)
    try:
        os.kill(pid, SIGNAL)
    except ProcessLookupError:
        return "the process is gone"
    if not poll.until(lambda: _size(path) > before and not _is_handling(pid), WRITTEN_WITHIN):
        return "no stack was written"
    with path.open(errors="backslashreplace") as file:
        file.seek(before)
        return file.read()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_handling(pid: int) -> bool:
    """Whether the signal waits for a process or is being handled: it is blocked in that thread meanwhile.

    faulthandler writes word by word, so that a file may be looked at in the middle of a line. Without /proc
    there is no telling.
    """
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            told = status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # that thread has ended
        masks = re.findall(r"^(?:SigPnd|ShdPnd|SigBlk):\s*([0-9a-f]+)$", told, re.MULTILINE)
        if any(int(mask, 16) >> (SIGNAL - 1) & 1 for mask in masks):
            return True
    return False
