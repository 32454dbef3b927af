"""On memcached, a result is gone at once if result_expires is more than 30 days.

Usage: python memcached-result-lost-after-30-days.py RESULT_BACKEND_URL
The URL begins with cache+memcached://.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path

from celery import Celery

app = Celery("finding")
app.conf.update(result_serializer="json", result_expires=31 * 24 * 3600)


def look(url):
    task_id = f"finding-{uuid.uuid4()}"
    if not url.startswith("cache+memcache"):
        return 2, "this is about URLs that begin with cache+memcached://"
    app.conf.result_backend = url
    app.backend.mark_as_done(task_id, 42)
    state = app.AsyncResult(task_id).state
    app.backend.forget(task_id)
    return (0 if state == "PENDING" else 1), f"stored as SUCCESS for 31 days, the state is {state}"


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
