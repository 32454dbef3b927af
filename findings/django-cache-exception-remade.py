"""django-celery-results' cache backend returns exceptions as pickle does, whatever result_serializer says.

Usage: python django-cache-exception-remade.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

from celery.utils.serialization import get_pickleable_exception
from frame import WORKAROUND, django_cache_app, main


class KeywordError(Exception):
    def __init__(self, text, *, code):
        super().__init__(text)
        self.code = code


class PositionalError(Exception):
    def __init__(self, text, code):
        super().__init__(text, code)


def look():
    app = django_cache_app()
    app.conf.result_serializer = "json"
    result = app.AsyncResult(str(uuid4()))
    error = PositionalError("bad", 7) if WORKAROUND else KeywordError("bad", code=7)
    # as TraceInfo.handle_failure does (celery/app/trace.py), before it stores
    app.backend.mark_as_failure(result.id, get_pickleable_exception(error))
    got = result.result
    result.forget()
    same = isinstance(got, type(error))
    return not same, f"{got!r} is a {type(error).__name__}: {same}"


if __name__ == "__main__":
    main(look)
