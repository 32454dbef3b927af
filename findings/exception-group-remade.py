"""An ExceptionGroup that a task raises arrives as a plain Exception whose text is its repr.

Usage: python exception-group-remade.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

serializer = "pickle" if WORKAROUND else "json"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    task_id = str(uuid4())
    app.backend.mark_as_failure(task_id, ExceptionGroup("several", [ValueError("bad", 7), KeyError("k")]))
    result = app.AsyncResult(task_id)
    got = result.result
    result.forget()
    return not isinstance(got, ExceptionGroup), f"the caller gets {got!r}"


if __name__ == "__main__":
    main(look)
