"""On MySQL and MariaDB, two task ids that differ by case only are one result.

Usage: python mysql-ids-ignore-case.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()
FOLD = "ALTER TABLE celery_taskmeta MODIFY task_id VARCHAR(155)"


def look():
    session = app.backend.ResultSession()  # makes the table
    session.connection().exec_driver_sql(f"{FOLD} COLLATE utf8mb4_bin" if WORKAROUND else FOLD)
    session.close()
    lower = str(uuid4())
    for task_id, value in ((lower, 1), (lower.upper(), 2)):
        app.backend.mark_as_done(task_id, value)
    values = [app.AsyncResult(task_id).get(timeout=2) for task_id in (lower, lower.upper())]
    for task_id in (lower, lower.upper()):
        app.AsyncResult(task_id).forget()
    return values == [1, 1], f"instead of 1 and 2 the results are {values}"


if __name__ == "__main__":
    main(look)
