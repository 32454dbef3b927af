"""A result that YAML cannot represent fails the task, but not with kombu's EncodeError.

Usage: python yaml-refusal-disguised.py RESULT_BACKEND_URL [--workaround]
"""

from frame import WORKAROUND, finding_app, main, worker
from kombu.exceptions import EncodeError
from kombu.serialization import dumps

app = finding_app(result_serializer="yaml", result_accept_content=["yaml"])


@app.task(name="finding")
def task():
    value = (number for number in range(3))
    return encoded(value) if WORKAROUND else value


def encoded(value):
    try:
        return dumps(value, serializer="yaml")
    except EncodeError as error:
        raise EncodeError(str(error)) from None


def look():
    with worker():
        result = task.delay()
        got = result.get(timeout=30, propagate=False)
    state = result.state
    result.forget()
    return not isinstance(got, EncodeError), f"the task is a {state}, the caller gets {type(got)}: {got}"


if __name__ == "__main__":
    main(look)
