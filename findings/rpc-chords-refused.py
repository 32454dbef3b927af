"""The rpc result backend refuses chords.

Usage: python rpc-chords-refused.py BROKER_URL [--workaround]
"""

from celery import chord, group
from frame import URL, WORKAROUND, finding_app, main, worker

app = finding_app("rpc://", broker=None if URL == "filesystem://" else URL)


@app.task(name="add")
def add(left, right):
    return left + right


@app.task(name="body")
def body(results):
    return results


def look():
    header = [add.s(1, 1), add.s(2, 2)]
    with worker():
        try:
            if WORKAROUND:
                sent = body.delay(group(header).delay().get(timeout=30))
            else:
                sent = chord(header)(body.s())
        except NotImplementedError as error:
            return True, f"sending a chord raised {error!r}"
        found = sent.get(timeout=30)
    return found != [2, 4], f"the body got {found}"


if __name__ == "__main__":
    main(look)
