"""With django-celery-results, a chord is dropped in silence if one of its header tasks runs twice.

Usage: python django-db-chord-dropped.py sqlite:////file [--workaround]
"""

from uuid import uuid4

import django
from celery.app.task import Context
from celery.backends.base import Backend
from django.conf import settings
from django.core.management import call_command
from frame import URL, WORKAROUND, finding_app, main

DATABASE = {"ENGINE": "django.db.backends.sqlite3", "NAME": URL.removeprefix("sqlite:///")}
settings.configure(INSTALLED_APPS=["django_celery_results"], USE_TZ=True, DATABASES={"default": DATABASE})
django.setup()
app = finding_app("django-db")


@app.task
def body(results):
    return results


def look():
    DatabaseBackend = type(app.backend)

    class Polling(DatabaseBackend):
        apply_chord = Backend.apply_chord
        on_chord_part_return = Backend.on_chord_part_return

    call_command("migrate", verbosity=0, interactive=False)
    backend = (Polling if WORKAROUND else DatabaseBackend)(app)
    sent = []
    app.send_task = lambda name, args, kwargs, **_: sent.append((name, args, kwargs))
    group_id, header = str(uuid4()), [app.AsyncResult(str(uuid4())) for _ in range(2)]
    backend.apply_chord((group_id, header), body.s())
    for result in (header[0], header[0], header[1]):
        request = Context(id=result.id, group=group_id, chord=body.s())
        backend.mark_as_done(result.id, 42, request=request)
    for name, args, kwargs in list(sent):
        app.tasks[name](*args, **kwargs)  # as a worker does: celery.chord_unlock then sends the body
    for result in header:
        backend.forget(result.id)
    bodies = [args for name, args, _ in sent if name == body.name]
    return not bodies, f"all of the header has returned; the body was sent with {bodies or 'nothing, never'}"


if __name__ == "__main__":
    main(look)
