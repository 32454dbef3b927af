"""The cause of a task's exception (`raise ... from error`) does not reach the caller.

Usage: python exception-cause-lost.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app(result_serializer="pickle", result_accept_content=["pickle"])


def look():
    task_id = str(uuid4())
    try:
        try:
            raise KeyError("k")
        except KeyError as error:
            told = (repr(error),) if WORKAROUND else ()
            raise ValueError("bad", *told) from error
    except ValueError as error:
        app.backend.mark_as_failure(task_id, error)
    result = app.AsyncResult(task_id)
    got = result.result
    result.forget()
    known = got.__cause__ is not None or "KeyError" in str(got)
    return not known, f"the caller gets {got!r}, caused by {got.__cause__!r}"


if __name__ == "__main__":
    main(look)
