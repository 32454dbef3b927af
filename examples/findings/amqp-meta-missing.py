"""celery-amqp-backend stores no date_done, no parent and group, no stamps, and nothing of result_extended.

Usage: python amqp-meta-missing.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from types import SimpleNamespace
from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

STORE = "rpc://" if WORKAROUND else "celery_amqp_backend.AMQPBackend://"
app = finding_app(STORE, broker=URL, result_extended=True, result_exchange="finding")


def look():
    task_id = str(uuid4())
    if WORKAROUND:  # the backend that Celery has in its place keeps them all
        request = SimpleNamespace(parent_id="p", group="g", children=[], stamped_headers=None)
        meta = app.backend._get_result_meta("text", "SUCCESS", None, request)
    else:
        app.backend.store_result(task_id, "text", "SUCCESS")
        meta = app.backend.get_task_meta(task_id)
        with app.connection() as connection:
            app.backend._create_binding(task_id)(connection.default_channel).delete()
    return "date_done" not in meta and "parent_id" not in meta, f"task meta holds {sorted(meta)}"


if __name__ == "__main__":
    main(look)
