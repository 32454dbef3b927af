"""On the file result backend, forget() of a result that is not there raises FileNotFoundError.

Usage: python filesystem-forget-unknown.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        if not WORKAROUND or result.exists():
            result.forget()
    except FileNotFoundError as error:
        return True, f"forget() raised {error!r}"
    return False, "forget() raised nothing"


if __name__ == "__main__":
    main(look)
