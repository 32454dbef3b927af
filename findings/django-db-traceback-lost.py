"""django-celery-results does not store the traceback of a failed task.

Usage: python django-db-traceback-lost.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, django_app, main


def look():
    app = django_app()
    app.conf.result_extended = WORKAROUND
    result = app.AsyncResult(str(uuid4()))
    request = Context(id=result.id, task="finding")
    app.backend.mark_as_failure(result.id, ValueError("bad"), traceback="Traceback (...)", request=request)
    told = result.traceback
    result.forget()
    return told is None, f"the traceback of a failed task is {told!r}"


if __name__ == "__main__":
    main(look)
