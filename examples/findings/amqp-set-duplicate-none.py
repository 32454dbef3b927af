"""With celery-amqp-backend, a ResultSet that holds one result twice has None in the first place.

Usage: python amqp-set-duplicate-none.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, result_exchange="finding")


def look():
    results = [app.AsyncResult(str(uuid4())) for _ in range(2)]
    for number, result in enumerate(results):
        app.backend.store_result(result.id, number, "SUCCESS")
    twice = app.ResultSet([results[0], results[1], results[0]])
    found = twice.join(timeout=5) if WORKAROUND else twice.get(timeout=5)
    return found != [0, 1, 0], f"[0, 1, 0] came back as {found}"


if __name__ == "__main__":
    main(look)
