"""On all result stores but Redis, failures are kept as long as successes: result_failure_expires is ignored.

Usage: python failure-expires-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from time import sleep
from uuid import uuid4

from frame import WORKAROUND, finding_app, main

SHORT, LONG = 0.01, 3600
app = finding_app(result_failure_expires=SHORT, result_expires=SHORT if WORKAROUND else LONG)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_failure(result.id, ValueError("wrong"))
    sleep(0.1)  # what has to be old cannot be hurried
    app.backend.cleanup()
    state = result.state
    if state != "PENDING":
        result.forget()
    return state == "FAILURE", f"after result_failure_expires and a clean-up the state is {state}"


if __name__ == "__main__":
    main(look)
