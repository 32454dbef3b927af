"""With USE_TZ off AsyncResult.date_done is local time; elsewhere in Celery it is UTC.

Usage: python django-db-date-done-local.py RESULT_BACKEND_URL [--workaround]
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from frame import WORKAROUND, django_app, main


def look():
    app = django_app(TIME_ZONE="Asia/Tokyo", USE_TZ=WORKAROUND)
    task_id = f"finding-{uuid4()}"
    app.backend.store_result(task_id, 42, "SUCCESS")
    date = app.AsyncResult(task_id).date_done
    app.backend.forget(task_id)
    in_utc = date if date.tzinfo else date.replace(tzinfo=UTC)
    off = abs(in_utc - datetime.now(UTC))
    return off > timedelta(hours=1), f"date_done is {date!r}"


if __name__ == "__main__":
    main(look)
