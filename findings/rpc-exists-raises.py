"""On rpc, AsyncResult.exists() raises AttributeError.

Usage: python rpc-exists-raises.py BROKER_URL [--workaround]
"""

from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", None if URL == "filesystem://" else URL)


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        there = result.state != "PENDING" if WORKAROUND else result.exists()
    except AttributeError as error:
        return True, f"exists() raised {error!r}"
    return False, f"the answer is {there}"


if __name__ == "__main__":
    main(look)
