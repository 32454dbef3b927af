"""Does a store work from every worker pool, and are there as many processes as were asked for?"""

from __future__ import annotations

import os

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import chord
from celery.exceptions import SoftTimeLimitExceeded

from harness.matrix import OwnWorker
from harness.scenario import STORELESS, scenario
from harness.verdict import Blame, Verdict

AUTOSCALED = 10, 3
"""What ``--autoscale=10,3`` means: at most, at least."""
POOLS = OwnWorker("pools")
"""One for each pool."""
HARMED = OwnWorker("harmed", pool="prefork", arguments=("-c", "1"))
"""One whose pool process is ended again and again. Each new one is forked from a worker that has itself
stored results, so it tells nothing of a worker to which nothing happened."""
LIMIT = 0.5
"""Seconds that a task may take; `linger` takes longer."""
HASTY = {"AUTOSCALE_KEEPALIVE": "0.2"}
"""Celery's own environment variable: seconds for which a process must be idle before the pool shrinks."""
BURST = 12
"""Tasks that run at once, so that more processes are needed."""


def send_and_get(app):
    """What a client does that gevent or eventlet have patched: ten tasks at once, and their results."""
    from celery import group

    from harness.tasks import named

    return group(named(app, "add").s(number, 1) for number in range(10)).delay().get(timeout=10)


@scenario(
    "backend",
    "pool",
    "case",
    answers=["p-core"],
    cases=["value", "failure", "started", "chord"],
    worker=POOLS,
)
def test_pool(cell):
    """From every pool a value, a failure and the state STARTED are stored, and a chord's body is called.

    https://docs.celeryq.dev/en/stable/userguide/workers.html#concurrency
    """
    gate = cell.gate()
    if cell.case == "started":
        task = cell.tasks.hold.delay(gate.path)
        gate.reached()
        return cell.equals(cell.ask(lambda: task.state), "STARTED")
    if cell.case == "chord":
        header = [cell.tasks.add.s(number, 1) for number in range(3)]
        sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
        return cell.equals(cell.get(sent), [1, 2, 3])
    name, argument = ("give", "record_1kib") if cell.case == "value" else ("fail", "value_error_args")
    task = getattr(cell.tasks, name).delay(argument)
    seen = cell.get(task, propagate=False)
    if cell.case == "value":
        return cell.equals(seen, cell.built("record_1kib"))
    held = isinstance(seen.value, ValueError) and seen.value.args == ("bad", 7, None)
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"the caller gets {seen.value!r}")


@scenario(
    "backend",
    "pool",
    "case",
    answers=["p-core", "f-limits"],
    cases=["soft_limit", "hard_limit"],
    worker={"prefork": HARMED, **dict.fromkeys(("threads", "solo", "gevent", "eventlet"), POOLS)},
)
def test_time_limit(cell):
    """A task that exceeds a time limit is stored as failed, and its exception says so.

    "Pool support: prefork/gevent":
    https://docs.celeryq.dev/en/stable/userguide/workers.html#time-limits
    """
    options, wanted = {
        "soft_limit": ({"soft_time_limit": LIMIT}, SoftTimeLimitExceeded),
        "hard_limit": ({"time_limit": LIMIT}, TimeLimitExceeded),
    }[cell.case]
    task = cell.tasks.linger.apply_async(**options)
    yield
    return stored_as_failed(cell, task, wanted)


@scenario("backend", "pool", answers=["p-core", "f-child"], only={"pool": ["prefork"]}, worker=HARMED)
def test_child_killed(cell):
    """A task whose pool process is killed is stored as failed, and its exception says so.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#task-options (reject_on_worker_lost)
    """
    task = cell.tasks.kill_own_process.delay()
    yield
    return stored_as_failed(cell, task, WorkerLostError)


@scenario("backend", answers=["p-core", "f-child"], worker=HARMED)
def test_replaced_process(cell):
    """A pool process that was started in the place of a killed one stores results as that did.

    (Undocumented.) Killed twice: the first time the worker's main process opens its own connection, to store
    that failure, and the next process is forked from it.
    """
    for _ in range(2):
        cell.await_state(cell.tasks.kill_own_process.delay(), "FAILURE")
    task = cell.tasks.give.delay("record_1kib")
    return cell.equals(cell.get(task), cell.built("record_1kib"))


@scenario(
    "backend",
    "pool",
    answers=["p-core", "f-child"],
    only={**STORELESS, "pool": ["threads", "solo", "gevent", "eventlet"]},
    worker=OwnWorker("killed"),
)
def test_worker_killed(cell):
    """A task whose process is killed is stored as failed also where that process is the worker's only one.

    (Undocumented.) Nobody is left to write to any store, so one of them is asked.
    """
    task = cell.tasks.kill_own_process.delay()
    yield
    return stored_as_failed(cell, task, WorkerLostError, lost_by=Blame.CELERY)


def stored_as_failed(cell, task, wanted, lost_by=Blame.BACKEND):
    """The observation of a task that was ended: whether it is stored as failed, with such an exception."""
    seen = cell.await_state(task, "FAILURE", "SUCCESS")
    meta = seen.value or {}
    state, result = meta.get("status"), meta.get("result")
    verdict, blame = {
        "SUCCESS": (Verdict.IGNORED, Blame.CELERY),
        "FAILURE": (Verdict.ALTERED, Blame.BACKEND),
    }.get(state, (Verdict.LOST, lost_by))
    held = state == "FAILURE" and isinstance(result, wanted)
    return cell.promise(
        held, seen, otherwise=verdict, detail=f"state is {state}, with {result!r}", blame=blame
    )


@scenario(
    "backend",
    answers=["p-default", "n-pool-size"],
    only=STORELESS,
    worker=OwnWorker("default_size", arguments=(), pool="prefork"),
)
def test_default_concurrency(cell):
    """Without ``--concurrency`` the pool has a process for each CPU that the worker may use.

    The notes say so too: "By default pool size == number_of_CPU_cores_of_the_system".
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#worker-concurrency
    """
    size = cell.control("stats")["pool"]["max-concurrency"]
    children = cell.pool_size()
    wanted = len(os.sched_getaffinity(0))
    cell.facts(usable_cpus=wanted, cpus=os.cpu_count(), max_concurrency=size, processes=children)
    return cell.promise(
        size == children == wanted,
        None,
        otherwise=Verdict.ALTERED,
        detail=f"{size} by inspect stats, {children} processes, {wanted} usable CPUs",
        blame=Blame.CELERY,
    )


@scenario(
    "backend",
    "case",
    answers=["p-autoscale", "p-both"],
    cases=["alone", "with_concurrency"],
    only=STORELESS,
    worker={
        "alone": OwnWorker("autoscale", arguments=("--autoscale=10,3",), environment=HASTY),
        "with_concurrency": OwnWorker(
            "autoscale_both", arguments=("--concurrency=5", "--autoscale=10,3"), environment=HASTY
        ),
    },
)
def test_autoscale(cell):
    """``--autoscale=10,3`` starts with 3 processes, grows under load to at most 10, and shrinks again.

    https://docs.celeryq.dev/en/stable/userguide/workers.html#autoscaling
    """
    most, least = AUTOSCALED
    began = cell.await_pool_size(lambda size: size >= least)
    gates = [cell.gate() for _ in range(BURST)]
    for gate in gates:
        cell.tasks.hold.delay(gate.path)
    grown = cell.await_pool_size(lambda size: size >= most)
    for gate in gates:
        gate.open()
    shrunk = cell.await_pool_size(lambda size: size <= least)
    cell.facts(began=began, grown=grown, shrunk=shrunk)
    starts_at = {"alone": (least,), "with_concurrency": (least, 5)}[cell.case]
    return cell.promise(
        began in starts_at and grown == most and shrunk == least,
        None,
        otherwise=Verdict.IGNORED,
        detail=f"began with {began}, grew to {grown}, shrank to {shrunk}",
        blame=Blame.CELERY,
    )


@scenario("backend", "case", answers=["p-greenlet"], cases=["gevent", "eventlet"], worker=POOLS)
def test_greenlet_client(cell):
    """A client that gevent or eventlet have patched sends tasks and waits for their results.

    https://docs.celeryq.dev/en/stable/userguide/concurrency/gevent.html
    """
    return cell.equals(cell.elsewhere(send_and_get, patch=cell.case), [number + 1 for number in range(10)])
