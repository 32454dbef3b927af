"""With celery-amqp-backend, no group of results can be saved.

Usage: python amqp-groups-not-saved.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

import json
from uuid import uuid4

from celery.result import result_from_tuple
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("celery_amqp_backend.AMQPBackend://", broker=URL, result_exchange="finding")


def look():
    results = app.GroupResult(str(uuid4()), [app.AsyncResult(str(uuid4()))])
    try:
        if WORKAROUND:
            found = result_from_tuple(json.loads(json.dumps(results.as_tuple())), app)
        else:
            results.save()
            found = app.GroupResult.restore(results.id)
    except NotImplementedError as error:
        return True, f"save() raised {error!r}"
    return found != results, f"restored as {found!r}"


if __name__ == "__main__":
    main(look)
