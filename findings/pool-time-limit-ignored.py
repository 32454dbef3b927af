"""In the solo pool (in threads and eventlet too) a time limit has no effect.

Usage: python pool-time-limit-ignored.py RESULT_BACKEND_URL [--workaround]
"""

import time

from celery.exceptions import TimeLimitExceeded
from frame import WORKAROUND, finding_app, main, worker

app = finding_app()


@app.task(name="finding")
def task():
    time.sleep(2)
    return "nobody ended it"


def look():
    with worker("prefork" if WORKAROUND else "solo"):
        result = task.apply_async(time_limit=1)
        value = result.get(propagate=False)
        result.forget()
    return not isinstance(
        value, TimeLimitExceeded
    ), f"after time_limit=1 the result of 2 s of work is {value!r}"


if __name__ == "__main__":
    main(look)
