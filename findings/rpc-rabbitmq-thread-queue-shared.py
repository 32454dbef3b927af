"""On rpc with RabbitMQ, some of threads that follow each other wait in vain: a dead one takes their results.

Usage: python rpc-rabbitmq-thread-queue-shared.py BROKER_URL [--workaround]
"""

from threading import Thread
from uuid import uuid4

from celery.app.task import Context
from celery.exceptions import TimeoutError
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", URL)
lost, consumers = [], []


def send_and_get(number):
    task_id = str(uuid4())
    with app.amqp.producer_pool.acquire(block=True) as producer:
        app.backend.on_task_call(producer, task_id)  # as sending a task does
        found = producer.channel.queue_declare(app.backend.binding.name, passive=True)
        consumers.append(found.consumer_count)
    request = Context(reply_to=app.thread_oid, correlation_id=task_id)
    app.backend.store_result(task_id, number, "SUCCESS", request=request)
    try:
        app.AsyncResult(task_id).get(timeout=3)
    except TimeoutError:
        lost.append(number)
    if WORKAROUND:
        app.backend.result_consumer.stop()


def look():
    for number in range(6):
        thread = Thread(target=send_and_get, args=(number,))
        thread.start()
        thread.join()
    return bool(lost), f"lost are the results of threads {lost}; consumers before each asked: {consumers}"


if __name__ == "__main__":
    main(look)
