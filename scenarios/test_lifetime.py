"""How long does a result live?"""

from __future__ import annotations

from datetime import timedelta

from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Answer, Blame, Verdict

HOUR, DAY = 3600, 86_400
EXPIRES = {
    "seconds": HOUR,
    "timedelta": timedelta(hours=1),
    "days_31": 31 * DAY,
    "none": None,
    "zero": 0,
}
"""What ``result_expires`` is set to, by case."""
SHORT = {"sub_second": 0.5, "negative": -1}
"""The same, where a result may be gone at once."""
CLEANUPS = {
    "fresh_new_york": {"result_expires": HOUR, "timezone": "America/New_York"},
    "fresh_tokyo": {"result_expires": HOUR, "timezone": "Asia/Tokyo"},
    "none": {"result_expires": None},
    "zero": {"result_expires": 0},
}
"""Settings under which ``celery.backend_cleanup`` is run, by case. A clock that is wrong by a time zone takes
fresh results for old ones in one of the two; for None and 0 a clean-up must not meet other cells' results."""
LONGER_THAN_EXPIRES = 2.5
"""Seconds after which a result with ``result_expires=1`` is old, in whole seconds too."""
FOR_HOURS = {
    name: OwnWorker(f"expires_{name}", {"result_expires": one}, pool="solo") for name, one in EXPIRES.items()
}
FOR_A_SECOND = OwnWorker("expires_second", {"result_expires": 1})


@scenario(
    "backend",
    "case",
    answers=["l-expires"],
    cases=list(EXPIRES),
    worker=FOR_HOURS,
)
def test_expires(cell):
    """A store that expires results by itself keeps one for ``result_expires``; None and 0 mean for ever.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    sent = cell.ask(cell.submit, "give", "str_ascii", phase="submit")
    yield
    if sent.error is not None:
        return cell.promise(False, sent, otherwise=Verdict.REFUSED, blame=Blame.BACKEND)
    received = cell.receive(sent.value)
    stored = cell.at_rest(sent.value)
    left = stored.lifetime if stored else None
    cell.facts(result_expires=EXPIRES[cell.case], seconds_left=left)
    expires = cell.result_expires if cell.declares("supports_autoexpire") else None
    held = expires - 120 < left <= expires if expires and left else not expires and left is None
    return cell.promise(
        stored is not None and held,
        received,
        otherwise=Verdict.IGNORED if left is None else Verdict.ALTERED,
        detail=f"{left} s left, result_expires is {EXPIRES[cell.case]}",
    )


@scenario(
    "backend",
    "case",
    answers=["l-expires"],
    cases=list(SHORT),
    worker={
        name: OwnWorker(f"expires_{name}", {"result_expires": setting}) for name, setting in SHORT.items()
    },
)
def test_expires_at_once(cell):
    """A ``result_expires`` that leaves a result no time does not keep it for ever, nor does the write fail.

    (Undocumented for less than a second and below 0.)
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    sent = cell.ask(cell.submit, "add", 1, 2, phase="submit")
    yield
    if sent.error is not None:
        return cell.promise(False, sent, otherwise=Verdict.REFUSED, blame=Blame.BACKEND)
    task = sent.value
    cell.settle(task.result)
    failed = cell.write_error(task)
    if failed:
        return cell.promise(False, None, otherwise=Verdict.REFUSED, detail=failed)
    stored = cell.at_rest(task)
    left = stored.lifetime if stored else 0.0
    cell.facts(result_expires=SHORT[cell.case], seconds_left=left, still_there=stored is not None)
    held = not cell.declares("supports_autoexpire") or (left is not None and left <= 1)
    return cell.promise(
        held, None, otherwise=Verdict.IGNORED, detail=f"{left} s left, result_expires is {SHORT[cell.case]}"
    )


@scenario(
    "backend",
    "case",
    answers=["l-failures"],
    cases=["success", "failure"],
    worker=OwnWorker(
        "failure_expires", {"result_expires": 2 * HOUR, "result_failure_expires": HOUR}, pool="solo"
    ),
)
def test_failure_expires(cell):
    """A failure is kept for ``result_failure_expires``, a success for ``result_expires``.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-failure-expires
    """
    wanted = HOUR if cell.case == "failure" else 2 * HOUR if cell.declares("supports_autoexpire") else None
    task = (
        cell.submit("fail", "value_error_args")
        if cell.case == "failure"
        else cell.submit("give", "str_ascii")
    )
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    left = stored.lifetime if stored else None
    cell.facts(seconds_left=left, supports_failure_expires=cell.declares("supports_failure_expires"))
    if stored and cell.case == "failure":
        cell.observed(supports_failure_expires=left is not None and left <= HOUR)
    held = left == wanted if None in (left, wanted) else wanted - 120 < left <= wanted
    return cell.promise(
        stored is not None and held,
        received,
        otherwise=Verdict.ALTERED if wanted is None else Verdict.IGNORED,
        detail=f"{left} s left, wanted are {wanted}",
        after=Answer.FAILED if cell.case == "failure" else Answer.RETURNED,
    )


@scenario("backend", answers=["l-cleanup"], worker=FOR_A_SECOND)
def test_running(cell):
    """The state of a task that runs for longer than ``result_expires`` stays STARTED: there is no result yet.

    (Undocumented.)
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    gate = cell.gate()
    task = cell.tasks.hold.delay(gate.path)
    gate.reached()
    cell.let_age(task, LONGER_THAN_EXPIRES)
    cell.settle(cell.app.tasks["celery.backend_cleanup"].delay())
    seen = cell.ask(lambda: cell.app.AsyncResult(task.id).state)
    return cell.promise(
        seen.value == "STARTED", seen, otherwise=Verdict.LOST, detail=f"state is {seen.value}"
    )


@scenario(
    "backend",
    "case",
    answers=["l-cleanup"],
    cases=["old", "fresh", *CLEANUPS],
    worker={
        "old": FOR_A_SECOND,
        "fresh": FOR_HOURS["seconds"],
        **{name: OwnWorker(f"cleanup_{name}", one, pool="solo") for name, one in CLEANUPS.items()},
    },
)
def test_cleanup(cell):
    """``celery.backend_cleanup`` removes results that are older than ``result_expires``, and no others.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    sent = cell.ask(cell.tasks.add.delay, 1, 2, phase="submit")
    yield
    if sent.error is not None:
        return cell.promise(False, sent, otherwise=Verdict.REFUSED, blame=Blame.BACKEND)
    task = sent.value
    cell.settle(task)
    if cell.case == "old":
        cell.let_age(task, LONGER_THAN_EXPIRES)
    cleanup = cell.get(cell.app.tasks["celery.backend_cleanup"].delay())
    seen = cell.ask(lambda: cell.app.AsyncResult(task.id).state)
    wanted = "PENDING" if cell.case == "old" else "SUCCESS"
    cell.facts(state=seen.value, cleanup=repr(cleanup.error))
    detail = f"state after the clean-up is {seen.value}, wanted was {wanted}"
    if cleanup.error is not None and not cleanup.timed_out:
        detail = f"celery.backend_cleanup raised {cleanup.error!r}; {detail}"
        return cell.promise(False, seen, otherwise=Verdict.REFUSED, detail=detail)
    otherwise = Verdict.IGNORED if wanted == "PENDING" else Verdict.LOST
    return cell.promise(seen.value == wanted, seen, otherwise=otherwise, detail=detail)


@scenario("backend", answers=["l-evicted"])
def test_evicted(cell):
    """A result that the store has dropped is PENDING, and ``get(timeout=...)`` says so in time.

    (Undocumented: what an evicted result looks like.)
    https://docs.celeryq.dev/en/stable/userguide/tasks.html#pending
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    stored = cell.get(task)
    if stored.value != 3:
        return cell.equals(stored, 3)
    cell.evict(task)
    asked = cell.other_app().AsyncResult(task.id)
    state, got = cell.ask(lambda: asked.state), cell.ask(asked.get, timeout=0.5)
    held = state.value == "PENDING" and got.timed_out and got.seconds < 2
    detail = f"state is {state.value}, get() raised {got.error!r} after {got.seconds:.1f} s"
    return cell.promise(held, state, otherwise=Verdict.STALE, detail=detail)


@scenario("backend", answers=["l-restart"], worker=OwnWorker("restarted", pool="solo"))
def test_worker_restart(cell):
    """A result outlives the worker that stored it.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#result-backends
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    cell.settle(task)
    cell.end_worker()
    return cell.equals(cell.ask(task.get, timeout=2), 3)
