"""With pickle, a failure whose class the caller cannot import has no readable state either.

Usage: python exception-foreign-unreadable.py RESULT_BACKEND_URL [--workaround]
"""

import sys
from types import ModuleType
from uuid import uuid4

from frame import WORKAROUND, finding_app, main

serializer = "json" if WORKAROUND else "pickle"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    task_id = str(uuid4())
    workers_only = sys.modules["workers_only"] = ModuleType("workers_only")
    workers_only.ForeignError = type("ForeignError", (Exception,), {"__module__": "workers_only"})
    app.backend.mark_as_failure(task_id, workers_only.ForeignError("from afar", 7))
    del sys.modules["workers_only"]  # from here on this process is a caller that has not installed it
    result = app.AsyncResult(task_id)
    try:
        seen = f"the state is {result.state}, with {result.result!r}"
    except Exception as error:  # noqa: BLE001 - which one it is depends on the store
        return True, f"reading the state raises {error!r}"
    result.forget()
    return False, seen


if __name__ == "__main__":
    main(look)
