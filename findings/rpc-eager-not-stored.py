"""On the rpc result backend, task_store_eager_result has no effect.

Usage: python rpc-eager-not-stored.py RESULT_BACKEND_URL [--workaround]
"""

from celery.exceptions import TimeoutError
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", broker=None if URL.startswith("filesystem") else URL)
app.conf.update(task_always_eager=True, task_store_eager_result=True)


@app.task(name="add")
def add(left, right):
    return left + right


def look():
    made = add.delay(1, 2)
    result = made if WORKAROUND else app.AsyncResult(made.id)
    try:
        return False, f"the result is {result.get(timeout=1)}"
    except TimeoutError as error:
        return True, f"there is no result: {error!r}"


if __name__ == "__main__":
    main(look)
