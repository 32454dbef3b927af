"""A state that a task stores inside a transaction is rolled back with it.

Usage: python django-db-lost-with-transaction.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, django_app, main


class Apart:
    """Results on a connection of their own."""

    def db_for_read(self, model, **_):
        return "results" if model._meta.app_label == "django_celery_results" else None

    db_for_write = db_for_read


def look():
    from django.db import transaction

    apart = {"aliases": ("default", "results"), "DATABASE_ROUTERS": [Apart()]} if WORKAROUND else {}
    app = django_app(**apart)
    task_id = f"finding-{uuid4()}"
    with transaction.atomic():
        app.backend.store_result(task_id, {"done": 3}, "PROGRESS")
        transaction.set_rollback(True)
    state = app.AsyncResult(task_id).state
    app.backend.forget(task_id)
    return state == "PENDING", f"after PROGRESS was stored and a transaction rolled back, state is {state}"


if __name__ == "__main__":
    main(look)
