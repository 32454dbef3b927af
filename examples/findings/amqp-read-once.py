"""With celery-amqp-backend a result can be read by one get() only: a second object or app finds none.

Usage: python amqp-read-once.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from celery.exceptions import TimeoutError
from frame import URL, WORKAROUND, finding_app, main

STORE = "celery_amqp_backend.AMQPBackend://"
app = finding_app(STORE, broker=URL, result_exchange="finding")
other = finding_app(STORE, broker=URL, result_exchange="finding")


def look():
    task_id = str(uuid4())
    app.backend.store_result(task_id, "text", "SUCCESS")
    first = app.AsyncResult(task_id).result if WORKAROUND else app.AsyncResult(task_id).get(timeout=5)
    try:
        second = other.AsyncResult(task_id).get(timeout=2)
    except TimeoutError as error:
        return True, f"the first get() returned {first!r}, the second raised {error!r}"
    return False, f"both read: {first!r}, {second!r}"


if __name__ == "__main__":
    main(look)
