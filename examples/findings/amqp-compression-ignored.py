"""celery-amqp-backend sends results as they are, whatever result_compression says.

Usage: python amqp-compression-ignored.py amqp://USER:PASSWORD@HOST:PORT// [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

import warnings
from uuid import uuid4
from zlib import compress, decompress

from frame import URL, WORKAROUND, finding_app, main
from kombu.serialization import register
from kombu.utils.json import dumps, loads

warnings.simplefilter("ignore")  # Celery warns; the question is what is sent
STORE = "celery_amqp_backend.AMQPBackend://"
app = finding_app(STORE, broker=URL, result_compression="zlib", result_exchange="finding")
if WORKAROUND:
    encode, decode = lambda o: compress(dumps(o).encode()), lambda b: loads(decompress(b))
    register("zjson", encode, decode, "x/zjson", "binary")
    app.conf.update(result_serializer="zjson", result_accept_content=["zjson"])


def look():
    task_id = str(uuid4())
    app.backend.store_result(task_id, "ten letters" * 1000, "SUCCESS")
    with app.connection() as connection:
        queue = app.backend._create_binding(task_id)(connection.default_channel)
        message = queue.get(no_ack=True)
        queue.delete()
    return len(message.body) > 11_000, f"11,000 letters are sent as {len(message.body)} bytes"


if __name__ == "__main__":
    main(look)
