"""What a client is at, and how long that may take: a line in a file, for the pytest process that watches it.

It is written before everything that a client does, and read only when the client is silent: a message each
time would be most of what they say to each other.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

FILE = "doing"
"""Its name in the client's folder."""
TRIES = 10
"""Readings, of which one must not fall into a writing: that is a single call of the system."""


@dataclass(frozen=True)
class Doing:
    """Something that a client does.

    :param cell: id of the cell for which it does it; empty if for none.
    :param phase: a word for what it is.
    :param limit: seconds after which it has certainly failed to come back.
    :param since: when it began, on the monotonic clock that all processes share.
    """

    cell: str
    phase: str
    limit: float
    since: float

    @property
    def until(self) -> float:
        return self.since + self.limit


class Announcer:
    """Writes what its process is at. It must be told before, not after."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __call__(self, cell: str, phase: str, limit: float) -> None:
        told = json.dumps([cell, phase, limit, time.monotonic()])
        # in one piece, over what was there: what is longer ends after the line
        os.pwrite(self._file, told.encode("ascii") + b"\n", 0)


def read(folder: Path) -> Doing | None:
    """What the client with that folder is at; None before it has said anything.

    :raises ValueError: the file holds something else.
    """
    tries = itertools.count(1)
    while True:
        try:
            line = (folder / FILE).read_bytes().partition(b"\n")[0]
            return Doing(*json.loads(line)) if line else None
        except FileNotFoundError:
            return None
        except ValueError:
            # it was read in the middle of being written, which is over by now
            if next(tries) == TRIES:
                raise
