"""Do groups, chains and chords bring their results together?"""

from __future__ import annotations

from celery import chain, chord, group
from celery.exceptions import ChordError, TimeoutError

from harness.gates import REACHED_WITHIN
from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Blame, Verdict

CANVAS = OwnWorker("canvas")
"""Apart from the matrix: a chord's counter or size is a place that no task's id names."""
SIZES = {"empty": 0, "one": 1, "two": 2, "many": 200}
"""Numbers of header tasks, by case."""
MANY = 1500
"""Members of a large group."""
HASTY = OwnWorker("chord_ignored", settings={"result_chord_retry_interval": 0.1})
"""Where the store must be polled for a chord's header, that is done at once."""


def sums(cell, size):
    """A task for each sum of a number and 1, and what they return."""
    numbers = range(size)
    return [cell.tasks.add.s(number, 1) for number in numbers], [number + 1 for number in numbers]


@scenario(
    "backend",
    "serializer",
    "case",
    answers=["c-group"],
    cases=["get", "join", "join_native", "iterate", "no_propagate"],
    worker=CANVAS,
)
def test_group(cell):
    """A group's results come back in the order of its tasks, however they are asked for.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#groups
    """
    tasks, wanted = sums(cell, 3)
    if cell.case == "no_propagate":
        tasks[1] = cell.tasks.fail.s("value_error_bare")
    made = group(tasks).delay()
    yield
    cell.settle(made)
    ask = {
        "get": lambda: made.get(timeout=2),
        "join": lambda: made.join(timeout=2),
        "join_native": lambda: made.join_native(timeout=2),
        "iterate": lambda: [one.get(timeout=2) for one in made],
        "no_propagate": lambda: made.get(timeout=2, propagate=False),
    }[cell.case]
    seen = cell.ask(ask)
    if cell.case == "join_native" and not seen.timed_out:
        cell.observed(supports_native_join=seen.error is None)
    if cell.case != "no_propagate":
        return cell.equals(seen, wanted)
    told = [type(one).__name__ for one in seen.value or ()]
    held = told == ["int", "ValueError", "int"]
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=f"results are {told}")


@scenario("backend", "case", answers=["c-group"], cases=["empty", "nested", "duplicates"], worker=CANVAS)
def test_group_shapes(cell):
    """A group may be empty or hold other groups, whose tasks count as its own; a set may hold a result twice.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#groups
    """
    tasks, _ = sums(cell, 2)
    shape = {"empty": [], "nested": [group(tasks), cell.tasks.add.s(5, 5)], "duplicates": tasks}[cell.case]
    made = group(shape).delay()
    yield
    if cell.case == "duplicates":
        made = cell.app.ResultSet([made.results[0], made.results[1], made.results[0]])
    wanted = {"empty": [], "nested": [1, 2, 10], "duplicates": [1, 2, 1]}[cell.case]
    seen = cell.get(made)
    # to put results that have come in their places is ResultSet's own doing
    return cell.equals(seen, wanted, blame=Blame.CELERY if seen.error is None else None)


@scenario("backend", answers=["c-group"], worker=OwnWorker("large_group"), slow="1,500 tasks")
def test_group_large(cell):
    """A group of 1,500 tasks comes back whole and in order.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#groups
    """
    tasks, wanted = sums(cell, MANY)
    made = group(tasks).delay()
    yield
    cell.settle(made)
    # results that are there are read beyond the timeout, and SQL databases are connected to anew for each
    return cell.equals(cell.ask(made.get, timeout=20, within=240), wanted)


@scenario(
    "backend",
    "case",
    answers=["c-saved"],
    cases=["order", "type", "nested", "twice", "deleted", "unknown"],
    worker=CANVAS,
)
def test_group_saved(cell):
    """A group that was saved can be restored by its id: its members in order, nested groups too; and deleted.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.GroupResult.save
    """
    tasks, _ = sums(cell, 3)
    made = group([group(tasks), cell.tasks.add.s(5, 5)] if cell.case == "nested" else tasks).delay()
    yield
    cell.settle(made)
    for _ in range({"unknown": 0, "twice": 2}.get(cell.case, 1)):
        saved = cell.ask(made.save, phase="submit")
        if saved.error is not None:
            return cell.equals(saved, None, blame=Blame.BACKEND)  # how a group is written is its choice
    if cell.case == "deleted":
        cell.ask(made.delete, phase="submit")
    found = cell.ask(lambda: cell.other_app().GroupResult.restore(made.id))
    if cell.case in ("deleted", "unknown"):
        return cell.equals(found, None)
    kinds = [type(one).__name__ for one in found.value or ()]
    ids = [one.id for one in found.value or ()]
    held = ids == [one.id for one in made.results] and kinds == [type(one).__name__ for one in made.results]
    otherwise = Verdict.LOST if found.value is None else Verdict.ALTERED
    return cell.promise(held, found, otherwise=otherwise, detail=f"restored as {kinds}")


@scenario(
    "backend", "case", answers=["c-count"], cases=["completed_count", "remove", "revoke"], worker=CANVAS
)
def test_group_members(cell):
    """A group counts its completed members, lets go of one, and revokes those that have not begun.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#group-results
    """
    if cell.case == "revoke":
        made = group(cell.tasks.add.s(number, 1).set(countdown=3600) for number in range(2)).delay()
        yield
        cell.ask(made.revoke, phase="submit")
        cell.control("ping")  # what was sent before it has been taken in
        listed = cell.control("revoked")
        return cell.equals(cell.ask(lambda: set(listed) >= {one.id for one in made.results}), True)
    tasks, _ = sums(cell, 3)
    made = group(tasks).delay()
    yield
    cell.settle(made)
    if cell.case == "completed_count":
        return cell.equals(cell.ask(made.completed_count), 3)
    made.remove(made.results[0])
    seen = cell.get(made)
    # to wait for more than what has come is ResultSet's own doing
    return cell.equals(seen, [2, 3], blame=Blame.CELERY if cell.ask(made.ready).value else None)


@scenario("backend", "case", answers=["c-chain"], cases=["result", "parents", "failing"], worker=CANVAS)
def test_chain(cell):
    """A chain hands each result on; its result knows its parents; what fails in it is raised to the caller.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chains
    """
    add, fail = cell.tasks.add, cell.tasks.fail
    if cell.case == "failing":
        made = chain(fail.si("value_error_bare"), add.si(1, 1)).delay()
        yield
        cell.settle(made.parent)
        seen = cell.ask(made.get, timeout=2)
        held = isinstance(seen.error, ValueError)
        return cell.promise(held, seen, otherwise=Verdict.LOST, detail=f"get() raised {seen.error!r}")
    made = chain(add.s(1, 1), add.s(2), add.s(3)).delay()
    yield
    seen = cell.get(made)
    if cell.case == "parents" and seen.error is None:
        return cell.equals(cell.ask(lambda: [made.parent.get(), made.parent.parent.get()]), [4, 2])
    return cell.equals(seen, 7)


@scenario("backend", "serializer", "case", answers=["c-chord"], cases=list(SIZES), worker=CANVAS)
def test_chord(cell):
    """The body of a chord is called with the results of all header tasks, in their order.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords
    """
    header, wanted = sums(cell, SIZES[cell.case])
    sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
    yield
    return cell.equals(cell.get(sent), wanted)


@scenario(
    "backend",
    "case",
    answers=["c-chord"],
    cases=["nested", "group_body", "body_raises", "in_chain"],
    worker=CANVAS,
)
def test_chord_shapes(cell):
    """A chord may hold a chord, end in a group or in a failure, and stand in a chain.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chords
    """
    header, _ = sums(cell, 2)
    collect, add = cell.tasks.collect, cell.tasks.add
    made = {
        "nested": lambda: chord([chord(header, collect.s()), add.s(5, 5)], collect.s()),
        "group_body": lambda: chord(header, group(collect.s(), collect.s())),
        "body_raises": lambda: chord(header, cell.tasks.refuse.s()),
        "in_chain": lambda: chain(add.s(1, 1), group(add.s(1), add.s(2)), collect.s()),
    }[cell.case]()
    sent = cell.ask(made.apply_async, phase="submit")
    yield
    seen = cell.get(sent)
    if cell.case == "body_raises" and isinstance(seen.error, ValueError):
        seen = cell.ask(lambda: list(seen.error.args))
    wanted = {
        "nested": [[1, 2], 10],
        "group_body": [[1, 2], [1, 2]],
        "body_raises": ["body", [1, 2]],
        "in_chain": [3, 4],
    }
    return cell.equals(seen, wanted[cell.case])


@scenario("backend", "case", answers=["c-chord-fails"], cases=["body", "errback"], worker=CANVAS)
def test_chord_fails(cell):
    """If a header task fails, the body is not called: it fails with ChordError, and its errback is called.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#error-handling
    """
    gate = cell.gate()
    body = cell.tasks.collect.s().on_error(cell.tasks.note_error.s(gate.path))
    header = [cell.tasks.add.s(1, 1), cell.tasks.fail.s("value_error_bare")]
    sent = cell.ask(chord(header), body, phase="submit")
    yield
    if sent.error is not None:
        return cell.equals(sent, None)
    seen = cell.await_state(sent.value, "FAILURE", "SUCCESS")
    status, error = (seen.value or {}).get("status"), (seen.value or {}).get("result")
    if cell.case == "errback":
        called = status == "FAILURE" and cell.ask(gate.reached, within=REACHED_WITHIN).error is None
        detail = f"the errback was not called; the body's state is {status}"
        return cell.promise(called, seen, otherwise=Verdict.LOST, detail=detail)
    return cell.promise(
        isinstance(error, ChordError), seen, otherwise=Verdict.LOST, detail=f"the body's result is {error!r}"
    )


@scenario("backend", answers=["c-chord-ignored"], worker=HASTY)
def test_chord_ignored(cell):
    """A chord whose header tasks ignore their results is refused or reported, and not waited for in silence.

    "Chords … all results must be stored":
    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chord-important-notes
    """
    header = [cell.tasks.add_ignored.s(number, 1) for number in range(2)]
    sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
    yield
    seen = cell.get(sent, polls=5, propagate=False)
    cell.facts(answer=seen.value, raised=type(seen.error).__name__)
    held = sent.error is not None or isinstance(seen.value, ChordError) or seen.value == [1, 2]
    detail = f"the body got {seen.value!r}"
    # it is Celery that polls; a backend that counts for itself is not polled
    blame = Blame.CELERY if cell.polls else Blame.BACKEND
    return cell.promise(held, seen, otherwise=Verdict.ALTERED, detail=detail, blame=blame)


@scenario("backend", answers=["c-chord-twice"], worker=CANVAS)
def test_chord_twice(cell):
    """If a broker delivers a header task twice, the body is still called once, with every result once.

    (Celery promises no more than at-least-once delivery under ``acks_late``.)
    https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.acks_late
    """
    gate = cell.gate()
    header = [cell.tasks.add.s(1, 1), cell.tasks.add_twice.s(2, 2), cell.tasks.add_held.s(gate.path, 3, 3)]
    sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
    if sent.error is not None:
        return cell.equals(sent, None)
    gate.reached()
    cell.await_runs(sent.value.parent.results[1], 2)
    gate.open()
    seen = cell.get(sent)
    runs = cell.runs(sent.value)
    cell.facts(received=seen.value, body_runs=runs, raised=repr(seen.error))
    detail = f"the body ran {runs} times, the caller got {seen.error or seen.value}"
    # when the body is called, and with what, is the backend's affair: Celery's own polling asks each task
    arrived = runs and not isinstance(seen.error, TimeoutError)
    otherwise = Verdict.ALTERED if arrived else Verdict.LOST
    held = seen.value == [2, 4, 6] and runs == 1
    return cell.promise(held, None, otherwise=otherwise, detail=detail, blame=Blame.BACKEND)


@scenario("backend", "case", answers=["c-replace"], cases=["task", "group"], worker=CANVAS)
def test_replace(cell):
    """A task that is replaced, by a task or by a group, has the result of what replaced it.

    https://docs.celeryq.dev/en/stable/reference/celery.app.task.html#celery.app.task.Task.replace
    """
    plain, task = cell.tasks.add.delay(5, 5), cell.tasks.replace_by.delay(cell.case)
    yield
    seen = cell.get(task, runs=2)
    # where nothing comes of it, but a task's own result does, that is due to replacing
    lost = seen.timed_out and cell.get(plain).error is None
    blame = Blame.CELERY if lost else Blame.BACKEND
    return cell.equals(seen, 3 if cell.case == "task" else [3, 7], blame=blame)


@scenario("backend", "case", answers=["c-chunks"], cases=["chunks", "starmap"], worker=CANVAS)
def test_chunks(cell):
    """``chunks`` and ``starmap`` return the results of their calls, in order.

    https://docs.celeryq.dev/en/stable/userguide/canvas.html#chunks
    """
    calls = [(number, 1) for number in range(5)]
    add = cell.tasks.add
    made = add.chunks(calls, 2).group().delay() if cell.case == "chunks" else add.starmap(calls).delay()
    yield
    return cell.equals(cell.get(made), [[1, 2], [3, 4], [5]] if cell.case == "chunks" else [1, 2, 3, 4, 5])


@scenario("backend", "case", answers=["r-where"], cases=["chord", "saved_group"], worker=CANVAS)
def test_nothing_left(cell):
    """When a chord is done, or a saved group is deleted, nothing is left of it but its tasks' results.

    (Undocumented.)
    """
    header, _ = sums(cell, 2)
    if cell.case == "chord":
        sent = cell.ask(chord(header), cell.tasks.collect.s(), phase="submit")
        yield
        seen = cell.get(sent)
        if seen.error is not None:
            return cell.equals(seen, None)
        made = sent.value.parent
        cell.settle(made)  # the last header task tidies up once it has sent the body
    else:
        made = group(header).delay()
        yield
        cell.settle(made)
        seen = cell.ask(made.save, phase="submit")
        if seen.error is not None:
            return cell.equals(seen, None, blame=Blame.BACKEND)
        cell.ask(made.delete, phase="submit")
    left = cell.places_of(made)
    cell.facts(left_behind=left)
    return cell.promise(not left, seen, otherwise=Verdict.ALTERED, detail=f"left behind: {left}")
