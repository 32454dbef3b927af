"""The Elasticsearch result backend stores results as they are, whatever result_compression says.

Usage: python elasticsearch-compression-ignored.py elasticsearch://HOST:PORT/INDEX [--workaround]
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
app = finding_app(store, result_compression="zlib")


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    raw = app.backend.get(app.backend.get_key_for_task(result.id))
    assert result.result == "ten letters" * 1000
    result.forget()
    return len(raw) > 11_000, f"11,000 letters are stored as {len(raw)} characters: {raw[:40]!r}"


if __name__ == "__main__":
    main(look)
