"""An exception comes back without what it carries beside its arguments.

Usage: python exception-attributes-lost.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

serializer = "pickle" if WORKAROUND else "json"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    result = app.AsyncResult(str(uuid4()))
    error = FileNotFoundError(2, "No such file or directory", "/missing")
    error.retry_after = 30
    app.backend.mark_as_failure(result.id, error)
    got = result.result
    result.forget()
    carried = getattr(got, "filename", None), getattr(got, "retry_after", None)
    return carried != ("/missing", 30), f"{got!r} comes back with filename and retry_after {carried}"


if __name__ == "__main__":
    main(look)
