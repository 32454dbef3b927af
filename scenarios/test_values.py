"""Does a value come back whole?"""

from __future__ import annotations

from harness.scenario import scenario


@scenario("backend", "serializer", "compression", "value", answers=["v-*"])
def test_round_trip(cell):
    """A result equals what the serializer alone returns.

    Celery promises no more than that results are serialized with ``result_serializer``:
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-serializer
    """
    task = cell.submit("give", cell.value.name)
    yield
    return cell.compare(cell.receive(task))
