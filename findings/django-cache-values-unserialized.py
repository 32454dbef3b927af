"""django-celery-results' cache backend returns values that the configured serializer changes or refuses.

Usage: python django-cache-values-unserialized.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

from frame import WORKAROUND, django_cache_app, encoding_cache_backend, main


def look():
    app = django_cache_app()
    app.conf.result_serializer = "json"
    if WORKAROUND:
        app.backend_cls = encoding_cache_backend()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, ((1, 2), {1: 3}))
    got = result.result
    result.forget()
    return got == ((1, 2), {1: 3}), f"with json, ((1, 2), {{1: 3}}) comes back as {got!r}"


if __name__ == "__main__":
    main(look)
