"""With celery-redis-sync, get(on_message=...) raises ImproperlyConfigured.

Usage: python redis-sync-on-message-unsupported.py redis+sync://HOST:PORT/DB [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from celery.exceptions import ImproperlyConfigured, TimeoutError
from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    result, seen = app.AsyncResult(str(uuid4())), []
    if WORKAROUND:
        looked = (result.ready(), result.state)
        return looked != (False, "PENDING"), f"looking shows {looked}"
    try:
        result.get(timeout=0.2, on_message=seen.append)
    except ImproperlyConfigured as error:
        return True, f"get(on_message=...) raised {error!r}"
    except TimeoutError:
        return not seen, f"the hook saw {seen[:1]}"
    return False, "get() returned"


if __name__ == "__main__":
    main(look)
