"""What a store says of a task beside its result."""

from __future__ import annotations

from datetime import datetime

from celery import chain, group
from celery.exceptions import Reject, TaskRevokedError

from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.tasks import named
from harness.tasks.state import CUSTOM_META
from harness.verdict import Answer, Verdict

ZONES = {
    "utc": {"timezone": "UTC"},
    "new_york": {"timezone": "America/New_York"},
    "new_york_not_utc": {"timezone": "America/New_York", "enable_utc": False},
}
"""Settings of time zones, by case."""


@scenario("backend", "serializer", answers=["s-success"])
def test_success(cell):
    """After a task has succeeded its state is SUCCESS, also when STARTED was stored before.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#success
    """
    task = cell.submit("give_tracked", "str_ascii")
    yield
    received = cell.receive(task)
    meta = cell.meta(task)
    cell.facts(**meta)
    held = (
        meta["status"] == "SUCCESS"
        and meta["result"] == cell.built("str_ascii")
        and meta["traceback"] is None
        and cell.is_recent(meta["date_done"])
    )
    return cell.promise(held, received, otherwise=Verdict.ALTERED, detail=f"task meta is {sorted(meta)}")


@scenario("backend", "serializer", answers=["s-failure"])
def test_failure(cell):
    """After a task has raised, its state is FAILURE, and the worker's traceback is stored as text.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#failure
    """
    task = cell.submit("fail", "value_error_args")
    yield
    received = cell.receive(task)
    meta = cell.meta(task)
    cell.facts(**meta)
    held = (
        meta["status"] == "FAILURE"
        and isinstance(meta["result"], ValueError)
        and "in fail" in str(meta["traceback"])
        and cell.is_recent(meta["date_done"])
    )
    return cell.promise(
        held,
        received,
        otherwise=Verdict.ALTERED,
        detail=f"state is {meta['status']}",
        after=Answer.FAILED,
    )


@scenario("backend", "serializer", answers=["s-started"])
def test_started(cell):
    """While a task with ``track_started`` runs, its state is STARTED, with the worker's pid and hostname.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#started
    """
    gate = cell.gate()
    task = cell.tasks.hold.delay(gate.path)
    cell.await_gate(gate, task)
    seen = cell.ask(cell.meta, task)
    gate.open()
    meta = seen.value or {}
    cell.facts(**meta)
    told = meta.get("result")
    held = (
        meta.get("status") == "STARTED"
        and isinstance(told, dict)
        and told.get("pid") == cell.pid_of(task)
        and str(told.get("hostname")).endswith("@localhost")
    )
    return cell.promise(held, seen, otherwise=Verdict.STALE, detail=f"state is {meta.get('status')}, {told}")


@scenario("backend", answers=["s-pending"])
def test_pending(cell):
    """Of a task that nobody sent, the state is PENDING and the result None; to ask leaves nothing behind.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#pending
    """
    unknown = cell.app.AsyncResult(cell.unknown_id())
    seen = cell.ask(lambda: [unknown.state, unknown.result, unknown.ready()])
    return cell.equals(seen, ["PENDING", None, False])


@scenario("backend", "serializer", answers=["s-progress"])
def test_progress(cell):
    """Each ``update_state`` of a running task can be read, the latest one last.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#custom-states
    """
    gates = [cell.gate() for _ in range(3)]
    task = cell.tasks.advance.delay("PROGRESS", [gate.path for gate in gates])
    seen = []
    for gate in gates:
        cell.await_gate(gate, task)
        meta = cell.ask(cell.meta, task)
        seen.append((meta.value or {}).get("result"))
        gate.open()
    wanted = [{**CUSTOM_META, "done": number} for number in range(3)]
    cell.facts(seen=seen)
    return cell.promise(seen == wanted, meta, otherwise=Verdict.STALE, detail=f"meta were {seen}")


@scenario("backend", "serializer", answers=["s-custom"])
def test_custom_state(cell):
    """A custom state is stored with its meta, as it was given.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#custom-states
    """
    gate = cell.gate()
    task = cell.tasks.advance.delay("BAKING", [gate.path])
    cell.await_gate(gate, task)
    seen = cell.ask(lambda: [task.state, task.info])
    return cell.equals(seen, ["BAKING", {**CUSTOM_META, "done": 0}])


@scenario("backend", "serializer", answers=["s-retry"])
def test_retry(cell):
    """While a task waits to be run again, its state is RETRY, with the exception that caused it.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#retry
    """
    gate = cell.gate()
    task = cell.tasks.retry_once.delay(gate.path)
    cell.await_gate(gate, task)
    seen = cell.await_state(task, "RETRY")  # it may be stored after the second run has begun
    meta = seen.value or {}
    cell.facts(**meta)
    error = meta.get("result")
    held = meta.get("status") == "RETRY" and isinstance(error, ValueError) and error.args == ("not yet", 7)
    detail = f"state is {meta.get('status')}, with {error!r}"
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=detail)


@scenario("backend", "case", answers=["s-revoked"], cases=["before", "running"], worker=OwnWorker("revoked"))
def test_revoked(cell):
    """A task that is revoked before it runs, or terminated while it does, is stored as REVOKED.

    https://docs.celeryq.dev/en/stable/userguide/workers.html#revoke-revoking-tasks
    """
    gate = cell.gate()
    task = cell.app.AsyncResult(cell.unknown_id())
    if cell.case == "before":
        cell.control("revoke", task_id=task.id)
    cell.tasks.hold.apply_async([gate.path], task_id=task.id)
    if cell.case == "running":
        gate.reached()
        cell.control("revoke", task_id=task.id, terminate=True, signal="SIGKILL")
    seen = cell.await_state(task, "REVOKED")
    meta = seen.value or {}
    cell.facts(**meta)
    held = meta.get("status") == "REVOKED" and isinstance(meta.get("result"), TaskRevokedError)
    detail = f"state is {meta.get('status')}, with {meta.get('result')!r}"
    return cell.promise(held, seen, otherwise=Verdict.STALE, detail=detail)


@scenario("backend", "case", answers=["s-ignore"], cases=["ignore", "reject"])
def test_given_up(cell):
    """One that raises ``Ignore`` stays in the state that it had stored itself; ``Reject`` makes it FAILURE.

    The latter if it does not requeue, since Celery 5.7, so that nobody waits for ever:
    https://github.com/celery/celery/issues/4222
    https://docs.celeryq.dev/en/stable/userguide/tasks.html#semipredicates
    """
    task = cell.tasks.give_up_quietly.delay(cell.case)
    yield
    cell.settle_reply(task)
    if cell.case == "ignore":
        return cell.equals(cell.ask(lambda: [task.state, task.info]), ["LEFT", CUSTOM_META])
    seen = cell.await_state(task, "FAILURE")  # which the worker's main process stores, later
    meta = seen.value or {}
    held = meta.get("status") == "FAILURE" and isinstance(meta.get("result"), Reject)
    detail = f"state is {meta.get('status')}, with {meta.get('result')!r}"
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=detail)


@scenario(
    "backend",
    "case",
    answers=["s-date-done"],
    cases=list(ZONES),
    worker={name: OwnWorker(f"zone_{name}", settings, pool="solo") for name, settings in ZONES.items()},
)
def test_date_done(cell):
    """``date_done`` is the UTC time at which the task ended, a datetime, whatever ``timezone`` is.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.date_done
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    cell.settle_reply(task)
    seen = cell.ask(lambda: task.date_done)
    cell.facts(date_done=seen.value, type=type(seen.value).__name__)
    held = isinstance(seen.value, datetime) and cell.is_recent(seen.value)
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"date_done is {seen.value!r}")


@scenario("backend", "serializer", answers=["s-traceback"])
def test_traceback(cell):
    """The traceback of a failed task is text that names the file and line where it was raised.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.traceback
    """
    task = cell.tasks.fail.delay("value_error_args")
    yield
    cell.settle_reply(task)
    seen = cell.ask(lambda: task.traceback)
    text = seen.value if isinstance(seen.value, str) else ""
    held = text.startswith("Traceback (most recent call last)") and "harness/tasks/values.py" in text
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"traceback is {seen.value!r}")


@scenario("backend", "case", answers=["s-family"], cases=["children", "parent", "group"])
def test_family(cell):
    """A result knows the tasks that its task sent; its stored form names its parent and its group.

    ``children`` is documented, the two others are not:
    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.children
    """
    add, spawn = cell.tasks.add, cell.tasks.spawn
    made = {
        "children": lambda: spawn.delay(1, 2),
        "parent": lambda: chain(add.s(1, 2), add.s(3)).delay(),
        "group": lambda: group(add.s(1, 2), add.s(3, 4)).delay(),
    }[cell.case]()
    yield
    cell.settle(made)
    if cell.case == "children":
        child = cell.get(made)
        if child.error is not None:
            return cell.equals(child, "the id of the child")
        return cell.equals(cell.ask(lambda: [one.id for one in made.children or ()]), [child.value])
    task, wanted = (made, made.parent.id) if cell.case == "parent" else (made.results[0], made.id)
    seen = cell.ask(lambda: cell.app.backend.get_task_meta(task.id).get(f"{cell.case}_id"))
    return cell.equals(seen, wanted)


@scenario(
    "backend",
    "serializer",
    "case",
    answers=["s-extended"],
    cases=["name", "args", "kwargs", "worker", "retries", "queue"],
    worker=OwnWorker("extended", {"result_extended": True}),
)
def test_extended(cell):
    """With ``result_extended`` a result tells name, args, kwargs, worker, retries and queue of its task.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-extended
    """
    task = cell.tasks.echo.delay(1, "two", [3], key={"n": 4})
    yield
    cell.settle_reply(task)
    seen = cell.ask(lambda: getattr(task, cell.case))
    told = list(seen.value) if cell.case == "args" and seen.value is not None else seen.value
    wanted = {
        "name": "roundtrip.echo",
        "args": [1, "two", [3]],
        "kwargs": {"key": {"n": 4}},
        "worker": cell.worker_name,
        "retries": 0,
        "queue": cell.app.conf.task_default_queue,
    }[cell.case]
    detail = f"{cell.case} is {seen.value!r}, sent was {wanted!r}"
    return cell.promise(told == wanted, seen, otherwise=Verdict.ALTERED, detail=detail)


@scenario("backend", answers=["s-stamps"], worker=OwnWorker("extended", {"result_extended": True}))
def test_stamps(cell):
    """The stamps of a task are stored with its result, under ``result_extended``.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#stamping
    """
    signature = cell.tasks.add.s(1, 2)
    signature.stamp(customer="ann")
    task = signature.delay()
    yield
    cell.settle_reply(task)
    seen = cell.ask(cell.app.backend.get_task_meta, task.id)
    meta = seen.value or {}
    told = [meta.get("stamped_headers"), meta.get("customer")]
    detail = f"stamped_headers and stamp are {told}"
    return cell.promise(told == [["customer"], "ann"], seen, otherwise=Verdict.LOST, detail=detail)


@scenario("backend", answers=["s-errors-kept"])
def test_error_kept(cell):
    """``store_errors_even_if_ignored`` keeps the failure of a task whose result is ignored.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-store-errors-even-if-ignored
    """
    task = cell.tasks.fail_ignored.delay()
    yield
    cell.settle(task)
    asked = cell.app.AsyncResult(task.id)
    seen = cell.ask(cell.meta, asked)
    meta = seen.value or {}
    held = meta.get("status") == "FAILURE" and isinstance(meta.get("result"), ValueError)
    return cell.promise(held, seen, otherwise=Verdict.LOST, detail=f"state is {meta.get('status')}")


@scenario("backend", "case", answers=["s-ignored"], cases=["task", "call"])
def test_ignored(cell):
    """With ``ignore_result``, at the task or at the call, nothing is stored.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#ignore-results-you-don-t-want
    """
    if cell.case == "task":
        task = cell.tasks.give_ignored.delay()
    else:
        task = cell.tasks.add.apply_async((1, 2), ignore_result=True)
    yield
    cell.settle(task)
    seen = cell.ask(lambda: cell.app.AsyncResult(task.id).state)
    places = cell.places_of(task)
    held = seen.value == "PENDING" and not places
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"state is {seen.value}, at {places}")


@scenario("backend", "serializer", answers=["s-eager"])
def test_eager(cell):
    """With ``task_always_eager`` and ``task_store_eager_result`` the caller's own result is stored.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-store-eager-result
    """
    eager = cell.other_app(task_always_eager=True, task_store_eager_result=True)
    made = cell.ask(named(eager, "add").delay, 1, 2, phase="submit")
    if made.error is not None:
        return cell.equals(made, 3)
    read = cell.ask(lambda: cell.app.AsyncResult(made.value.id).get(timeout=1))
    return cell.equals(read, 3)
