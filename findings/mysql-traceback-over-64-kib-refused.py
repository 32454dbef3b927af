"""On MySQL and MariaDB, the database result backend refuses a failure whose traceback has 64 KiB.

Usage: python mysql-traceback-over-64-kib-refused.py RESULT_BACKEND_URL [--workaround]
The URL is db+mysql+pymysql://USER:PASSWORD@HOST:PORT/DATABASE. The row is removed, its table stays.
"""

from uuid import uuid4

from celery.exceptions import BackendStoreError
from frame import WORKAROUND, finding_app, main
from sqlalchemy import text

TABLE = "finding_wide" if WORKAROUND else "finding"
app = finding_app(
    result_backend_max_retries=0, database_table_names={"task": TABLE, "group": f"{TABLE}_group"}
)


def look():
    if WORKAROUND:
        with app.backend.ResultSession() as session:
            session.execute(text(f"alter table {TABLE} modify traceback longtext"))
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_failure(result.id, ValueError("too deep"), traceback="x" * 65_536)
    except BackendStoreError as error:
        return True, f"mark_as_failure raised {error!r} because of {error.__cause__ or error.__context__!r}"
    read = result.traceback
    result.forget()
    return False, f"a traceback of {len(read)} letters came back"


if __name__ == "__main__":
    main(look)
