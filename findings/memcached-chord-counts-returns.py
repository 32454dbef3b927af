"""On the cache result backend, a chord fails if one of its header tasks runs twice before others are done.

Usage: python memcached-chord-counts-returns.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.app.task import Context
from celery.backends.cache import CacheBackend
from frame import URL, WORKAROUND, finding_app, main

app = finding_app()


class Polling(CacheBackend):
    implements_incr = False


@app.task(name="body")
def body(results):
    return results


def look():
    backend = (Polling if WORKAROUND else CacheBackend)(app, url=URL.removeprefix("cache+"))
    sent = []
    app.send_task = lambda name, args, kwargs, **_: sent.append((name, args, kwargs))
    group_id, header = str(uuid4()), [app.AsyncResult(str(uuid4())) for _ in range(2)]
    callback = body.s().set(task_id=str(uuid4()))
    backend.apply_chord((group_id, header), callback)
    for result in (header[0], header[0], header[1]):
        request = Context(id=result.id, group=group_id, chord=callback)
        backend.mark_as_done(result.id, 42, request=request)
    for name, args, kwargs in list(sent):
        app.tasks[name](*args, **kwargs)  # as a worker does: celery.chord_unlock then sends the body
    bodies = [args for name, args, _ in sent if name == body.name]
    told = backend.get_task_meta(callback.id)["result"]
    for task_id in (header[0].id, header[1].id, callback.id):
        backend.forget(task_id)
    return not bodies, f"all of the header has returned; the body got {bodies or 'nothing'}: {told!r}"


if __name__ == "__main__":
    main(look)
