"""Celery's ``database`` result backend on PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from backends._database import Database
from backends._sql import numeric
from harness.backend import Stored

if TYPE_CHECKING:
    import psycopg


class PostgreSQL(Database):
    name = "postgresql"
    description = "SQL database through SQLAlchemy and psycopg, on PostgreSQL"
    services = ("postgresql",)
    schemes = ("db+postgresql", "db+postgresql+psycopg", "db+postgresql+psycopg2")
    packages = {
        "sqlalchemy": "celery-roundtrip[postgresql]",
        "psycopg": "celery-roundtrip[postgresql]",
    }

    text = "convert_from(result, 'UTF8')"
    number = numeric(text)

    def url(self) -> str:
        """The server's URL, with a schema of this namespace as the only one in sight.

        Not ``database_table_schemas``: Celery writes that into a class that all apps of a process share.
        """
        parts = urlsplit(self.servers["postgresql"].url)
        query = dict(parse_qsl(parts.query))
        query["options"] = f"{query.get('options', '')} -csearch_path={self.space()}".lstrip()
        # %20, not +: SQLAlchemy reads both, libpq only the one
        return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))

    def settings(self) -> dict[str, object]:
        scheme, _, rest = self.url().partition("://")
        return {"result_backend": f"db+{scheme}+psycopg://{rest}"}

    @cached_property
    def connection(self) -> psycopg.Connection:
        import psycopg

        return psycopg.connect(self.url(), autocommit=True)

    def prepare(self) -> None:
        self.run(f"create schema if not exists {self.space()}")

    def run(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        cursor = self.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def at_rest(self, task_id: str) -> Stored | None:
        # no text in PostgreSQL can hold NUL, not in a question either
        return None if "\0" in task_id else super().at_rest(task_id)

    def wipe(self) -> None:
        self.run(f"drop schema if exists {self.space()} cascade")
