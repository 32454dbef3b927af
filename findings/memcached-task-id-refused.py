"""On memcached, a result is neither stored nor found if its task's id is long or holds a blank.

Usage: python memcached-task-id-refused.py RESULT_BACKEND_URL [--workaround]
The URL begins with cache+memcached://.
"""

from hashlib import sha256
from uuid import uuid4

from celery.backends.cache import CacheBackend
from frame import URL, WORKAROUND, finding_app, main


class Hashing(CacheBackend):
    def get_key_for_task(self, task_id, key=""):
        return super().get_key_for_task(sha256(str(task_id).encode()).hexdigest(), key)


app = finding_app(URL.replace("cache+", "__main__:Hashing+") if WORKAROUND else URL)


def refusal(task_id):
    try:
        app.backend.mark_as_done(task_id, 42)
    except Exception as error:  # of the driver
        if type(error).__name__ != "MemcacheIllegalInputError":
            raise
        return str(error).partition(":")[0]
    result = app.AsyncResult(task_id)
    assert result.result == 42
    result.forget()
    return None


def look():
    task_id = str(uuid4())
    assert refusal(task_id) is None
    refused = [
        refusal(odd) for odd in (f"{task_id} with blanks", f"{task_id}-\u017c", task_id.ljust(255, "a"))
    ]
    return (
        None not in refused,
        f"why ids with a blank, not in ASCII and of 255 letters are refused: {refused}",
    )


if __name__ == "__main__":
    main(look)
