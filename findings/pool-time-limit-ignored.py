"""In the solo pool (in threads and eventlet too) a time limit has no effect.

Usage: python pool-time-limit-ignored.py RESULT_BACKEND_URL [--workaround]
"""

import time

from celery.exceptions import TimeLimitExceeded
from frame import WORKAROUND, finding_app, main, worker

app = finding_app()
WORK = 5  # seconds: on a broker without an event loop, prefork looks once a second whether the limit is over


@app.task(name="finding")
def task():
    time.sleep(WORK)
    return "nobody ended it"


def look():
    with worker("prefork" if WORKAROUND else "solo"):
        result = task.apply_async(time_limit=1)
        value = result.get(propagate=False)
        result.forget()
    return not isinstance(
        value, TimeLimitExceeded
    ), f"after time_limit=1 the result of {WORK} s of work is {value!r}"


if __name__ == "__main__":
    main(look)
