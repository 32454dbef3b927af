"""On redis and rpc, get(timeout=0.05) of a task that is not done takes a second: timeouts are rounded up.

Usage: python get-timeout-whole-seconds.py RESULT_BACKEND_URL [--workaround]
"""

from time import monotonic, sleep
from uuid import uuid4

from celery.exceptions import TimeoutError
from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    result = app.AsyncResult(str(uuid4()))
    began = monotonic()
    if WORKAROUND:
        while not result.ready() and monotonic() < began + 0.05:
            sleep(0.01)
    try:
        result.get(timeout=0 if WORKAROUND else 0.05)
    except TimeoutError:
        took = monotonic() - began
        return took > 0.9, f"timeout=0.05: TimeoutError after {took:.2f} seconds"
    finally:
        result.forget()
    return False, "get() returned"


if __name__ == "__main__":
    main(look)
