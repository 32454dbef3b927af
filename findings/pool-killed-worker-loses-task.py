"""In the solo pool a task whose process is killed stays PENDING for ever.

Usage: python pool-killed-worker-loses-task.py RESULT_BACKEND_URL [--workaround]
"""

import os
import signal

from celery.exceptions import TimeoutError
from frame import WORKAROUND, finding_app, main, worker

app = finding_app()


@app.task(name="finding")
def task():
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory is short


def look():
    with worker("prefork" if WORKAROUND else "solo") as process:
        result = task.delay()
        while process.poll() is None:
            try:
                result.get(timeout=1, propagate=False)
                break
            except TimeoutError:
                pass
        state = result.state
        result.forget()
    return state == "PENDING", f"the state of the killed task is {state}"


if __name__ == "__main__":
    main(look)
