"""The rpc result backend sends results as they are, whatever result_compression says.

Usage: python rpc-compression-ignored.py BROKER_URL [--workaround]
"""

from time import sleep
from uuid import uuid4
from zlib import compress, decompress

from celery.app.task import Context
from frame import URL, WORKAROUND, finding_app, main
from kombu.serialization import register
from kombu.utils.json import dumps, loads

register(
    "zjson",
    lambda value: compress(dumps(value).encode()),
    lambda raw: loads(decompress(raw)),
    "application/x-zjson",
    "binary",
)
settings = {"result_serializer": "json", "result_compression": "zlib"}
if WORKAROUND:
    settings = {"result_serializer": "zjson", "result_accept_content": ["zjson"]}
app = finding_app("rpc://", None if URL == "filesystem://" else URL, **settings)


def look():
    with app.connection_for_read() as connection:
        queue = app.backend.binding(connection.default_channel)
        queue.declare()
        task_id = str(uuid4())
        request = Context(reply_to=app.thread_oid, correlation_id=task_id)
        app.backend.store_result(task_id, "ten letters" * 1000, "SUCCESS", request=request)
        while (reply := queue.get(no_ack=True, accept=settings.get("result_accept_content"))) is None:
            sleep(0.05)
        queue.delete()
    assert reply.payload["result"] == "ten letters" * 1000
    codec, size = reply.headers.get("compression"), len(reply.body)
    return codec is None and size > 11_000, f"11,000 letters are sent as {size} bytes, codec {codec}"


if __name__ == "__main__":
    main(look)
