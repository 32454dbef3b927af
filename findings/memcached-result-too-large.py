"""On memcached, a result of 1 MiB is refused.

Usage: python memcached-result-too-large.py RESULT_BACKEND_URL [--workaround]
The URL begins with cache+memcached://.
"""

from uuid import uuid4
from zlib import compress, decompress

from frame import WORKAROUND, finding_app, main
from kombu.serialization import register
from kombu.utils.json import dumps, loads

register(
    "zjson",
    lambda value: compress(dumps(value).encode()),
    lambda raw: loads(decompress(raw)),
    "application/x-zjson",
    "binary",
)
serializer = "zjson" if WORKAROUND else "json"
app = finding_app(result_serializer=serializer, result_accept_content=[serializer])


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_done(result.id, "a" * (1 << 20))
    except Exception as error:  # of the driver
        if "too large" not in str(error):
            raise
        return True, f"a result of 1 MiB is refused: {error!r}"
    got = result.result
    result.forget()
    return False, f"of a result of 1 MiB, {len(got)} letters came back"


if __name__ == "__main__":
    main(look)
