"""With the rpc result backend on RabbitMQ, a group's members stay PENDING until get() is called.

Usage: python rpc-rabbitmq-members-pending.py BROKER_URL [--workaround]
"""

import time
from uuid import uuid4

from celery.app.task import Context
from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", broker=URL)


def look():
    results = [app.AsyncResult(str(uuid4())) for _ in range(3)]
    group = app.GroupResult(str(uuid4()), results)
    for result in results:
        reply = Context(reply_to=app.thread_oid, correlation_id=result.id, id=result.id)
        app.backend.store_result(result.id, 42, "SUCCESS", request=reply)
    if WORKAROUND:
        group.get(timeout=10, propagate=False)
    give_up, count = time.monotonic() + 5, 0
    while count < 3 and time.monotonic() < give_up:
        count = group.completed_count()
    return count < 3, f"all 3 are done; completed_count() says {count}"


if __name__ == "__main__":
    main(look)
