"""The Cassandra result backend saves no groups: AttributeError.

Usage: python cassandra-groups-not-saved.py RESULT_BACKEND_URL [--workaround]
"""

import json
from uuid import uuid4

from celery.result import result_from_tuple
from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    results = app.GroupResult(str(uuid4()), [app.AsyncResult(str(uuid4()))])
    try:
        if WORKAROUND:
            found = result_from_tuple(json.loads(json.dumps(results.as_tuple())), app)
        else:
            results.save()
            found = app.GroupResult.restore(results.id)
    except AttributeError as error:
        return True, f"save() raised {error!r}"
    return found != results, f"restored as {found!r}"


if __name__ == "__main__":
    main(look)
