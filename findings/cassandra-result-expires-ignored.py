"""The Cassandra result backend keeps results for ever, whatever result_expires says.

Usage: python cassandra-result-expires-ignored.py cassandra://HOST:PORT/KEYSPACE [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app(result_expires=3600, cassandra_entry_ttl=3600 if WORKAROUND else None)


def look():
    task_id = str(uuid4())
    app.backend.mark_as_done(task_id, 42)
    query = "SELECT ttl(result) FROM finding WHERE task_id = %s"
    left = app.backend._session.execute(query, (task_id,)).one()[0]
    app.backend.forget(task_id)
    return left is None, f"result_expires is 3600, the row's TTL is {left}"


if __name__ == "__main__":
    main(look)
