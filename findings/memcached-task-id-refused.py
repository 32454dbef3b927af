"""On memcached, a result is neither stored nor found if its task's id is long or holds a blank.

Usage: python memcached-task-id-refused.py RESULT_BACKEND_URL
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
        return 2, "this is about URLs that begin with cache+memcached://"
    app.conf.result_backend = url
    app.backend.mark_as_done(task_id, 42)  # the store is there
    app.backend.forget(task_id)
    refused = []
    for odd in (f"{task_id} with blanks", f"{task_id}-\u017c", task_id.ljust(255, "a")):
        try:
            app.backend.mark_as_done(odd, 42)
            found = app.AsyncResult(odd).result
            app.backend.forget(odd)
            assert found == 42, found
        except Exception as error:  # pymemcache's class, without importing pymemcache
            if type(error).__name__ != "MemcacheIllegalInputError":
                raise
            refused.append(str(error).partition(":")[0])
    return (0 if len(refused) == 3 else 1), f"{len(refused)} of 3 ids are refused: {', '.join(refused)}"


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
