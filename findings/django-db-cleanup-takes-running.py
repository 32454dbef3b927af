"""django-celery-results' clean-up takes a task that runs for longer than result_expires for an old result.

Usage: python django-db-cleanup-takes-running.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from time import sleep
from uuid import uuid4

from celery import states
from frame import WORKAROUND, django_app, main


def keeping_unready():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class KeepingUnready(DatabaseBackend):
        def cleanup(self):
            old = self.TaskModel.objects.get_all_expired(self.expires)
            old.filter(status__in=states.READY_STATES).delete()

    return KeepingUnready


def look():
    app = django_app()
    app.conf.result_expires = 1
    if WORKAROUND:
        app.backend_cls = keeping_unready()
    result = app.AsyncResult(str(uuid4()))
    app.backend.store_result(result.id, {"pid": 1}, "STARTED")
    sleep(1.1)  # for so long the task runs
    app.backend.cleanup()
    state = app.AsyncResult(result.id).state
    result.forget()
    return state == "PENDING", f"1.1 seconds after its start the task is {state}"


if __name__ == "__main__":
    main(look)
