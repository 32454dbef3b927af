"""The Elasticsearch result backend cannot store what a binary serializer writes.

Usage: python elasticsearch-binary-refused.py RESULT_BACKEND_URL, as in elasticsearch://HOST:PORT/INDEX
Exit code 0: this shows, 1: it does not, 2: cannot tell.

The index is created if need be, and stays.
"""

import sys
import warnings
from pathlib import Path
from uuid import uuid4

from celery import Celery


def look(url):
    if "elasticsearch://" not in url:
        return 2, "this is about URLs that begin with elasticsearch://"
    app = Celery("finding", backend=url)
    app.conf.update(result_serializer="pickle", result_accept_content=["pickle"])
    task_id = str(uuid4())
    app.backend.get_state(task_id)  # is the server there?
    try:
        app.backend.store_result(task_id, 42, "SUCCESS")
    except Exception as error:  # noqa: BLE001 - its class is the finding
        refused = type(error).__name__ == "SerializationError"
        return (0 if refused else 2), f"store_result raises {type(error).__name__}: {error}"
    found = app.AsyncResult(task_id).result
    app.backend.forget(task_id)
    return (1 if found == 42 else 2), f"42 was stored with pickle and comes back as {found!r}"


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
