"""django-celery-results' cache backend with result_expires=0, which means for ever, keeps no result at all.

Usage: python django-cache-expires-zero-stores-nothing.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder or redis://host:port/0.
"""

from uuid import uuid4

import django
from django.conf import settings
from frame import URL, WORKAROUND, finding_app, main

KIND = "filebased.FileBasedCache" if URL.startswith("file://") else "redis.RedisCache"
CACHE = {"BACKEND": f"django.core.cache.backends.{KIND}", "LOCATION": URL.removeprefix("file://")}
settings.configure(INSTALLED_APPS=["django_celery_results"], CACHES={"default": CACHE})
app = finding_app("django-cache", result_expires=None if WORKAROUND else 0)


def look():
    django.setup()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    state = app.AsyncResult(result.id).state
    result.forget()
    return state == "PENDING", f"right after it was stored the result is {state}"


if __name__ == "__main__":
    main(look)
