"""django-celery-results' cache backend stores results as they are, whatever result_compression says.

Usage: python django-cache-compression-ignored.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

from frame import WORKAROUND, django_cache_app, encoding_cache_backend, main


def look():
    app = django_cache_app()
    app.conf.result_compression = "zlib"
    if WORKAROUND:
        app.backend_cls = encoding_cache_backend()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    stored = app.backend.get(app.backend.get_key_for_task(result.id))
    assert result.result == "ten letters" * 1000
    result.forget()
    size = len(stored["result"] if isinstance(stored, dict) else stored)
    return size >= 11_000, f"11,000 letters are handed to the cache as {size}"


if __name__ == "__main__":
    main(look)
