"""On rpc over RabbitMQ, store_errors_even_if_ignored loses the failure of a client's first task.

Usage: python rpc-ignored-error-lost.py RESULT_BACKEND_URL [--workaround]
"""

from frame import URL, WORKAROUND, finding_app, main, worker

app = finding_app("rpc://", broker=URL)


@app.task(name="fail", ignore_result=True, store_errors_even_if_ignored=True)
def fail():
    raise ValueError("kept")


@app.task(name="succeed")
def succeed():
    return 42


def look():
    if WORKAROUND:
        with app.pool.acquire_channel() as (_, channel):
            app.backend.binding(channel).declare()
    with worker():
        sent = fail.delay()
        succeed.delay().get(timeout=30)  # the solo worker takes one task after the other
        state = app.AsyncResult(sent.id).state
    return state == "PENDING", f"the state of the failed task is {state}"


if __name__ == "__main__":
    main(look)
