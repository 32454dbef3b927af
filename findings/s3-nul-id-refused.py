"""On MinIO, a result is refused if its task's id holds NUL.

Usage: python s3-nul-id-refused.py RESULT_BACKEND_URL [--workaround]
The URL is s3+http://KEY:SECRET@HOST:PORT/BUCKET; the bucket is there.
"""

from hashlib import sha256
from uuid import uuid4

from celery.backends.s3 import S3Backend
from frame import WORKAROUND, finding_app, main


class Hashing(S3Backend):
    def get_key_for_task(self, task_id, key=""):
        return super().get_key_for_task(sha256(str(task_id).encode()).hexdigest(), key)


app = finding_app()
if WORKAROUND:
    app.conf.result_backend = "__main__:Hashing+s3://"


def look():
    usual = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(usual.id, 42)  # the store is there
    usual.forget()
    result = app.AsyncResult(usual.id + "\0x")
    try:
        app.backend.mark_as_done(result.id, 42)
    except Exception as error:  # of the driver
        if type(error).__name__ != "ClientError":
            raise
        return True, f"an id with NUL is refused: {error}"
    got = result.result
    result.forget()
    return False, f"with NUL in the id the result is {got!r}"


if __name__ == "__main__":
    main(look)
