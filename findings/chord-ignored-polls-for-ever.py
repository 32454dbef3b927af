"""A chord whose header tasks ignore their results never runs its body: a worker polls for them for ever.

Usage: python chord-ignored-polls-for-ever.py RESULT_BACKEND_URL [--workaround]
"""

from celery import chord
from celery.exceptions import TimeoutError
from frame import WORKAROUND, finding_app, main, worker

app = finding_app(result_chord_retry_interval=0.2)


@app.task(name="one", ignore_result=True)
def one():
    return 1


@app.task(name="body")
def body(results):
    return results


def look():
    header = [one.s().set(ignore_result=False) if WORKAROUND else one.s() for _ in range(2)]
    with worker():
        sent = chord(header)(body.s())
        try:
            found = sent.get(timeout=15)
        except TimeoutError:
            return True, f"15 s after it was sent, the body is {sent.state}"
    return found != [1, 1], f"the body got {found}"


if __name__ == "__main__":
    main(look)
