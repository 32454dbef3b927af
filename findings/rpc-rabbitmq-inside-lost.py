"""On rpc over RabbitMQ, a task that waits for another one never gets its result, if that was quicker.

Usage: python rpc-rabbitmq-inside-lost.py BROKER_URL [--workaround]
"""

import time
from contextlib import nullcontext

from celery.exceptions import TimeoutError
from celery.result import allow_join_result
from frame import URL, WORKAROUND, finding_app, main, worker

app = finding_app("rpc://", broker=URL)


@app.task(name="add")
def add(left, right):
    return left + right


@app.task(name="waits")
def waits():
    with allow_join_result() if WORKAROUND else nullcontext():
        sent = add.delay(1, 2)
    time.sleep(3)  # the other one has long finished
    with allow_join_result():
        return sent.get(timeout=5)


def look():
    with worker("prefork", "-c", "2"):
        if add.delay(1, 1).get(timeout=30) != 2:
            raise RuntimeError("this store does not return what a task returns")
        try:
            found = waits.delay().get(timeout=30)
        except TimeoutError as error:
            return True, f"the task that waits got {error!r}"
    return found != 3, f"the result is {found}"


if __name__ == "__main__":
    main(look)
