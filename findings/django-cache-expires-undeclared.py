"""django-celery-results' cache backend lets results expire, and says that it does not.

Usage: python django-cache-expires-undeclared.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from time import sleep
from uuid import uuid4

from frame import WORKAROUND, django_cache_app, main


def expiring():
    from django_celery_results.backends import CacheBackend  # needs Django's settings

    class Expiring(CacheBackend):
        supports_autoexpire = True

    return Expiring


def look():
    app = django_cache_app()
    app.conf.result_expires = 2
    if WORKAROUND:
        app.backend_cls = expiring()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 42)
    assert app.AsyncResult(result.id).state == "SUCCESS"
    sleep(2.1)  # what has to be old cannot be hurried
    state = app.AsyncResult(result.id).state
    result.forget()
    assert state == "PENDING", state
    declared = app.backend.supports_autoexpire
    return not declared, f"after result_expires the result is {state}, supports_autoexpire is {declared}"


if __name__ == "__main__":
    main(look)
