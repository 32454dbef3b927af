"""Celery's ``cassandra`` result backend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from harness.backend import Backend, Stored
from harness.services.cassandra import parts, session

LONGEST_NAME = 48
"""Characters that Cassandra allows in the name of a keyspace or table."""


class Cassandra(Backend):
    name = "cassandra"
    description = "Apache Cassandra: a row for each state of a task, serialized column by column"
    documentation = (
        "https://docs.celeryq.dev/en/stable/userguide/configuration.html#cassandra-astradb-backend-settings"
    )
    services = ("cassandra",)
    schemes = ("cassandra",)
    packages = {"cassandra": "celery-roundtrip[cassandra]"}
    stores_meta = False

    @property
    def keyspace(self) -> str:
        """One for the whole run: removing it is one schema change, and each costs up to a second."""
        return self.namespace.run.replace("-", "_")

    @property
    def table(self) -> str:
        """One for each worker configuration."""
        own = self.namespace.name.removeprefix(self.namespace.run).strip("-").replace("-", "_")
        if len(own) <= LONGEST_NAME:
            return own
        digest = hashlib.sha256(own.encode()).hexdigest()[:8]
        return f"{own[: LONGEST_NAME - 9]}_{digest}"

    def settings(self) -> dict[str, object]:
        told = parts(self.servers["cassandra"].url)
        settings: dict[str, object] = {
            "result_backend": "cassandra://",
            "cassandra_servers": [told.host],
            "cassandra_port": told.port,
            "cassandra_keyspace": self.keyspace,
            "cassandra_table": self.table,
            # a user's schema is small. Ours holds every configuration's table, and with gevent and eventlet
            # the size of what the driver reads can matter: docs/cassandra.md
            "cassandra_options": {"schema_metadata_enabled": False},
        }
        if told.user:
            settings["cassandra_auth_provider"] = "PlainTextAuthProvider"
            settings["cassandra_auth_kwargs"] = {"username": told.user, "password": told.password}
        return settings

    def prepare(self) -> None:
        # The keyspace must exist. A table Celery makes too, but only before its first write: what is read
        # before that raises, so that a cell's verdict would depend on which cell came first.
        from celery.backends.cassandra import Q_CREATE_RESULT_TABLE

        table = Q_CREATE_RESULT_TABLE.format(table=f"if not exists {self.place}")
        with session(self.servers["cassandra"].url) as connected:
            connected.execute(
                f"create keyspace if not exists {self.keyspace} "
                "with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
            )
            connected.execute(table)

    @property
    def place(self) -> str:
        return f"{self.keyspace}.{self.table}"

    @cached_property
    def connected(self) -> Any:
        """A session of the driver, open until the client ends."""
        self._open = ExitStack()
        return self._open.enter_context(session(self.servers["cassandra"].url))

    def at_rest(self, task_id: str) -> Stored | None:
        row = self.connected.execute(
            "select date_done, status, result, traceback, children, ttl(result) as lifetime "
            f"from {self.place} where task_id = %s limit 1",
            (task_id,),
        ).one()
        if row is None or row.result is None:
            return None
        columns = {name: getattr(row, name) for name in ("status", "date_done", "traceback", "children")}
        return Stored(bytes(row.result), _row(task_id, row), row.lifetime, columns)

    def plant(self, task_id: str, raw: bytes) -> None:
        # prepared: the bytes travel as they are, not as hexadecimal text
        insert = self.connected.prepare(
            f"insert into {self.place} (task_id, date_done, status, result) values (?, ?, 'SUCCESS', ?)"
        )
        self.connected.execute(insert, (task_id, datetime.now(UTC), raw))

    def evict(self, task_id: str) -> None:
        self.connected.execute(f"delete from {self.place} where task_id = %s", (task_id,))

    def inventory(self) -> list[str]:
        rows: Iterator[Any] = self.connected.execute(f"select task_id, date_done, status from {self.place}")
        return [_row(row.task_id, row) for row in rows]

    def wipe(self) -> None:
        with session(self.servers["cassandra"].url) as connected:
            connected.execute(f"drop keyspace if exists {self.keyspace}")


def _row(task_id: str, row: Any) -> str:
    return f"row {task_id} {row.status} {row.date_done.isoformat()}"
