"""On the Cassandra result backend, result_extended has no effect: a result tells neither name nor args.

Usage: python cassandra-columns-missing.py cassandra://HOST:PORT/KEYSPACE [--workaround]
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, finding_app, main

app = finding_app(result_extended=True)


def look():
    task_id = str(uuid4())
    request = Context(id=task_id, task="add", args=[1, 2], delivery_info={"routing_key": "celery"})
    value = {"result": 3, "name": request.task, "args": request.args} if WORKAROUND else 3
    app.backend.mark_as_done(task_id, value, request)
    result = app.AsyncResult(task_id)
    told = (result.result["name"], result.result["args"]) if WORKAROUND else (result.name, result.args)
    return told != ("add", [1, 2]), f"the result tells name and args: {told}"


if __name__ == "__main__":
    main(look)
