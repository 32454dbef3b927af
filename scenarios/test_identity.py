"""Is a result found under whatever id its task was given?"""

from __future__ import annotations

from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Verdict

IDS = {
    "uuid": "0e0a4a7e-7d5e-4e6c-9d5c-0d2b1a3c5e7f",
    "upper_case": "0E0A4A7E-7D5E-4E6C-9D5C-0D2B1A3C5E7F",
    "chars_255": "a" * 255,
    "chars_300": "a" * 300,
    "unicode": "zażółć-gęślą-jaźń-\u4efb\u52a1-\U0001f600",
    "blanks": "an id with blanks",
    "slash": "reports/2026/11",
    "dot_dot": "../escaped",
    "nul": "before\0after",
    "quotes": 'it\'s "quoted" `id`',
    "wildcards": "a*b?c[d]e%f_g",
    "url_marks": "a#b%20c?d=e&f",
}
"""Task ids, by case."""


@scenario("backend", "case", answers=["i-id"], cases=list(IDS), worker=OwnWorker("ids"))
def test_id(cell):
    """A result is found under the id that its task was sent with. (Celery documents no limit to ids.)

    https://docs.celeryq.dev/en/stable/reference/celery.app.task.html#celery.app.task.Task.apply_async
    """
    sent = cell.ask(cell.submit, "give", "str_ascii", task_id=IDS[cell.case], phase="submit")
    yield
    if sent.error is not None:
        return cell.promise(False, sent, otherwise=Verdict.REFUSED)
    received = cell.receive(sent.value)
    return cell.same(received, cell.built("str_ascii"))


@scenario("backend", answers=["i-id"], worker=OwnWorker("ids"))
def test_id_case(cell):
    """Two ids that differ by case only are two results.

    https://docs.celeryq.dev/en/stable/reference/celery.app.task.html#celery.app.task.Task.apply_async
    """
    lower = cell.unknown_id()
    one = cell.tasks.add.apply_async((1, 1), task_id=lower)
    two = cell.tasks.add.apply_async((2, 2), task_id=lower.upper())
    yield
    cell.settle(one, two)
    return cell.equals(cell.ask(lambda: [one.get(timeout=2), two.get(timeout=2)]), [2, 4])


@scenario(
    "backend",
    answers=["i-prefix"],
    worker=OwnWorker(
        "prefix", {"result_backend_transport_options": {"global_keyprefix": "{namespace}:ours-"}}, pool="solo"
    ),
)
def test_prefix(cell):
    """With ``global_keyprefix`` a result is found under this prefix, and not under another one.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend-transport-options
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    seen = cell.get(task)
    theirs = cell.other_app(result_backend_transport_options={"global_keyprefix": "theirs-"})
    found = cell.ask(lambda: theirs.AsyncResult(task.id).state)
    held = seen.value == 3 and found.value == "PENDING"
    return cell.promise(held, seen, otherwise=Verdict.IGNORED, detail=f"under another prefix: {found.value}")
