"""Does the caller get the exception that the task raised?"""

from __future__ import annotations

from harness import corpus
from harness.scenario import scenario

BUILTIN = [failure.name for failure in corpus.FAILURES if failure.question == "f-builtin"]
CUSTOM = [failure.name for failure in corpus.FAILURES if failure.question == "f-custom"]


@scenario("backend", "serializer", "case", answers=["f-builtin"], cases=BUILTIN)
def test_builtin(cell):
    """``get()`` raises the built-in exception that the task raised: its class and its arguments.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.submit("fail", cell.case)
    yield
    return cell.compare_failure(cell.receive(task), corpus.failure(cell.case).build())


@scenario("backend", "serializer", "case", answers=["f-custom"], cases=CUSTOM)
def test_custom(cell):
    """``get()`` raises the exception of a class of one's own, with its arguments and attributes.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.submit("fail", cell.case)
    yield
    return cell.compare_failure(cell.receive(task), corpus.failure(cell.case).build())
