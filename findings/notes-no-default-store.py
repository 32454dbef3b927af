"""Without result_backend no result is stored: AMQP is not the default.

Usage: python notes-no-default-store.py RESULT_BACKEND_URL [--workaround]
"""

from celery import Celery
from celery.backends.base import DisabledBackend
from frame import WORKAROUND, main


def look():
    told = {"backend": "rpc://"} if WORKAROUND else {}
    backend = Celery("finding", broker="memory://", set_as_current=False, **told).backend
    return isinstance(backend, DisabledBackend), f"the result backend is {type(backend).__name__}"


if __name__ == "__main__":
    main(look)
