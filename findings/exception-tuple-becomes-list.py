"""A tuple among an exception's arguments comes back as a list.

Usage: python exception-tuple-becomes-list.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

serializer = "pickle" if WORKAROUND else "json"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_failure(result.id, RuntimeError((1, 2)))
    got = result.result
    result.forget()
    return got.args == ([1, 2],), f"RuntimeError((1, 2)) comes back as {got!r}"


if __name__ == "__main__":
    main(look)
