"""On memcached, a result is gone at once if result_expires is more than 30 days.

Usage: python memcached-result-lost-after-30-days.py RESULT_BACKEND_URL [--workaround]
The URL begins with cache+memcached://.
"""

from time import time
from uuid import uuid4

from celery.backends.cache import CacheBackend
from frame import URL, WORKAROUND, finding_app, main


class Absolute(CacheBackend):
    def set(self, key, value):
        return self.client.set(key, value, int(time() + self.expires))


store = URL.replace("cache+", "__main__:Absolute+") if WORKAROUND else URL
app = finding_app(store, result_expires=31 * 24 * 3600)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 42)
    state = result.state
    result.forget()
    return state == "PENDING", f"stored as SUCCESS for 31 days, the state is {state}"


if __name__ == "__main__":
    main(look)
