"""Watches the services of a run: which have ended, how, and since when they may have been gone.

The end of a local process or of a container is noticed at once. A server that the run did not start is
asked again and again, and counts as ended when it gave no answer for a while.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import poll
from harness.ascii import escape, redact
from harness.errors import NotReady, Rejected
from harness.services import Server, Service, service

NOTICED_WITHIN = 2.0
"""Seconds within which the end of a process or container is noticed."""
PROBE_EVERY = 2.0
PROBE_WITHIN = 2.0
SILENT_FOR = 5.0
"""Seconds without an answer after which a server counts as ended that can only be asked."""
LOOK_WITHIN = 10.0
"""Seconds after which a server that neither answers nor ends is left to its cells' own deadlines."""


@dataclass(frozen=True)
class Ending:
    """A service that ended in the middle of a run.

    :param how: one line.
    :param alive_at: until when it certainly lived, on the monotonic clock.
    """

    name: str
    how: str
    alive_at: float

    def __str__(self) -> str:
        return f"{self.name} ended in the middle of the run: {self.how}"


Wait = Callable[[], str | None]
"""Blocks until a server's process has ended and tells how; None if it can not tell any more."""


class Watcher:
    """Watches servers, one thread each.

    :param on_end: told of each ending once, in that server's thread.
    """

    def __init__(self, on_end: Callable[[Ending], None]) -> None:
        self.endings: dict[str, Ending] = {}
        self._on_end = on_end
        self._urls: dict[str, str] = {}
        self._closed = False

    def watch(self, server: Server, wait: Wait | None) -> None:
        """Begin to watch a server that answers.

        :param wait: None for a server whose process is not ours.
        """
        self._urls[server.name] = server.url
        threading.Thread(target=self._watch, args=(server, wait), daemon=True).start()

    def close(self) -> None:
        """From now on an ending is nothing to speak of: the run ends its services itself."""
        self._closed = True

    def look(self, names: Iterable[str]) -> list[Ending]:
        """Those of the named that have ended; a server that does not answer just now is waited for."""
        for name in names:
            if name in self._urls:
                poll.until(partial(self._is_settled, name), LOOK_WITHIN, longest=0.2)
        return [self.endings[name] for name in names if name in self.endings]

    def _is_settled(self, name: str) -> bool:
        return name in self.endings or _refusal(service(name), self._urls[name]) is None

    def _watch(self, server: Server, wait: Wait | None) -> None:
        how = wait() if wait else None
        alive_at = time.monotonic() - NOTICED_WITHIN
        if how is None:
            how, alive_at = self._until_silent(server)
        if not self._closed:
            ending = Ending(server.name, escape(redact(how), 300), alive_at)
            self.endings[server.name] = ending
            self._on_end(ending)

    def _until_silent(self, server: Server) -> tuple[str, float]:
        asked = service(server.name)
        alive_at = time.monotonic()

        def silent() -> str | None:
            nonlocal alive_at
            began = time.monotonic()
            refusal = _refusal(asked, server.url)
            if refusal is None:
                alive_at = began
            if self._closed:
                return "the run is over"
            gone = refusal is not None and time.monotonic() - alive_at > SILENT_FOR
            return f"it did not answer for {SILENT_FOR:g} s: {refusal}" if gone else None

        return str(poll.until(silent, math.inf, longest=PROBE_EVERY, first=PROBE_EVERY)), alive_at


def _refusal(asked: Service, url: str) -> str | None:
    """Why a server does not answer now; None if it does."""
    try:
        asked.probe(url, timeout=PROBE_WITHIN)
    except (NotReady, Rejected) as error:
        return str(error)
    return None


def how_it_ended(exit_code: int, log: Path) -> str:
    """How a process ended, with the last line that it wrote."""
    if exit_code < 0:
        how = f"its process was ended by {signal.Signals(-exit_code).name}"
    else:
        how = f"its process ended with exit code {exit_code}"
    return f"{how}; {last_words(log)}"


def last_words(log: Path) -> str:
    """The last line of a log, as the end of a sentence."""
    lines = log.read_text(errors="backslashreplace").strip().splitlines() if log.exists() else []
    return f"its last words: {lines[-1]}" if lines else "it left no message"
