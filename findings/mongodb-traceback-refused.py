"""On the MongoDB result backend, a failure whose message holds a lone surrogate cannot be stored.

Usage: python mongodb-traceback-refused.py RESULT_BACKEND_URL [--workaround]
"""

import traceback
from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    task_id, name = str(uuid4()), b"no file caf\xe9".decode("utf-8", "surrogateescape")
    try:
        raise ValueError(ascii(name) if WORKAROUND else name)
    except ValueError as error:
        try:
            app.backend.mark_as_failure(task_id, error, traceback.format_exc())
        except UnicodeEncodeError as refusal:
            return True, f"storing the failure raises {refusal!r}"
    result = app.AsyncResult(task_id)
    seen = f"the caller gets {result.result!r}"
    result.forget()
    return False, seen


if __name__ == "__main__":
    main(look)
