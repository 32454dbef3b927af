"""django-celery-results does not tell a task's parent, group, name and retries.

Usage: python django-db-columns-missing.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, django_app, main


def telling():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Telling(DatabaseBackend):
        def _get_meta_from_request(self, request=None):
            family = {"parent_id": request.parent_id, "group_id": request.group}
            more = {"name": request.task, "retries": request.retries}
            return {**super()._get_meta_from_request(request), **family, **more}

    return Telling


def look():
    app = django_app()
    app.conf.result_extended = True
    if WORKAROUND:
        app.backend_cls = telling()
    task_id = str(uuid4())
    request = Context(
        id=task_id, task="finding", args=[], kwargs={}, parent_id="parent", group="group", retries=0
    )
    app.backend.mark_as_done(task_id, 42, request)
    meta = app.backend.get_task_meta(task_id)
    app.backend.forget(task_id)
    wanted = {"parent_id": "parent", "group_id": "group", "name": "finding", "retries": 0}
    told = {name: meta.get(name) for name in wanted}
    return told != wanted, f"under result_extended the task meta says {told}"


if __name__ == "__main__":
    main(look)
