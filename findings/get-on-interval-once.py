"""get() calls its on_interval once, however often it polls.

Usage: python get-on-interval-once.py RESULT_BACKEND_URL [--workaround]
"""

import time

from frame import WORKAROUND, finding_app, main, worker

app = finding_app()


@app.task(name="finding")
def task():
    time.sleep(3)


def look():
    calls = []
    with worker():
        result = task.delay()
        if WORKAROUND:
            while not result.ready():
                calls.append(result.id)
                time.sleep(0.05)
        result.get(timeout=30, interval=0.05, on_interval=lambda *_: calls.append(result.id))
    result.forget()
    return len(calls) < 2, f"in 3 s, with an interval of 0.05 s, on_interval was called {len(calls)} times"


if __name__ == "__main__":
    main(look)
