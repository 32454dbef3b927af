"""On PostgreSQL and MySQL, the result of a task whose id is longer than 155 characters cannot be stored.

Usage: python database-id-over-155-characters.py RESULT_BACKEND_URL [--workaround]
"""

from hashlib import sha256

from celery.exceptions import BackendStoreError
from frame import WORKAROUND, finding_app, main

app = finding_app(result_backend_max_retries=0)


def look():
    task_id = "a" * 156
    if WORKAROUND:
        task_id = sha256(task_id.encode()).hexdigest()
    try:
        app.backend.mark_as_done(task_id, 3)
    except BackendStoreError as error:
        return True, f"{error}: {error.__cause__ or error.__context__}"
    app.AsyncResult(task_id).forget()
    return False, "it was stored"


if __name__ == "__main__":
    main(look)
