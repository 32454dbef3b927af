"""How long does a result live?"""

from __future__ import annotations

from datetime import timedelta

from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Verdict

DAY = 86_400
EXPIRES = {
    "seconds": 3600,
    "timedelta": timedelta(hours=1),
    "days_31": 31 * DAY,
    "none": None,
    "zero": 0,
    "sub_second": 0.5,
    "negative": -1,
}
"""What ``result_expires`` is set to, by case."""


@scenario(
    "backend",
    "case",
    answers=["l-expires"],
    cases=[name for name in EXPIRES if name not in ("sub_second", "negative")],
    worker={
        name: OwnWorker(f"expires_{name}", {"result_expires": setting}, pool="solo")
        for name, setting in EXPIRES.items()
    },
)
def test_expires(cell):
    """A store that expires results by itself keeps one for ``result_expires``; None and 0 mean for ever.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    task = cell.submit("give", "str_ascii")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    left = stored.lifetime if stored else None
    cell.facts(result_expires=EXPIRES[cell.case], seconds_left=left)
    expires = cell.result_expires if cell.declares("supports_autoexpire") else None
    held = expires - 120 < left <= expires if expires and left else not expires and left is None
    return cell.promise(
        stored is not None and held,
        received,
        otherwise=Verdict.IGNORED if left is None else Verdict.ALTERED,
        detail=f"{left} s left, result_expires is {EXPIRES[cell.case]}",
    )
