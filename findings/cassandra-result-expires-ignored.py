"""The Cassandra result backend keeps results for ever, whatever result_expires says.

Usage: python cassandra-result-expires-ignored.py RESULT_BACKEND_URL, as in cassandra://HOST:PORT/KEYSPACE
Exit code 0: this shows, 1: it does not, 2: cannot tell.

The keyspace must exist. The table `finding` is created there and stays.
"""

import sys
import warnings
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from celery import Celery


def look(url):
    if "cassandra://" not in url:
        return 2, "this is about URLs that begin with cassandra://"
    where = urlsplit(url)
    app = Celery("finding", backend="cassandra://")
    app.conf.update(cassandra_servers=[where.hostname], cassandra_port=where.port or 9042)
    app.conf.update(cassandra_keyspace=where.path[1:], cassandra_table="finding")
    app.conf.update(result_expires=3600)
    task_id = str(uuid4())
    app.backend.store_result(task_id, "a result", "SUCCESS")
    query = "SELECT ttl(result) FROM finding WHERE task_id = %s"
    left = app.backend._session.execute(query, (task_id,)).one()[0]
    app.backend.forget(task_id)
    return (0 if left is None else 1), f"result_expires is 3600, the row's TTL is {left}"


def main():
    if len(sys.argv) != 2 or "://" not in sys.argv[1]:
        print(f"usage: python {Path(__file__).name} RESULT_BACKEND_URL", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")  # Celery and drivers warn; the question is what is stored
    try:
        code, seen = look(sys.argv[1])
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was learned
        code, seen = 2, f"{type(error).__name__}: {error}"
    print(("it shows: ", "it does not show: ", "cannot tell: ")[code] + " ".join(seen.split())[:300])
    return code


if __name__ == "__main__":
    sys.exit(main())
