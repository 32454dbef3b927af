"""The Elasticsearch result backend stores results as they are, whatever result_compression says.

Usage: python elasticsearch-compression-ignored.py RESULT_BACKEND_URL, as in elasticsearch://HOST:PORT/INDEX
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
    app.conf.update(result_serializer="json", result_compression="zlib")
    task_id = str(uuid4())
    app.backend.store_result(task_id, "ten letters" * 1000, "SUCCESS")
    raw = app.backend.get(app.backend.get_key_for_task(task_id))
    app.backend.forget(task_id)
    return (
        0 if len(raw) > 11_000 else 1
    ), f"11,000 letters are stored as {len(raw)} characters: {raw[:40]!r}"


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
