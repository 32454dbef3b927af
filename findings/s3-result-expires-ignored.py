"""On S3, results stay for ever: celery.backend_cleanup does nothing there.

Usage: python s3-result-expires-ignored.py RESULT_BACKEND_URL [--workaround]
The URL is s3+http://KEY:SECRET@HOST:PORT/BUCKET; the bucket is there.
"""

from datetime import timedelta
from time import sleep
from uuid import uuid4

from celery.backends.s3 import S3Backend
from frame import WORKAROUND, finding_app, main


class Expiring(S3Backend):
    def cleanup(self):
        old = self.app.now() - timedelta(seconds=self.expires)
        for one in self._s3_resource.Bucket(self.bucket_name).objects.filter(Prefix=self.base_path):
            if one.last_modified < old:
                one.delete()


app = finding_app(result_expires=1, s3_base_path=f"finding-{uuid4()}/")
if WORKAROUND:
    app.conf.result_backend = "__main__:Expiring+s3://"


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    sleep(2.1)  # what has to be old cannot be hurried
    app.backend.cleanup()
    state = app.AsyncResult(result.id).state
    if state != "PENDING":
        result.forget()
    return state == "SUCCESS", f"result_expires=1, but after 2.1 seconds and a clean-up the result is {state}"


if __name__ == "__main__":
    main(look)
