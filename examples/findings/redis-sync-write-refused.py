"""celery-redis-sync cannot write a result under Celery 5.7: store_result raises TypeError.

Usage: python redis-sync-write-refused.py redis+sync://HOST:PORT/DB [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from celery_redis_sync.redis_sync import SynchronousRedisBackend
from frame import URL, WORKAROUND, finding_app, main


def _set(self, key, value, expires=None):
    self.client.set(key, value, ex=(self.expires if expires is None else expires) or None)


if WORKAROUND:
    SynchronousRedisBackend._set = _set
app = finding_app(URL)


def look():
    task_id = str(uuid4())
    try:
        app.backend.store_result(task_id, "text", "SUCCESS")
    except TypeError as error:
        return True, f"store_result() raised {error!r}"
    found = app.backend.get_task_meta(task_id)["result"]
    app.backend.delete(app.backend.get_key_for_task(task_id))
    return found != "text", f"stored and read: {found!r}"


if __name__ == "__main__":
    main(look)
