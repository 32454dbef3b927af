"""On MongoDB, a result does not know its parent and group, although they are stored.

Usage: python mongodb-family-not-read.py RESULT_BACKEND_URL
The URL begins with mongodb://.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path

from celery import Celery
from celery.app.task import Context

app = Celery("finding")
app.conf.result_serializer = "json"


def look(url):
    task_id = f"finding-{uuid.uuid4()}"
    if not url.partition("+")[2].startswith("mongodb") and not url.startswith("mongodb"):
        return 2, "this is about URLs that begin with mongodb://"
    app.conf.result_backend = url
    request = Context(id="x", group="a group", parent_id="a parent")
    app.backend.store_result(task_id, 42, "SUCCESS", request=request)
    stored = app.backend.collection.find_one({"_id": task_id})
    read = app.backend.get_task_meta(task_id)
    app.backend.forget(task_id)
    wanted = {"group_id": "a group", "parent_id": "a parent"}
    if any(stored.get(name) != wanted[name] for name in wanted):
        return 2, f"stored are {sorted(stored)}"
    lacking = [name for name in wanted if read.get(name) != wanted[name]]
    return (0 if lacking else 1), f"stored and not read: {lacking}; read are {sorted(read)}"


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
