"""On databases, celery.backend_cleanup fails with result_expires=None, and removes everything with 0.

Usage: python database-cleanup-never.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.backends.database import DatabaseBackend
from frame import URL, WORKAROUND, finding_app, main


class Keeping(DatabaseBackend):
    def cleanup(self):
        if self.expires:
            super().cleanup()


def after_cleanup(result_expires):
    store = f"__main__:Keeping+{URL.removeprefix('db+')}" if WORKAROUND else URL
    app = finding_app(store, result_expires=result_expires)
    task_id = str(uuid4())
    app.backend.mark_as_done(task_id, 3)
    try:
        app.backend.cleanup()
        return app.AsyncResult(task_id).state
    except TypeError as error:
        return repr(error)
    finally:
        app.AsyncResult(task_id).forget()


def look():
    found = {str(expires): after_cleanup(expires) for expires in (None, 0)}
    return set(found.values()) != {"SUCCESS"}, f"after a clean-up: {found}"


if __name__ == "__main__":
    main(look)
