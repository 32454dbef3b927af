"""On rpc, a result can be got once, in the thread that sent the task: nobody else ever sees it.

Usage: python rpc-read-once.py BROKER_URL [--workaround]
"""

from uuid import uuid4

from celery.app.task import Context
from celery.exceptions import TimeoutError
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", None if URL == "filesystem://" else URL)


def look():
    task_id = str(uuid4())
    with app.amqp.producer_pool.acquire(block=True) as producer:
        app.backend.on_task_call(producer, task_id)  # as sending a task does
    request = Context(reply_to=app.thread_oid, correlation_id=task_id)
    app.backend.store_result(task_id, 3, "SUCCESS", request=request)
    first = app.AsyncResult(task_id)
    first.get(timeout=5)
    try:
        (first if WORKAROUND else app.AsyncResult(task_id)).get(timeout=1)
    except TimeoutError as error:
        return True, f"got a second time it raises {error!r}"
    return False, "it can be got a second time"


if __name__ == "__main__":
    main(look)
