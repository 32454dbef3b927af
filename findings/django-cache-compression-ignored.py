"""django-celery-results' cache backend stores results as they are, whatever result_compression says.

Usage: python django-cache-compression-ignored.py RESULT_BACKEND_URL
The URL names the cache: file:///folder or redis://host:port/0.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import django
from celery import Celery
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command

CACHES = {"redis": "redis.RedisCache", "rediss": "redis.RedisCache", "file": "filebased.FileBasedCache"}
DATABASES = {}


def tell(task_id):
    app = Celery("finding", set_as_current=False)
    app.conf.update(result_backend="django-cache", result_serializer="json", result_accept_content=["json"])
    app.conf.result_compression = "zlib"
    app.backend.mark_as_done(task_id, "ten letters" * 1000)
    stored = cache.get(f"celery-task-meta-{task_id}")
    back = app.AsyncResult(task_id).get(timeout=1)
    app.backend.forget(task_id)
    if back != "ten letters" * 1000:
        return 2, f"what came back is {back!r}"
    size = len(stored["result"] if isinstance(stored, dict) else stored)
    return (0 if size >= 11_000 else 1), f"11,000 letters are handed to the cache as {size}"


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
