"""The cache result backend stores results as they are, whatever result_compression says.

Usage: python cache-compression-ignored.py RESULT_BACKEND_URL
The URL begins with cache+memcached://, or cache+memory:// for a cache inside this process.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path

from celery import Celery

app = Celery("finding")
app.conf.update(result_serializer="json", result_compression="zlib")


def look(url):
    task_id = f"finding-{uuid.uuid4()}"
    if not url.startswith("cache+"):
        return 2, "this is about URLs that begin with cache+"
    app.conf.result_backend = url
    app.backend.mark_as_done(task_id, "ten letters" * 1000)
    raw = app.backend.get(app.backend.get_key_for_task(task_id))
    app.backend.forget(task_id)
    return (0 if len(raw) > 11_000 else 1), f"11,000 letters are stored as {len(raw)} bytes: {raw[:40]!r}"


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
