"""With celery-redis-sync, forget() removes the result and then raises AttributeError.

Usage: python redis-sync-forget-raises.py redis+sync://HOST:PORT/DB [--workaround]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "findings"))

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        if WORKAROUND:
            app.backend.delete(app.backend.get_key_for_task(result.id))
        else:
            result.forget()
    except AttributeError as error:
        return True, f"forget() raised {error!r}"
    return False, "nothing was raised"


if __name__ == "__main__":
    main(look)
