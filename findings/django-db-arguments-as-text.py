"""django-celery-results tells a task's arguments as the text of their repr.

Usage: python django-db-arguments-as-text.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, django_app, main


def arguing():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Arguing(DatabaseBackend):
        def _get_extended_properties(self, request, traceback):
            props = super()._get_extended_properties(request, traceback)
            args, kwargs = self.encode_content(request.args)[2], self.encode_content(request.kwargs)[2]
            return {**props, "task_args": args, "task_kwargs": kwargs}

    return Arguing


def look():
    app = django_app()
    app.conf.result_extended = True
    if WORKAROUND:
        app.backend_cls = arguing()
    result = app.AsyncResult(str(uuid4()))
    request = Context(id=result.id, args=[1, "two"], kwargs={}, argsrepr="(1, 'two')", kwargsrepr="{}")
    app.backend.mark_as_done(result.id, 42, request)
    told = result.args
    result.forget()
    return told != [1, "two"], f"the arguments [1, 'two'] are told as {told!r}"


if __name__ == "__main__":
    main(look)
