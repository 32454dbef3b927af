"""django-celery-results' cache backend hands Django's cache Python objects, whatever result_serializer says.

Usage: python django-cache-serializer-ignored.py RESULT_BACKEND_URL [--workaround]
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
    app.backend.mark_as_done(result.id, "a text")
    stored = app.backend.get(app.backend.get_key_for_task(result.id))
    assert result.result == "a text"
    result.forget()
    seen = f"with result_serializer=json the cache is given a {type(stored).__name__} to pickle: {stored!r}"
    return isinstance(stored, dict), seen


if __name__ == "__main__":
    main(look)
