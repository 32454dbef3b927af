"""Observes worker configurations side by side, ahead of the test that asks for their cells.

Half of what a cell takes is waiting: for a deadline, a worker that starts, a pool that has to be replaced.
Without pytest-xdist one process asks for one cell after another; threads of it observe the configurations
that come next meanwhile, each with clients and workers of its own.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.conductor import Asked, Conductor, Message
from harness.verdict import Observation
from harness.worker import Setup

SIDE_BY_SIDE = min(8, 4 + (os.cpu_count() or 2))
"""Configurations that are observed at once: four more than there are cores, for half of a cell is waiting."""
UNREAD_AT_MOST = 10_000
"""Cells of configurations that nobody has asked for yet: what is seen of them is kept in memory. While two
configurations one after the other wait for 120 s (a store that loses everything), others must not run out of
this: on two cores they observe some 50 cells a second."""

Answer = tuple[str, Observation]


@dataclass(eq=False)
class Work:
    """A configuration, and what has been seen of its cells: answers, then the error that ended it, if any."""

    setup: Setup
    asked: Sequence[Asked]
    seen: queue.SimpleQueue[Answer | Exception | None] = field(default_factory=queue.SimpleQueue)
    records: list[Message] = field(default_factory=list)
    """For the run log; complete once all answers are there."""

    @property
    def backend(self) -> str:
        return self.setup.configuration.backend


class Ahead:
    """Observes configurations about in the order in which they are given, unless one is asked for earlier.

    :param conduct: makes the conductor of one thread.
    """

    def __init__(self, conduct: Callable[[], Conductor], work: Sequence[Work]) -> None:
        self._waiting = deque(work)
        self._wanted: deque[Work] = deque()
        self._unread = 0
        self._closed = False
        self._changed = threading.Condition()
        self._conductors = [conduct() for _ in range(min(SIDE_BY_SIDE, len(work)))]
        self._threads = [
            threading.Thread(target=self._observe, args=(one,), daemon=True) for one in self._conductors
        ]
        for thread in self._threads:
            thread.start()

    def answers(self, work: Work) -> Iterator[Answer]:
        """What is seen of a configuration's cells, as it comes; from the first on it is somebody's turn.

        Raises what observing it raised.
        """
        with self._changed:
            if work in self._waiting:
                self._waiting.remove(work)
                self._wanted.append(work)
            else:
                self._unread -= len(work.asked)
            self._changed.notify_all()
        while (answer := work.seen.get()) is not None:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def close(self) -> None:
        """Observe nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for conductor in self._conductors:
            conductor.stop()
        for thread, conductor in zip(self._threads, self._conductors, strict=True):
            thread.join()
            conductor.close()

    def _observe(self, conductor: Conductor) -> None:
        work = None
        while (work := self._next(work)) is not None:
            try:
                for answer in conductor.observe(work.setup, work.asked):
                    work.seen.put(answer)
            except Exception as error:  # noqa: BLE001 - whoever asks for the configuration gets it
                work.seen.put(error)
            work.records, conductor.configurations = conductor.configurations, []
            work.seen.put(None)

    def _next(self, last: Work | None) -> Work | None:
        """The configuration to be observed next; waits for room. None: there is no more.

        :param last: what the thread has observed: it has a client of that backend.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._wanted or not self._waiting or self._unread < UNREAD_AT_MOST
            )
            if self._closed or not (self._wanted or self._waiting):
                return None
            if self._wanted:
                return self._wanted.popleft()
            near = itertools.islice(self._waiting, SIDE_BY_SIDE)
            same = (work for work in near if last is not None and work.backend == last.backend)
            work = next(same, self._waiting[0])
            self._waiting.remove(work)
            self._unread += len(work.asked)
            return work
