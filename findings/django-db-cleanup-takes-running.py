"""django-celery-results' clean-up takes a task that runs for longer than result_expires for an old result.

Usage: python django-db-cleanup-takes-running.py RESULT_BACKEND_URL [--workaround]
The URL names an SQLite file: sqlite:////folder/file.
"""

from time import sleep
from uuid import uuid4

import django
from celery import states
from django.conf import settings
from django.core.management import call_command
from frame import URL, WORKAROUND, finding_app, main

DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": URL.removeprefix("sqlite:///")}
settings.configure(INSTALLED_APPS=["django_celery_results"], USE_TZ=True, DATABASES={"default": DATABASE})
app = finding_app("__main__:keeping_unready" if WORKAROUND else "django-db", result_expires=1)


def keeping_unready(*args, **kwargs):
    from django_celery_results.backends import DatabaseBackend  # needs the settings

    class KeepingUnready(DatabaseBackend):
        def cleanup(self):
            old = self.TaskModel.objects.get_all_expired(self.expires)
            old.filter(status__in=states.READY_STATES).delete()

    return KeepingUnready(*args, **kwargs)


def look():
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    result = app.AsyncResult(str(uuid4()))
    app.backend.store_result(result.id, {"pid": 1}, "STARTED")
    sleep(1.1)  # for so long the task runs
    app.backend.cleanup()
    state = app.AsyncResult(result.id).state
    result.forget()
    return state == "PENDING", f"1.1 seconds after its start the task is {state}"


if __name__ == "__main__":
    main(look)
