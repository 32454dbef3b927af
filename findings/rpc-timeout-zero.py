"""On rpc, get(timeout=0) of a task that is done raises TimeoutError: the reply queue is not looked at.

Usage: python rpc-timeout-zero.py BROKER_URL [--workaround]
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
    result = app.AsyncResult(task_id)
    if WORKAROUND:
        result.ready()
    try:
        return False, f"get(timeout=0) returned {result.get(timeout=0)}"
    except TimeoutError as error:
        return True, f"get(timeout=0) raised {error!r}"


if __name__ == "__main__":
    main(look)
