"""django-celery-results' ``django-db`` on PostgreSQL, through psycopg 3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from backends._django import DjangoDB
from backends._sql import numeric, space
from harness.backend import Stored

if TYPE_CHECKING:
    import psycopg


class DjangoDBPostgreSQL(DjangoDB):
    name = "django-db-postgresql"
    description = "Django's ORM on PostgreSQL, through django-celery-results and psycopg"
    services = ("postgresql",)
    number = numeric("result")
    packages = {**DjangoDB.packages, "psycopg": "celery-roundtrip[postgresql]"}
    imports = (*DjangoDB.imports, "django.db.backends.postgresql.base")

    def databases(self) -> dict[str, dict[str, object]]:
        server = urlsplit(self.servers["postgresql"].url)
        return {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": unquote(server.path.strip("/")),
                "USER": unquote(server.username or ""),
                "PASSWORD": unquote(server.password or ""),
                "HOST": server.hostname or "",
                "PORT": server.port or "",
                "OPTIONS": {**dict(parse_qsl(server.query)), "options": self.schema_alone()},
            }
        }

    def schema_alone(self) -> str:
        """The connection's option by which it sees the schema of this namespace and no other."""
        return f"-csearch_path={space(self.namespace)}"

    @cached_property
    def connection(self) -> psycopg.Connection:
        import psycopg

        return psycopg.connect(self.servers["postgresql"].url, autocommit=True, options=self.schema_alone())

    def prepare(self) -> None:
        with self._alone():
            self.run(f"create schema if not exists {space(self.namespace)}")
        super().prepare()

    def run(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        cursor = self.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def at_rest(self, task_id: str) -> Stored | None:
        # no text in PostgreSQL can hold NUL, not in a question either
        return None if "\0" in task_id else super().at_rest(task_id)

    def wipe(self) -> None:
        self.run(f"drop schema if exists {space(self.namespace)} cascade")
