"""With django-celery-results, a chord is dropped in silence if one of its header tasks runs twice.

Usage: python django-db-chord-dropped.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.app.task import Context
from celery.backends.base import Backend
from frame import WORKAROUND, django_app, main


def polling():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Polling(DatabaseBackend):
        apply_chord = Backend.apply_chord
        on_chord_part_return = Backend.on_chord_part_return

    return Polling


def look():
    app = django_app()
    if WORKAROUND:
        app.backend_cls = polling()

    @app.task(name="body")
    def body(results):
        return results

    sent = []
    app.send_task = lambda name, args, kwargs, **_: sent.append((name, args, kwargs))
    group_id, header = str(uuid4()), [app.AsyncResult(str(uuid4())) for _ in range(2)]
    app.backend.apply_chord((group_id, header), body.s())
    for result in (header[0], header[0], header[1]):
        request = Context(id=result.id, group=group_id, chord=body.s())
        app.backend.mark_as_done(result.id, 42, request=request)
    for name, args, kwargs in list(sent):
        app.tasks[name](*args, **kwargs)  # as a worker does: celery.chord_unlock then sends the body
    for result in header:
        result.forget()
    bodies = [args for name, args, _ in sent if name == body.name]
    return not bodies, f"all of the header has returned; the body was sent with {bodies or 'nothing, never'}"


if __name__ == "__main__":
    main(look)
