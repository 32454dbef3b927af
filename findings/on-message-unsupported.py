"""get(on_message=...) raises ImproperlyConfigured, unless the result backend is redis or rpc.

Usage: python on-message-unsupported.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.exceptions import ImproperlyConfigured, TimeoutError
from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    result, seen = app.AsyncResult(str(uuid4())), []
    app.backend.store_result(result.id, {"done": 1}, "PROGRESS")
    hook = {"on_message": seen.append}
    if WORKAROUND:
        hook = {"on_interval": lambda: seen.append(result.info), "interval": 0.05}
    try:
        result.get(timeout=0.2, **hook)
    except ImproperlyConfigured as error:
        return True, f"get(on_message=...) raised {error!r}"
    except TimeoutError:
        return not seen, f"the hook saw {seen[:1]}"
    finally:
        result.forget()
    return False, "get() returned"


if __name__ == "__main__":
    main(look)
