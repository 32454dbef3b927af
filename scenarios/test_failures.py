"""Does the caller get the exception that the task raised?"""

from __future__ import annotations

from billiard.exceptions import WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper
from kombu.exceptions import EncodeError

from harness import corpus
from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Blame, Verdict

BUILTIN = [failure.name for failure in corpus.FAILURES if failure.question == "f-builtin"]
CUSTOM = [failure.name for failure in corpus.FAILURES if failure.question == "f-custom"]
LATE = {
    case: OwnWorker(f"late_{case}", pool="prefork", arguments=("-c", "1"))
    for case in ("acknowledged", "rejected")
}
"""Pools of one process: a task that runs again does so in the process that was started in its place."""
CAUSE = [failure.name for failure in corpus.FAILURES if failure.question == "f-cause"]


def _is_called(error, name):
    return isinstance(error, Exception) and type(error).__name__ == name


def _judged(cell, seen, held, name):
    """Where another exception came than was to come, whose class is called `name`.

    Celery wraps what does not pickle, or makes its class anew, before any store sees it.
    """
    converted = isinstance(seen.value, UnpickleableExceptionWrapper) or _is_called(seen.value, name)
    blame = Blame.CELERY if converted else None
    detail = "" if seen.error else f"the caller gets {type(seen.value).__name__}: {seen.value}"
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=detail, blame=blame)


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


@scenario("backend", "serializer", "case", answers=["f-cause"], cases=CAUSE)
def test_cause(cell):
    """``get()`` raises the exception with its cause, its notes, and those that it groups. (Undocumented.)"""
    task = cell.submit("fail", cell.case)
    yield
    return cell.compare_failure(cell.receive(task), corpus.failure(cell.case).build())


@scenario("backend", "serializer", "case", answers=["f-text"], cases=["text_nul", "text_surrogate"])
def test_text(cell):
    """``get()`` raises the exception with its message whole, whatever characters it has. (Undocumented.)"""
    task = cell.submit("fail", cell.case)
    yield
    return cell.compare_failure(cell.receive(task), corpus.failure(cell.case).build())


@scenario("backend", answers=["f-text"])
def test_long_text(cell):
    """``get()`` raises the exception with its message whole, however long it is. (Undocumented.)"""
    task = cell.submit("fail", "text_1mib")
    yield
    return cell.compare_failure(cell.receive(task), corpus.failure("text_1mib").build())


@scenario("backend", "serializer", answers=["f-foreign"])
def test_foreign(cell):
    """An exception whose class the caller cannot import tells its class and arguments. (Undocumented.)"""
    task = cell.tasks.fail_foreign.delay()
    yield
    seen = cell.get(task, propagate=False)
    held = _is_called(seen.value, "ForeignError") and seen.value.args == ("from afar", 7)
    return _judged(cell, seen, held, "ForeignError")


@scenario("backend", "serializer", "case", answers=["f-local"], cases=["of_exception", "of_value_error"])
def test_local(cell):
    """An exception of a class that a function defines is caught by the nearest class that the caller has.

    Failing that it tells its class; its arguments are kept. (Undocumented.)
    """
    task = cell.tasks.fail_local.delay(cell.case)
    yield
    seen = cell.get(task, propagate=False)
    error = seen.value
    caught = (
        isinstance(error, ValueError) if cell.case == "of_value_error" else _is_called(error, "LocalError")
    )
    held = caught and error.args == ("local", 7)
    return _judged(cell, seen, held, "LocalError")


@scenario("backend", "serializer", answers=["f-argument"])
def test_argument(cell):
    """An exception with an argument that nothing can serialize is still caught by its class. (Undocumented.)

    Its other arguments are kept, and this one is told as text.
    """
    task = cell.tasks.fail_with_lock.delay()
    yield
    seen = cell.get(task, propagate=False)
    error = seen.value
    held = isinstance(error, ValueError) and error.args[0] == "bad" and "lock" in str(error.args[1])
    return _judged(cell, seen, held, "ValueError")


@scenario("backend", "serializer", answers=["f-unencodable"])
def test_unencodable(cell):
    """A task whose result the serializer cannot encode has failed: the caller gets an EncodeError.

    https://docs.celeryq.dev/en/stable/userguide/calling.html#serializers
    """
    task = cell.tasks.give.delay("impossible_generator")
    yield
    seen = cell.get(task, propagate=False)
    # Celery wraps what does not pickle, whatever the store; any other error is the store's own refusal
    blame = Blame.CELERY if isinstance(seen.value, UnpickleableExceptionWrapper) else None
    detail = "" if seen.error else f"the caller gets {type(seen.value).__name__}: {seen.value}"
    held = isinstance(seen.value, EncodeError)
    return cell.promise(held, seen, otherwise=Verdict.REFUSED, detail=detail, blame=blame)


@scenario("backend", answers=["f-unencodable"])
def test_unencodable_logged(cell):
    """The worker's log tells the task and the error where a result cannot be encoded. (Undocumented.)"""
    task = cell.tasks.give.delay("impossible_generator")
    yield
    cell.settle(task)
    first = next(iter(cell.worker_log(task.id)), "")
    return cell.promise(
        "raised" in first and "Error" in first, None, otherwise=Verdict.LOST, detail=first, blame=Blame.CELERY
    )


@scenario(
    "backend",
    "case",
    answers=["f-late"],
    cases=list(LATE),
    worker=LATE,
)
def test_late(cell):
    """A task with ``acks_late`` whose process is killed fails; with ``reject_on_worker_lost`` it runs again.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-reject-on-worker-lost
    """
    name = "die_once_late" if cell.case == "acknowledged" else "die_once_rejected"
    task = getattr(cell.tasks, name).delay(cell.gate().path)
    yield
    seen = cell.await_state(task, "SUCCESS", "FAILURE")
    meta = seen.value or {}
    if cell.case == "acknowledged":
        held = meta.get("status") == "FAILURE" and isinstance(meta.get("result"), WorkerLostError)
    else:
        held = meta.get("status") == "SUCCESS" and meta.get("result") == "second time"
    detail = f"state is {meta.get('status')}, with {meta.get('result')!r}"
    return cell.promise(held, seen, otherwise=Verdict.LOST, detail=detail)


@scenario("backend", answers=["f-message"], worker=OwnWorker("undecodable", pool="solo"))
def test_undecodable(cell):
    """A message that the worker cannot decode is told in its log, and the next task gets its result.

    (Undocumented.)
    """
    cell.plant_message(b"\xff\x00 no task")
    seen = cell.get(cell.tasks.add.delay(1, 2))
    told = next(iter(cell.worker_log("no task")), "")
    held = seen.value == 3 and bool(told)
    detail = f"the next task gives {seen.value!r}, the log says {told!a}"
    blame = None if seen.error else Blame.CELERY
    return cell.promise(held, seen, otherwise=Verdict.LOST, detail=detail, blame=blame)
