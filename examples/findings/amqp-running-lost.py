"""With celery-amqp-backend, the state of a task that runs for longer than result_expires is lost.

Usage: python amqp-running-lost.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from time import sleep
from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

settings = {"result_expires": 60 if WORKAROUND else 1, "result_exchange": "finding"}
app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, **settings)


def look():
    task_id = str(uuid4())
    app.backend.store_result(task_id, {"pid": 1}, "STARTED")
    sleep(2.5)  # for so long the task runs, and nobody asks
    state = app.AsyncResult(task_id).state
    with app.connection() as connection:
        app.backend._create_binding(task_id)(connection.default_channel).delete()
    return state == "PENDING", f"the state of the task is {state}"


if __name__ == "__main__":
    main(look)
