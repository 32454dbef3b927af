"""The Cassandra result backend sends a result as hexadecimal text: twice its size counts against the limit.

Usage: python cassandra-large-refused.py cassandra://HOST:PORT/KEYSPACE [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app(result_compression="zlib" if WORKAROUND else None)


def look():
    result = app.AsyncResult(str(uuid4()))
    try:
        app.backend.mark_as_done(result.id, "x" * 2**24)
    except Exception as error:  # of the driver
        if "exceeds allowed maximum" not in str(error):
            raise
        return True, f"a result of 16 MiB is refused: {error!r}"
    got = result.result
    result.forget()
    return False, f"of a result of 16 MiB, {len(got)} letters came back"


if __name__ == "__main__":
    main(look)
