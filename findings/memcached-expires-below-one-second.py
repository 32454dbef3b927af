"""On memcached, result_expires=0.5 keeps results for ever.

Usage: python memcached-expires-below-one-second.py RESULT_BACKEND_URL [--workaround]
"""

from time import sleep
from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app(result_expires=1 if WORKAROUND else 0.5)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    sleep(2.1)  # memcached's clock ticks once a second
    state = app.AsyncResult(result.id).state
    result.forget()
    return state == "SUCCESS", f"after 2.1 seconds the result is {state}"


if __name__ == "__main__":
    main(look)
