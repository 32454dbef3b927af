"""On rpc over RabbitMQ, store_errors_even_if_ignored loses the failure of a client's first task.

Usage: python rpc-ignored-error-lost.py RESULT_BACKEND_URL [--workaround]
"""

import os
import time
from pathlib import Path

from frame import URL, WORKAROUND, finding_app, main, worker

app = finding_app("rpc://", broker=URL)
ran = Path(os.environ["FINDING_FOLDER"]) / "ran"


@app.task(name="fail", ignore_result=True, store_errors_even_if_ignored=True)
def fail():
    ran.touch()
    raise ValueError("kept")


def look():
    if WORKAROUND:
        with app.pool.acquire_channel() as (_, channel):
            app.backend.binding(channel).declare()
    with worker():
        sent = fail.delay()
        while not ran.exists():
            time.sleep(0.1)
        app.control.ping(timeout=10, limit=1)  # the solo pool answers when the failure is stored
        state = app.AsyncResult(sent.id).state
    return state == "PENDING", f"the state of the failed task is {state}"


if __name__ == "__main__":
    main(look)
