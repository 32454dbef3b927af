"""On Redis, result_expires=0.5 keeps results for ever, and result_expires=-1 makes every write fail.

Usage: python redis-expires-below-one-second.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main


def lifetime(result_expires):
    app = finding_app(result_expires=result_expires)
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_done(result.id, 3)
    except Exception as error:  # noqa: BLE001 - of the driver
        return repr(error)
    left = app.backend.client.ttl(app.backend.get_key_for_task(result.id))
    result.forget()
    return left


def look():
    found = {str(one): lifetime(max(one, 1) if WORKAROUND else one) for one in (0.5, -1)}
    # Redis says -1 of what it keeps for ever
    return set(found.values()) != {1}, f"seconds left, by result_expires: {found}"


if __name__ == "__main__":
    main(look)
