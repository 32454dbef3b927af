"""The database result backend stores results as they are, whatever result_compression says.

Usage: python database-compression-ignored.py RESULT_BACKEND_URL [--workaround]
The URL begins with db+.
"""

from uuid import uuid4

from celery.backends.database import DatabaseBackend
from frame import URL, WORKAROUND, finding_app, main


class Compressing(DatabaseBackend):
    supports_result_compression = True


store = URL.replace("db+", "__main__:Compressing+", 1) if WORKAROUND else URL
app = finding_app(store, result_compression="zlib")


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    table = app.backend.task_cls
    with app.backend.ResultSession() as session:
        raw = session.query(table.result).filter(table.task_id == result.id).scalar()
    assert result.result == "ten letters" * 1000
    result.forget()
    return len(raw) > 11_000, f"11,000 letters are stored as {len(raw)} bytes: {raw[:40]!r}"


if __name__ == "__main__":
    main(look)
