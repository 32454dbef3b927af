"""On the database result backend, celery.backend_cleanup removes fresh results if timezone lies west of UTC.

Usage: python database-cleanup-timezone.py RESULT_BACKEND_URL [--workaround]
"""

from datetime import UTC
from uuid import uuid4

from celery.backends.database import DatabaseBackend
from frame import URL, WORKAROUND, finding_app, main


class InUTC(DatabaseBackend):
    def _update_result(self, task, *args, **kwargs):
        super()._update_result(task, *args, **kwargs)
        task.date_done = task.date_done and task.date_done.astimezone(UTC)


store = f"__main__:InUTC+{URL.removeprefix('db+')}" if WORKAROUND else URL
app = finding_app(store, timezone="America/New_York", result_expires=3600)


def look():
    task_id = str(uuid4())
    app.backend.mark_as_done(task_id, 3)
    app.backend.cleanup()
    state = app.AsyncResult(task_id).state
    app.AsyncResult(task_id).forget()
    return state == "PENDING", f"result_expires=3600, but right after it was stored the result is {state}"


if __name__ == "__main__":
    main(look)
