"""On an S3 store that keeps objects as files, a result is refused if its task's id is too long for a file.

Usage: python s3-task-id-refused.py RESULT_BACKEND_URL
The URL is s3+http://KEY:SECRET@HOST:PORT/BUCKET; the bucket is there.
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import sys
import uuid
import warnings
from pathlib import Path
from urllib.parse import unquote, urlsplit

from celery import Celery

app = Celery("finding")
app.conf.result_serializer = "json"


def look(url):
    task_id = f"finding-{uuid.uuid4()}"
    parts = urlsplit(url)
    if not parts.scheme.startswith("s3+"):
        return 2, "this is about URLs that begin with s3+http:// or s3+https://"
    app.conf.update(
        result_backend="s3://",
        s3_endpoint_url=f"{parts.scheme[3:]}://{parts.netloc.rpartition('@')[2]}",
        s3_access_key_id=unquote(parts.username or ""),
        s3_secret_access_key=unquote(parts.password or ""),
        s3_region="us-east-1",
        s3_bucket=parts.path.strip("/"),
    )
    app.backend.mark_as_done(task_id, 42)  # the store is there
    app.backend.forget(task_id)
    odd = task_id.ljust(255, "a")
    try:
        app.backend.mark_as_done(odd, 42)
    except Exception as error:  # botocore's class, without importing botocore
        if type(error).__name__ != "ClientError":
            raise
        return 0, f"an id of 255 letters is refused: {error}"
    found = app.AsyncResult(odd).result
    app.backend.forget(odd)
    return 1, f"with an id of 255 letters the result is {found!r}"


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
