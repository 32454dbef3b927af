"""Do groups, chains and chords bring their results together?"""

from __future__ import annotations

from celery import chord

from harness.scenario import scenario

SIZES = {"empty": 0, "one": 1, "two": 2, "many": 200}
"""Numbers of header tasks, by case."""


@scenario("backend", "serializer", "case", answers=["c-chord"], cases=list(SIZES))
def test_chord(cell):
    """The body of a chord is called with the results of all header tasks, in their order.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords
    """
    size = SIZES[cell.case]
    header = [cell.tasks.add.s(number, 1) for number in range(size)]
    sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
    yield
    if sent.error is not None:
        return cell.equals(sent, None)
    return cell.equals(cell.get(sent.value), [number + 1 for number in range(size)])
