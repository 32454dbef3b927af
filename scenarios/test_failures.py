"""Does the caller get the exception that the task raised?"""

from __future__ import annotations

from billiard.exceptions import TimeLimitExceeded
from celery.exceptions import SoftTimeLimitExceeded

from harness import corpus
from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Verdict

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


@scenario(
    "backend",
    "case",
    answers=["f-limits"],
    cases=["soft", "hard"],
    worker=OwnWorker("limits"),
)
def test_limit(cell):
    """A task that exceeds its time limit is stored as failed: SoftTimeLimitExceeded, or TimeLimitExceeded.

    https://docs.celeryq.dev/en/stable/userguide/workers.html#time-limits
    """
    limit = {"soft": {"soft_time_limit": 1}, "hard": {"time_limit": 1}}[cell.case]
    task = cell.tasks.linger.apply_async(**limit)
    yield
    seen = cell.get(task, propagate=False)
    wanted = {"soft": SoftTimeLimitExceeded, "hard": TimeLimitExceeded}[cell.case]
    held = isinstance(seen.value, wanted) and task.state == "FAILURE"
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"the caller gets {seen.value!r}")
