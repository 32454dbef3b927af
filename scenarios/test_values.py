"""Does a value come back whole?"""

from __future__ import annotations

from harness.generated import CLASSES
from harness.matrix import OTHER_COMPRESSIONS
from harness.scenario import scenario

SOME = (
    *("none", "int_42", "float_nan", "str_empty", "str_emoji", "str_nul", "bytes_not_utf8", "list_empty"),
    *("dict_str_keys", "datetime_utc", "uuid_plain", "size_64kib_text", "size_64kib_bytes"),
)
"""Values that a codec could harm: empty, binary, long, and some that must not matter to it."""


@scenario("backend", "serializer", "compression", "value", answers=["v-*"])
def test_round_trip(cell):
    """A result equals what the serializer alone returns.

    Celery promises no more than that results are serialized with ``result_serializer``:
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-serializer
    """
    task = cell.submit("give", cell.value.name)
    yield
    return cell.compare(cell.receive(task))


@scenario(
    "backend",
    "compression",
    "value",
    answers=["v-*"],
    only={"compression": OTHER_COMPRESSIONS, "value": SOME},
)
def test_round_trip_other_codecs(cell):
    """A result equals what the serializer alone returns, under every codec that kombu knows.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-compression
    """
    task = cell.submit("give", cell.value.name)
    yield
    return cell.compare(cell.receive(task))


@scenario("backend", "serializer", "case", answers=["v-generated"], cases=CLASSES)
def test_generated(cell):
    """Whatever value of a class is generated, its result equals what the serializer alone returns.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-serializer
    """
    tasks = cell.submit_generated(cell.case)
    yield
    return cell.compare_generated(cell.case, tasks)
