"""A task that runs for longer than result_expires is PENDING again: its STARTED expires like a result.

Usage: python running-state-expires.py RESULT_BACKEND_URL [--workaround]
"""

from time import sleep
from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app(result_expires=3600 if WORKAROUND else 1)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.store_result(result.id, {"pid": 1}, "STARTED")
    sleep(2.1)  # for so long the task runs
    app.backend.cleanup()
    state = result.state
    if state != "PENDING":
        result.forget()
    return state == "PENDING", f"2.1 seconds after its start the task is {state}"


if __name__ == "__main__":
    main(look)
