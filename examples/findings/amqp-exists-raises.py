"""With celery-amqp-backend, AsyncResult.exists() raises AttributeError.

Usage: python amqp-exists-raises.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, result_exchange="finding")


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        seen = (result.state != "PENDING") if WORKAROUND else result.exists()
    except AttributeError as error:
        return True, f"exists() raised {error!r}"
    return False, f"there: {seen}"


if __name__ == "__main__":
    main(look)
