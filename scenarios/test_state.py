"""What a store says of a task beside its result."""

from __future__ import annotations

from harness.scenario import scenario
from harness.verdict import Answer, Verdict


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
    gate.reached()
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
