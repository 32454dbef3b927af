"""With the rpc result backend, the caller of a task that replaces itself never gets the result.

Usage: python rpc-replaced-lost.py BROKER_URL [--workaround]
"""

from celery.exceptions import TimeoutError
from frame import URL, WORKAROUND, finding_app, main, worker

app = finding_app("rpc://", broker=None if URL == "filesystem://" else URL)


@app.task(name="add")
def add(left, right):
    return left + right


@app.task(name="replaced", bind=True)
def replaced(self):
    other = add.s(1, 2)
    raise self.replace(other.set(reply_to=self.request.reply_to) if WORKAROUND else other)


def look():
    with worker():
        if add.delay(1, 1).get(timeout=30) != 2:
            raise RuntimeError("this store does not return what a task returns")
        try:
            found = replaced.delay().get(timeout=15)
        except TimeoutError:
            return True, "15 s later the replaced task has no result; one that is not replaced had its own"
    return found != 3, f"the result is {found}"


if __name__ == "__main__":
    main(look)
