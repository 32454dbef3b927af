"""A result in Django's memory cache never reaches another process.

Usage: python django-cache-memory-own-process.py RESULT_BACKEND_URL
The URL names the cache: locmem://name.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import os
import sys
import uuid
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import django
from celery import Celery
from django.conf import settings
from django.core.management import call_command

CACHES = {"locmem": "locmem.LocMemCache"}
DATABASES = {}


def tell(task_id):
    app = Celery("finding", set_as_current=False)
    app.conf.update(result_backend="django-cache", result_serializer="json", result_accept_content=["json"])
    child = os.fork()
    if child == 0:
        app.backend.mark_as_done(task_id, 42)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        return 2, "the other process could not store it"
    state = app.AsyncResult(task_id).state
    app.backend.forget(task_id)
    return (0 if state == "PENDING" else 1), f"another process has stored it, the state here is {state}"


def set_up(url):
    kind, _, rest = url.partition("://")
    stores = {}
    if kind in CACHES:
        backend = f"django.core.cache.backends.{CACHES[kind]}"
        stores["CACHES"] = {"default": {"BACKEND": backend, "LOCATION": url if "redis" in kind else rest}}
    elif kind in DATABASES:
        parts = urlsplit(url)
        name = rest.removeprefix("/") if kind == "sqlite" else parts.path.strip("/")
        who = {"USER": parts.username, "PASSWORD": parts.password, "HOST": parts.hostname, "PORT": parts.port}
        database = {"ENGINE": f"django.db.backends.{DATABASES[kind]}", "NAME": name}
        stores["DATABASES"] = {"default": database | (who if kind != "sqlite" else {})}
    else:
        raise ValueError(f"this takes URLs that begin with {', '.join((*CACHES, *DATABASES))}")
    settings.configure(INSTALLED_APPS=["django_celery_results"], USE_TZ=True, **stores)
    django.setup()
    if kind in DATABASES:
        call_command("migrate", verbosity=0, interactive=False)
    warnings.simplefilter("ignore")  # Celery warns of settings without effect; the question is what is stored


def main():
    if len(sys.argv) != 2 or "://" not in sys.argv[1]:
        print(f"usage: python {Path(__file__).name} RESULT_BACKEND_URL", file=sys.stderr)
        return 2
    try:
        set_up(sys.argv[1])
        code, seen = tell(f"finding-{uuid.uuid4()}")
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was learned
        code, seen = 2, f"{type(error).__name__}: {error}"
    print(("it shows: ", "it does not show: ", "cannot tell: ")[code] + " ".join(seen.split())[:300])
    return code


if __name__ == "__main__":
    sys.exit(main())
