"""On rpc with RabbitMQ, a result that nobody asks for within result_expires after sending is lost.

Usage: python rpc-rabbitmq-replies-lost-with-queue.py BROKER_URL [--workaround]
"""

from time import sleep
from uuid import uuid4

from celery.app.task import Context
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", URL, result_expires=60 if WORKAROUND else 1)


def look():
    task_id = str(uuid4())
    with app.amqp.producer_pool.acquire(block=True) as producer:
        app.backend.on_task_call(producer, task_id)  # as sending a task does
    sleep(2.5)  # for so long the task runs, and nobody asks
    request = Context(reply_to=app.thread_oid, correlation_id=task_id)
    app.backend.store_result(task_id, 3, "SUCCESS", request=request)
    state = app.AsyncResult(task_id).state
    return state == "PENDING", f"the task has ended, its state is {state}"


if __name__ == "__main__":
    main(look)
