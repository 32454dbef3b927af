"""The Elasticsearch result backend cannot store what a binary serializer writes.

Usage: python elasticsearch-binary-refused.py elasticsearch://HOST:PORT/INDEX [--workaround]
"""

from base64 import b64decode, b64encode
from uuid import uuid4

from celery.backends.elasticsearch import ElasticsearchBackend
from frame import URL, WORKAROUND, finding_app, main
from kombu.utils.encoding import ensure_bytes


class Base64(ElasticsearchBackend):
    supports_result_compression = True

    def encode(self, data):
        return b64encode(ensure_bytes(super().encode(data))).decode()

    def decode(self, payload):
        return super().decode(b64decode(payload))


store = f"__main__:Base64+{URL}" if WORKAROUND else URL
app = finding_app(store, result_serializer="pickle", result_accept_content=["pickle"])


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_done(result.id, 42)
    except Exception as error:  # of the driver
        if type(error).__name__ != "SerializationError":
            raise
        return True, f"storing a result raises {error!r}"
    got = result.result
    result.forget()
    return got != 42, f"42 was stored with pickle and comes back as {got!r}"


if __name__ == "__main__":
    main(look)
