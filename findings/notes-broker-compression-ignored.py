"""broker_transport_options={'compression': 'bzip2'} compresses no message.

Usage: python notes-broker-compression-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from celery import Celery
from frame import WORKAROUND, main


def look():
    told = {"broker_transport_options": {"compression": "bzip2"}}
    if WORKAROUND:
        told = {"task_compression": "bzip2"}
    app = Celery("finding", broker="memory://", set_as_current=False, **told)
    app.send_task("finding", ["text " * 1000])
    with app.connection_for_read() as connection:
        message = connection.default_channel._get("celery")
    codec = message["headers"].get("compression")
    return codec is None, f"Celery(..., **{told}) sends {len(message['body'])} bytes, compressed with {codec}"


if __name__ == "__main__":
    main(look)
