"""django-celery-results' cache backend with result_expires=0, which means for ever, keeps no result at all.

Usage: python django-cache-expires-zero-stores-nothing.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

from frame import WORKAROUND, django_cache_app, main


def look():
    app = django_cache_app()
    app.conf.result_expires = None if WORKAROUND else 0
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    state = app.AsyncResult(result.id).state
    result.forget()
    return state == "PENDING", f"right after it was stored the result is {state}"


if __name__ == "__main__":
    main(look)
