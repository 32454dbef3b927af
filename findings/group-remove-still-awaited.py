"""After remove(), get() of a group still waits for what was removed, where results are joined natively.

Usage: python group-remove-still-awaited.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.exceptions import TimeoutError
from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    gone, stays = (app.AsyncResult(str(uuid4())) for _ in range(2))
    results = app.GroupResult(str(uuid4()), [gone, stays])
    app.backend.store_result(stays.id, 42, "SUCCESS")
    results.remove(gone)
    if WORKAROUND:
        results = app.ResultSet(results.results)
    try:
        found = results.get(timeout=3)
    except TimeoutError as error:
        return True, f"all that is left is done, but get() raised {error!r}"
    finally:
        app.backend.remove_pending_result(gone)
        stays.forget()
    return found != [42], f"the results are {found}"


if __name__ == "__main__":
    main(look)
