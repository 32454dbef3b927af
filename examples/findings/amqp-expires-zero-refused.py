"""With celery-amqp-backend, result_expires = 0 (never) makes every write fail.

Usage: python amqp-expires-zero-refused.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from amqp.exceptions import PreconditionFailed
from frame import URL, WORKAROUND, finding_app, main

settings = {"result_expires": None if WORKAROUND else 0, "result_exchange": "finding"}
app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, **settings)


def look():
    task_id = str(uuid4())
    try:
        app.backend.store_result(task_id, "text", "SUCCESS")
    except PreconditionFailed as error:
        return True, f"store_result() raised {error!r}"
    with app.connection() as connection:
        app.backend._create_binding(task_id)(connection.default_channel).delete()
    return False, "stored"


if __name__ == "__main__":
    main(look)
