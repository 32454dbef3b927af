"""ResultSet.join_native() raises AttributeError or NotImplementedError where the backend has no native join.

Usage: python join-native-missing.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    task_id = str(uuid4())
    app.backend.store_result(task_id, 42, "SUCCESS")
    results = app.ResultSet([app.AsyncResult(task_id)])
    try:
        found = results.get(timeout=5) if WORKAROUND else results.join_native(timeout=5)
    except (AttributeError, NotImplementedError) as error:
        return True, f"join_native() raised {error!r}"
    finally:
        app.backend.forget(task_id)
    return found != [42], f"the results are {found}"


if __name__ == "__main__":
    main(look)
