"""django-celery-results' ``django-db`` on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from backends._django import DjangoDB


class DjangoDBSQLite(DjangoDB):
    name = "django-db-sqlite"
    description = "Django's ORM on an SQLite file, through django-celery-results"
    imports = (*DjangoDB.imports, "django.db.backends.sqlite3.base")

    number = "cast(result as real)"

    def databases(self) -> dict[str, dict[str, object]]:
        # By default Django begins a transaction as a reader. Two pool processes that count down one chord
        # then both want to become writers, and one gets "database is locked" at once, whatever the timeout
        options = {"transaction_mode": "IMMEDIATE"}
        return {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": self.file, "OPTIONS": options}}

    @property
    def file(self) -> str:
        return str(self.namespace.folder / "results.sqlite")

    def run(self, statement: str, *values: object) -> Sequence[tuple[object, ...]]:
        with closing(sqlite3.connect(self.file, timeout=10)) as connection, connection:
            # sqlite3 has another placeholder than other drivers; no statement holds a `%s` of its own
            return connection.execute(statement.replace("%s", "?"), values).fetchall()
