"""On SQLite, with USE_TZ off, date_started is UTC beside local dates.

Usage: python django-db-date-started-utc.py RESULT_BACKEND_URL [--workaround]
"""

from datetime import timedelta
from uuid import uuid4

from frame import WORKAROUND, django_app, main


def look():
    app = django_app(TIME_ZONE="Asia/Tokyo", USE_TZ=WORKAROUND)
    from django.apps import apps

    task_id = f"finding-{uuid4()}"
    app.backend.store_result(task_id, None, "STARTED")
    row = apps.get_model("django_celery_results", "TaskResult").objects.get(task_id=task_id)
    app.backend.forget(task_id)
    off = abs(row.date_started - row.date_created)
    return off > timedelta(hours=1), f"created at {row.date_created}, started at {row.date_started}"


if __name__ == "__main__":
    main(look)
