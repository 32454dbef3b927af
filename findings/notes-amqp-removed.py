"""backend='amqp://' is no result backend any more.

Usage: python notes-amqp-removed.py RESULT_BACKEND_URL [--workaround]
"""

from celery import Celery
from celery.exceptions import ImproperlyConfigured
from frame import WORKAROUND, main


def look():
    url = "rpc://" if WORKAROUND else "amqp://"
    app = Celery("finding", broker="memory://", backend=url, set_as_current=False)
    try:
        return False, f"{url} is {type(app.backend).__name__}"
    except ImproperlyConfigured as error:
        return True, f"{url}: {error}"


if __name__ == "__main__":
    main(look)
