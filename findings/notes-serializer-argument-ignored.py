"""Celery(..., serializer='yaml') sends JSON.

Usage: python notes-serializer-argument-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from celery import Celery
from frame import WORKAROUND, main


def look():
    told = {"task_serializer": "yaml"} if WORKAROUND else {"serializer": "yaml"}
    app = Celery("finding", broker="memory://", set_as_current=False, **told)
    app.send_task("finding")
    with app.connection_for_read() as connection:
        content_type = connection.default_channel._get("celery")["content-type"]
    return content_type != "application/x-yaml", f"Celery(..., **{told}) sends {content_type}"


if __name__ == "__main__":
    main(look)
