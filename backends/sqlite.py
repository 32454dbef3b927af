"""Celery's ``database`` result backend on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from backends._database import Database


class SQLite(Database):
    name = "sqlite"
    description = "SQL database through SQLAlchemy, on an SQLite file"
    schemes = ("db+sqlite",)
    packages = {"sqlalchemy": "celery-roundtrip[sqlite]"}
    mark = "?"
    text = "cast(result as text)"
    number = "cast(cast(result as text) as real)"

    @property
    def file(self) -> Path:
        return self.namespace.folder / "results.sqlite"

    def settings(self) -> dict[str, object]:
        return {"result_backend": f"db+sqlite:///{self.file}"}

    def run(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()
