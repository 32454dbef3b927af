"""django-celery-results replaces a stored success by a later failure of the same task.

Usage: python django-db-success-overwritten.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from frame import WORKAROUND, django_app, main


def keeping():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Keeping(DatabaseBackend):
        def _store_result(self, task_id, result, status, *args, **kwargs):
            if self.get_state(task_id) == "SUCCESS":
                return result
            return super()._store_result(task_id, result, status, *args, **kwargs)

    return Keeping


def look():
    app = django_app()
    if WORKAROUND:
        app.backend_cls = keeping()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 42)
    app.backend.mark_as_failure(result.id, ValueError("later"))
    state = result.state
    result.forget()
    return state == "FAILURE", f"stored a success, then a failure: the state is {state}"


if __name__ == "__main__":
    main(look)
