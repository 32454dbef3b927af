"""Is a result there for everybody who may read it, as often as they like?"""

from __future__ import annotations

from harness.scenario import scenario


def by_id(app, task_id):
    """What another process reads, which knows nothing but the id."""
    return app.AsyncResult(task_id).get(timeout=1)


@scenario("backend", "case", answers=["g-get"], cases=["again", "second_object"])
def test_get_twice(cell):
    """A result can be got again: from the same object, and from another one of the same id.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.get
    """
    task = cell.tasks.add.delay(1, 2)
    yield
    first = cell.get(task)
    if first.error is not None:
        return cell.equals(first, 3)
    asked = task if cell.case == "again" else cell.app.AsyncResult(task.id)
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
