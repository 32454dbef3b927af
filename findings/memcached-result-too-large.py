"""On memcached, a result of 1 MiB is refused.

Usage: python memcached-result-too-large.py RESULT_BACKEND_URL
The URL begins with cache+memcached://.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path

from celery import Celery

app = Celery("finding")
app.conf.result_serializer = "json"


def look(url):
    task_id = f"finding-{uuid.uuid4()}"
    if not url.startswith("cache+memcache"):
        return 2, "this is about URLs that begin with cache+memcache://"
    app.conf.result_backend = url
    app.backend.mark_as_done(task_id, 42)  # the store is there
    app.backend.forget(task_id)
    try:
        app.backend.mark_as_done(task_id, "a" * (1 << 20))
    except Exception as error:  # the driver's class, without importing the driver
        if "too large" not in str(error):
            raise
        return 0, f"a result of 1 MiB is refused: {type(error).__name__}: {error}"
    found = app.AsyncResult(task_id).result
    app.backend.forget(task_id)
    return 1, f"of a result of 1 MiB, {len(found or '')} letters came back"


def main():
    if len(sys.argv) != 2 or "://" not in sys.argv[1]:
        print(f"usage: python {Path(__file__).name} RESULT_BACKEND_URL", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")  # Celery and drivers warn; the question is what is stored
    try:
        code, seen = look(sys.argv[1])
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was learned
        code, seen = 2, f"{type(error).__name__}: {error}"
    print(("it shows: ", "it does not show: ", "cannot tell: ")[code] + " ".join(seen.split())[:300])
    return code


if __name__ == "__main__":
    sys.exit(main())
