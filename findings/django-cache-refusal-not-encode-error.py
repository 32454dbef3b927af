"""django-celery-results' cache backend refuses results with whatever pickle raises, not with EncodeError.

Usage: python django-cache-refusal-not-encode-error.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

from frame import WORKAROUND, django_cache_app, encoding_cache_backend, main
from kombu.exceptions import EncodeError


def look():
    app = django_cache_app()
    if WORKAROUND:
        app.backend_cls = encoding_cache_backend()
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_done(result.id, (number for number in range(3)))
    except (EncodeError, TypeError) as error:
        return not isinstance(error, EncodeError), f"a result that cannot be stored is refused with {error!r}"
    result.forget()
    raise RuntimeError("it was not refused")


if __name__ == "__main__":
    main(look)
