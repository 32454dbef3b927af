"""The one poller: waits for a condition on a monotonic clock, with back-off. Nothing else sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE = 0.0005
LONGEST_PAUSE = 0.02


def until(
    condition: Callable[[], T | None],
    timeout: float,
    longest: float = LONGEST_PAUSE,
    first: float = FIRST_PAUSE,
) -> T | None:
    """Return the first answer of `condition` that is neither None nor False.

    :param timeout: seconds; the condition is asked at least once, and once more at the end.
    :param longest: seconds between two questions at most.
    :param first: seconds between the first two questions.
    :returns: the answer, or None when the time ran out.
    """
    end = time.monotonic() + timeout
    pause = first
    while True:
        answer = condition()
        if answer is not None and answer is not False:
            return answer
        left = end - time.monotonic()
        if left <= 0:
            return None
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)
