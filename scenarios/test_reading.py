"""Is a result there for everybody who may read it, as often as they like?"""

from __future__ import annotations

from celery import exceptions, states
from celery.result import result_from_tuple

from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Blame, Verdict

IN_TURN = 12
"""Threads that are started one after the other."""
WAITERS = 10
"""Threads that wait for one result: each has a connection of its own, which takes some stores a second."""
WAIT = 0.5
"""Seconds for which a ``get()`` has to wait, so that its hooks are called."""
CONNECTED = 4.0
"""Seconds after which ``get()`` has certainly looked once."""
OVERSHOOT = 0.75
"""Seconds that ``get(timeout=...)`` may take beyond its timeout, on a busy machine."""


def by_id(app, task_id):
    """What another process reads, which knows nothing but the id."""
    return app.AsyncResult(task_id).get(timeout=2)


@scenario("backend", "case", answers=["g-get"], cases=["again", "second_object", "second_app"])
def test_get_twice(cell):
    """A result can be got again: from the same object, from another one of its id, and through another app.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    first = cell.get(task)
    if first.error is not None:
        return cell.equals(first, 3)
    asked = {
        "again": task,
        "second_object": cell.app.AsyncResult(task.id),
        "second_app": cell.other_app().AsyncResult(task.id),
    }[cell.case]
    return cell.equals(cell.get(asked), 3)


@scenario("backend", answers=["g-process"])
def test_second_process(cell):
    """A process that did not send a task, and knows nothing but its id, gets its result.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#result-backends
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    cell.settle(task)
    return cell.equals(cell.elsewhere(by_id, task.id), 3)


@scenario(
    "backend", "case", answers=["g-thread"], cases=["second", "sends_and_gets", "in_turn", "many_waiters"]
)
def test_threads(cell):
    """Threads get results: of a task that another one sent, of their own, one after the other, many at once.

    (Celery promises nothing; that results may be read by id says so.)
    https://docs.celeryq.dev/en/stable/userguide/tasks.html#result-backends
    """
    add, read = cell.tasks.add, cell.app.AsyncResult
    task = add.delay(1, 2)
    yield
    cell.settle(task)
    if cell.case == "second":
        replies = cell.in_threads(lambda: read(task.id).get(timeout=2))
    elif cell.case == "sends_and_gets":
        # it queues behind what other cells sent
        replies = cell.in_threads(lambda: add.delay(1, 2).get(timeout=15), within=20)
    elif cell.case == "in_turn":
        replies = []
        with cell.uncollected():
            while len(replies) < IN_TURN and not any(reply.error for reply in replies):
                replies += cell.in_threads(lambda: add.delay(1, 2).get(timeout=5, interval=0.05))
    else:
        replies = cell.in_threads(*[lambda: read(task.id).get(timeout=5)] * WAITERS, within=30.0)
    wrong = [reply for reply in replies if reply.value != 3]
    cell.facts(threads=len(replies), wrong=len(wrong))
    detail = f"{len(wrong)} of {len(replies)} threads got no result"
    return cell.promise(not wrong, (wrong or replies)[0], otherwise=Verdict.ALTERED, detail=detail)


@scenario("backend", "case", answers=["g-timeout"], cases=["zero", "short", "long"])
def test_timeout(cell):
    """``get(timeout=...)`` of a task that is not done raises TimeoutError, then and not much later.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    seconds = {"zero": 0, "short": 0.05, "long": 1.1}[cell.case]
    waiting = cell.app.AsyncResult(cell.unknown_id())
    cell.ask(waiting.ready)  # what connects, and makes tables, is not waiting
    seen = cell.ask(waiting.get, timeout=seconds)
    cell.facts(timeout=seconds, took=seen.seconds, raised=type(seen.error).__name__)
    held = seen.timed_out and seconds - 0.01 <= seen.seconds <= seconds + OVERSHOOT
    detail = f"timeout={seconds}: {type(seen.error).__name__} after {seen.seconds:.2f} s"
    return cell.promise(held, None if seen.timed_out else seen, otherwise=Verdict.IGNORED, detail=detail)


@scenario("backend", "case", answers=["g-timeout"], cases=["zero", "short"])
def test_timeout_of_finished(cell):
    """``get(timeout=...)`` of a task that is done returns its result, however short the timeout.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    cell.settle(task)
    return cell.equals(cell.ask(task.get, timeout={"zero": 0, "short": 0.05}[cell.case]), 3)


@scenario("backend", "case", answers=["g-propagate"], cases=["raised", "returned"])
def test_propagate(cell):
    """``get()`` raises the exception of a failed task; with ``propagate=False`` it returns it.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.tasks.fail.delay("value_error_args")
    yield
    seen = cell.get(task, propagate=cell.case == "raised")
    error = seen.error if cell.case == "raised" else seen.value
    held = isinstance(error, ValueError) and error.args == ("bad", 7, None)
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"{cell.case} was {error!r}")


@scenario("backend", "case", answers=["g-hooks"], cases=["callback", "on_interval", "on_message", "then"])
def test_hooks(cell):
    """The hooks of ``get()`` are called: its callback, at each interval, with each message; ``then`` too.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    gate, calls = cell.gate(), []
    task = cell.tasks.hold.delay(gate.path)
    gate.reached()
    if cell.case == "then":
        task.then(lambda result: calls.append(result.id))

    def at_interval(*_):
        calls.append(task.id)
        gate.open(after=WAIT)

    options = {
        "callback": {"callback": lambda task_id, _: calls.append(task_id)},
        "on_interval": {"on_interval": at_interval, "interval": 0.05},
        "on_message": {"on_message": lambda message: calls.append(message.get("task_id"))},
        "then": {},
    }[cell.case]
    # a first look may have to connect, which takes some stores a second
    gate.open(after=WAIT if cell.case != "on_interval" else CONNECTED)
    seen = cell.ask(task.get, timeout=WAIT + 5, **options)
    cell.facts(calls=len(calls))
    wanted = 2 if cell.case == "on_interval" else 1
    held = seen.value == "opened" and calls.count(task.id) >= wanted
    detail = f"{cell.case}: {len(calls)} calls"
    blame = Blame.CELERY if 0 < len(calls) < wanted and seen.error is None else None
    return cell.promise(held, seen, otherwise=Verdict.IGNORED, detail=detail, blame=blame)


@scenario("backend", "case", answers=["g-tree"], cases=["collect", "iterdeps", "get_leaf", "as_tuple"])
def test_tree(cell):
    """The results of tasks that tasks sent can be walked, collected, and said as a tuple and back.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.collect
    """
    root = cell.tasks.branch.delay(2)
    yield
    cell.settle_tree(root, size=7)
    asked = {
        "collect": (lambda: sorted(value for _, value in root.collect(timeout=2)), [0, 0, 0, 0, 1, 1, 2]),
        "iterdeps": (lambda: len(list(root.iterdeps())), 7),
        "get_leaf": (root.get_leaf, 0),
        "as_tuple": (lambda: result_from_tuple(root.as_tuple(), cell.app).get(timeout=2), 2),
    }
    question, wanted = asked[cell.case]
    return cell.equals(cell.ask(question, within=3.0), wanted)


@scenario("backend", "case", answers=["g-state"], cases=["succeeded", "failed", "running", "unknown"])
def test_ready(cell):
    """``ready``, ``successful`` and ``failed`` say how a task ended; ``maybe_throw`` raises if it failed.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.ready
    """
    gate = cell.gate()
    send = {
        "succeeded": lambda: cell.tasks.add.delay(1, 2),
        "failed": lambda: cell.tasks.fail.delay("value_error_args"),
        "running": lambda: cell.tasks.hold.delay(gate.path),
        "unknown": lambda: cell.app.AsyncResult(cell.unknown_id()),
    }
    task = send[cell.case]()
    if cell.case in ("succeeded", "failed"):
        cell.settle(task)
    elif cell.case == "running":
        gate.reached()
    seen = cell.ask(lambda: [task.ready(), task.successful(), task.failed()])
    thrown = cell.ask(lambda: task.maybe_throw(propagate=True)) if cell.case == "failed" else None
    wanted = {"succeeded": [True, True, False], "failed": [True, False, True]}
    held = seen.value == wanted.get(cell.case, [False, False, False])
    held = held and (thrown is None or isinstance(thrown.error, ValueError))
    detail = f"ready, successful, failed are {seen.value}; maybe_throw raised {thrown and thrown.error!r}"
    return cell.promise(held, seen, otherwise=Verdict.STALE, detail=detail)


@scenario("backend", "case", answers=["g-exists"], cases=["succeeded", "started", "unknown", "forgotten"])
def test_exists(cell):
    """``exists()`` tells whether the store holds anything of a task.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.exists
    """
    gate = cell.gate()
    if cell.case == "started":
        task = cell.tasks.hold.delay(gate.path)
        gate.reached()
    else:
        task = cell.tasks.add.delay(1, 2)
        cell.settle(task)
    if cell.case == "forgotten":
        cell.ask(task.forget, phase="submit")
    asked = cell.app.AsyncResult(cell.unknown_id() if cell.case == "unknown" else task.id)
    return cell.equals(cell.ask(asked.exists), cell.case in ("succeeded", "started"))


@scenario("backend", "case", answers=["g-forget"], cases=["once", "twice", "unknown"])
def test_forget(cell):
    """A result that was forgotten is PENDING and no longer in the store; to forget again does no harm.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.forget
    """
    task = cell.app.AsyncResult(cell.unknown_id()) if cell.case == "unknown" else cell.tasks.add.delay(1, 2)
    yield
    if cell.case != "unknown":
        cell.settle(task)
    for _ in range(2 if cell.case == "twice" else 1):
        forgot = cell.ask(task.forget, phase="submit")
        if forgot.error is not None:
            return cell.equals(forgot, None)
    seen = cell.ask(lambda: cell.other_app().AsyncResult(task.id).state)
    places = cell.places_of(task)
    held = seen.value == states.PENDING and not places
    detail = f"state is {seen.value}, still there: {places}"
    return cell.promise(held, seen, otherwise=Verdict.STALE, detail=detail)


@scenario(
    "backend",
    "case",
    answers=["g-inside"],
    cases=["guarded", "finished", "waiting"],
    worker=OwnWorker("inside"),
)
def test_inside(cell):
    """A task that waits for another one is told not to, with RuntimeError; ``allow_join_result`` lets it.

    With that, it gets the result whether the other one ends while it waits or has finished before.

    https://docs.celeryq.dev/en/stable/userguide/tasks.html#avoid-launching-synchronous-subtasks
    """
    other, gate = cell.app.AsyncResult(cell.unknown_id()), cell.gate()
    task = cell.tasks.wait_inside.delay(cell.case, other.id, gate.path)
    if cell.case == "finished":
        cell.settle(other)
        gate.open()
    seen = cell.get(task, propagate=False)
    if cell.case == "guarded":
        held = isinstance(seen.value, RuntimeError) and "Never call result.get()" in str(seen.value)
        return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"the task returned {seen.value!r}")
    if isinstance(seen.value, exceptions.TimeoutError):
        return cell.promise(
            False, seen, otherwise=Verdict.LOST, detail="the task waited in vain for the other"
        )
    return cell.equals(seen, 3)
