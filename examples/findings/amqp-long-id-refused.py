"""With celery-amqp-backend, a task id of 255 characters cannot be stored: its queue's name is longer still.

Usage: python amqp-long-id-refused.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

import struct
from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, result_exchange="finding")


def look():
    task_id = str(uuid4()).ljust(200 if WORKAROUND else 255, "x")
    try:
        app.backend.store_result(task_id, "text", "SUCCESS")
    except struct.error as error:
        return True, f"store_result() raised {error!r}"
    with app.connection() as connection:
        app.backend._create_binding(task_id)(connection.default_channel).delete()
    return False, "stored"


if __name__ == "__main__":
    main(look)
