"""The s3 result backend stores results as they are, whatever result_compression says.

Usage: python s3-compression-ignored.py RESULT_BACKEND_URL [--workaround]
The URL is s3+http://KEY:SECRET@HOST:PORT/BUCKET; the bucket is there.
"""

from uuid import uuid4

from celery.backends.s3 import S3Backend
from frame import WORKAROUND, finding_app, main
from kombu.utils.encoding import bytes_to_str


class Compressing(S3Backend):
    supports_result_compression = True

    def get(self, key):
        try:
            return stored(self, key)
        except self._s3_resource.meta.client.exceptions.NoSuchKey:
            return None


def stored(backend, key):
    return backend._get_s3_object(bytes_to_str(key)).get()["Body"].read()


app = finding_app(result_compression="zlib")
if WORKAROUND:
    app.conf.result_backend = "__main__:Compressing+s3://"


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    raw = stored(app.backend, app.backend.get_key_for_task(result.id))
    assert result.result == "ten letters" * 1000
    result.forget()
    return len(raw) > 11_000, f"11,000 letters are stored as {len(raw)} bytes: {raw[:40]!r}"


if __name__ == "__main__":
    main(look)
