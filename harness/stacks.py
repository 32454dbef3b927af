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


def write_on_signal(folder: Path) -> None:
    """Have this process append the stacks of its threads to its file there whenever it gets the signal."""
    file = _file(folder, os.getpid()).open("a")  # stays open for the handler
    faulthandler.register(SIGNAL, file=file, all_threads=True)


def ask(pid: int, folder: Path) -> str:
    """Where the threads of a process are that called `write_on_signal` with this folder.

    :returns: what it wrote, whole unless it took too long; or why there is nothing.
    """
    path = _file(folder, pid)
    size, idle = _size(path), _blocking(pid)
    try:
        os.kill(pid, SIGNAL)
    except ProcessLookupError:
        return "the process is gone"
    poll.until(lambda: _size(path) > size and _blocking(pid) <= idle, WRITTEN_WITHIN)
    if _size(path) == size:
        return "no stack was written"
    with path.open(errors="backslashreplace") as file:
        file.seek(size)
        return file.read()


def _file(folder: Path, pid: int) -> Path:
    return folder / f"stacks-{pid}.txt"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _blocking(pid: int) -> set[str]:
    """Ids of the threads that block the signal, or for which it waits: one that handles it does so meanwhile.

    faulthandler writes word by word, so that its file may be looked at in the middle of a line. Threads of C
    libraries may block every signal at all times. Without /proc there is no telling.
    """
    found = set()
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            told = (thread / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # that thread has ended
        masks = re.findall(r"^(?:SigPnd|ShdPnd|SigBlk):\s*([0-9a-f]+)$", told, re.MULTILINE)
        if any(int(mask, 16) >> (SIGNAL - 1) & 1 for mask in masks):
            found.add(thread.name)
    return found
