"""On the file result backend, celery.backend_cleanup removes fresh results if timezone lies east of UTC.

Usage: python filesystem-cleanup-timezone.py RESULT_BACKEND_URL [--workaround]
"""

import os
from time import time
from uuid import uuid4

from celery.backends.filesystem import FilesystemBackend
from frame import URL, WORKAROUND, finding_app, main


class ByTheClock(FilesystemBackend):
    def cleanup(self):
        for file in os.scandir(self.path):
            if self.expires and file.stat().st_mtime < time() - self.expires:
                os.unlink(file)


store = f"__main__:ByTheClock+{URL}" if WORKAROUND else URL
app = finding_app(store, timezone="Asia/Tokyo", result_expires=3600)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    app.backend.cleanup()
    state = app.AsyncResult(result.id).state
    if state != "PENDING":
        result.forget()
    return state == "PENDING", f"result_expires=3600, but right after it was stored the result is {state}"


if __name__ == "__main__":
    main(look)
