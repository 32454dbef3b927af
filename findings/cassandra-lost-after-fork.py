"""A process that is forked after its parent has stored a result in Cassandra cannot store any.

Usage: python cassandra-lost-after-fork.py RESULT_BACKEND_URL [--workaround]
"""

import os
import signal
from uuid import uuid4

from frame import WORKAROUND, finding_app, main


def name_subclass(app):
    global Forked
    from celery.backends.cassandra import CassandraBackend

    class Forked(CassandraBackend):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            os.register_at_fork(after_in_child=lambda: setattr(self, "_session", None))

    app.conf.result_backend = "__main__:Forked+cassandra://"


def look():
    app = finding_app()
    if WORKAROUND:
        name_subclass(app)
    first, second = f"finding-{uuid4()}", f"finding-{uuid4()}"
    app.backend.store_result(first, 1, "SUCCESS")  # as a worker's main process does of a killed task
    child = os.fork()  # as it does to put another pool process in the place of that
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends it
        signal.alarm(10)
        app.backend.store_result(second, 2, "SUCCESS")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    state = app.AsyncResult(second).state
    return state == "PENDING", f"the forked process ended with {status}, the state that it stored is {state}"


if __name__ == "__main__":
    main(look)
