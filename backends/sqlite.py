"""Celery's ``database`` result backend on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.backend import Backend, Stored


class SQLite(Backend):
    name = "sqlite"
    description = "SQL database through SQLAlchemy, on an SQLite file"
    documentation = (
        "https://docs.celeryq.dev/en/stable/userguide/configuration.html#database-backend-settings"
    )
    packages = {"sqlalchemy": "celery-roundtrip[sqlite]"}
    stores_meta = False

    @property
    def file(self) -> Path:
        return self.namespace.folder / "results.sqlite"

    def settings(self) -> dict[str, object]:
        return {"result_backend": f"db+sqlite:///{self.file}"}

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            yield connection

    def at_rest(self, task_id: str) -> Stored | None:
        with self.connection() as connection:
            row = connection.execute(
                "select id, result, status, date_done, traceback from celery_taskmeta where task_id = ?",
                (task_id,),
            ).fetchone()
        if row is None or row[1] is None:
            return None
        columns = {"status": row[2], "date_done": row[3], "traceback": row[4]}
        return Stored(bytes(row[1]), f"celery_taskmeta row {row[0]}", None, columns)

    def plant(self, task_id: str, raw: bytes) -> None:
        with self.connection() as connection:
            connection.execute(
                "insert into celery_taskmeta (task_id, status, result) values (?, 'SUCCESS', ?) "
                "on conflict (task_id) do update set result = excluded.result",
                (task_id, raw),
            )

    def evict(self, task_id: str) -> None:
        with self.connection() as connection:
            connection.execute("delete from celery_taskmeta where task_id = ?", (task_id,))

    def inventory(self) -> list[str]:
        with self.connection() as connection:
            tasks = connection.execute("select task_id from celery_taskmeta").fetchall()
            groups = connection.execute("select taskset_id from celery_tasksetmeta").fetchall()
        return [f"celery_taskmeta {row[0]}" for row in tasks] + [
            f"celery_tasksetmeta {row[0]}" for row in groups
        ]
