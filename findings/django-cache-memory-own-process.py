"""A result in Django's memory cache never reaches another process.

Usage: python django-cache-memory-own-process.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: locmem://name.
"""

import os
from uuid import uuid4

from django.conf import settings
from frame import WORKAROUND, django_cache_app, main


def look():
    app = django_cache_app()
    if WORKAROUND:
        files = "django.core.cache.backends.filebased.FileBasedCache"
        settings.CACHES["shared"] = {"BACKEND": files, "LOCATION": os.environ["FINDING_FOLDER"]}
        app.conf.cache_backend = "shared"
    result = app.AsyncResult(str(uuid4()))
    child = os.fork()
    if child == 0:
        app.backend.mark_as_done(result.id, 42)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the other process could not store it"
    state = result.state
    result.forget()
    return state == "PENDING", f"another process has stored it, the state here is {state}"


if __name__ == "__main__":
    main(look)
