"""The cache result backend stores results as they are, whatever result_compression says.

Usage: python cache-compression-ignored.py RESULT_BACKEND_URL [--workaround]
The URL begins with cache+memcached://, or cache+memory:// for a cache inside this process.
"""

from uuid import uuid4

from celery.backends.cache import CacheBackend
from frame import URL, WORKAROUND, finding_app, main


class Compressing(CacheBackend):
    supports_result_compression = True


store = URL.replace("cache+", "__main__:Compressing+") if WORKAROUND else URL
app = finding_app(store, result_compression="zlib")


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    raw = app.backend.get(app.backend.get_key_for_task(result.id))
    assert result.result == "ten letters" * 1000
    result.forget()
    return len(raw) > 11_000, f"11,000 letters are stored as {len(raw)} bytes: {raw[:40]!r}"


if __name__ == "__main__":
    main(look)
