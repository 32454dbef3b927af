"""On the database result backend, to save a group a second time raises IntegrityError.

Usage: python database-group-saved-twice.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    results = app.GroupResult(str(uuid4()), [app.AsyncResult(str(uuid4()))])
    results.save()
    results.add(app.AsyncResult(str(uuid4())))
    try:
        if WORKAROUND:
            results.delete()
        results.save()
    except Exception as error:
        if type(error).__name__ != "IntegrityError":
            raise
        return True, f"the second save() raised {error!r}"
    finally:
        results.delete()
    return False, "the second save() raised nothing"


if __name__ == "__main__":
    main(look)
