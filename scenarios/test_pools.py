"""Does a store work from every worker pool?"""

from __future__ import annotations

from harness.scenario import scenario


@scenario("backend", "pool", answers=["p-core"])
def test_pool_value(cell):
    """A result comes back whole from every pool.

    https://docs.celeryq.dev/en/stable/userguide/workers.html#concurrency
    """
    task = cell.submit("give", "record_1kib")
    yield
    return cell.same(cell.receive(task), cell.built("record_1kib"))
