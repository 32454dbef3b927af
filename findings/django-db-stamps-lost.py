"""django-celery-results does not store the stamps of a task.

Usage: python django-db-stamps-lost.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, django_app, main


def stamping():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Stamping(DatabaseBackend):
        def _get_meta_from_request(self, request=None):
            stamps = {"stamped_headers": request.stamped_headers, **(request.stamps or {})}
            return {**super()._get_meta_from_request(request), **stamps}

    return Stamping


def look():
    app = django_app()
    app.conf.result_extended = True
    if WORKAROUND:
        app.backend_cls = stamping()
    task_id = str(uuid4())
    request = Context(
        id=task_id, args=[], kwargs={}, stamped_headers=["customer"], stamps={"customer": "ann"}
    )
    app.backend.mark_as_done(task_id, 42, request)
    meta = app.backend.get_task_meta(task_id)
    app.backend.forget(task_id)
    told = [meta.get("stamped_headers"), meta.get("customer")]
    return told != [["customer"], "ann"], f"the stamp customer=ann is told as {told}"


if __name__ == "__main__":
    main(look)
