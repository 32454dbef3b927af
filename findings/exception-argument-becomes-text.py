"""An exception's argument that the serializer lacks comes back as its repr.

Usage: python exception-argument-becomes-text.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

serializer = "pickle" if WORKAROUND else "json"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_failure(result.id, RuntimeError("bad", {1}))
    got = result.result
    result.forget()
    return got.args == ("bad", "{1}"), f"RuntimeError('bad', {{1}}) comes back as {got!r}"


if __name__ == "__main__":
    main(look)
