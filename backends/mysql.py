"""Celery's ``database`` result backend on MySQL or MariaDB, through PyMySQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from backends._database import Database
from harness.services.mariadb import connect


class MySQL(Database):
    name = "mysql"
    description = "SQL database through SQLAlchemy and PyMySQL, on MySQL or MariaDB"
    services = ("mariadb",)
    schemes = ("db+mysql", "db+mysql+pymysql")
    packages = {"sqlalchemy": "celery-roundtrip[mysql]", "pymysql": "celery-roundtrip[mysql]"}

    text = "convert(result using utf8mb4)"
    number = "cast(convert(result using utf8mb4) as decimal(65, 6))"

    def settings(self) -> dict[str, object]:
        # a database of its own: Celery writes database_table_names into classes that all apps share
        parts = urlsplit(self.servers["mariadb"].url)
        own = parts._replace(scheme="db+mysql+pymysql", path=f"/{self.space()}")
        if self._is_ours():
            own = own._replace(query="ssl_disabled=true")
        return {"result_backend": urlunsplit(own)}

    def _is_ours(self) -> bool:
        """Whether the server is one of this project, on loopback and without TLS.

        Else PyMySQL loads all certificates of the machine for each connection, 15 ms of CPU, and Celery
        connects anew for each look at a result.
        """
        return self.servers["mariadb"].runtime != "external"

    def prepare(self) -> None:
        self._run(None, f"create database if not exists {self.space()} character set utf8mb4")

    def run(self, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        return self._run(self.space(), statement, *values)

    def _run(self, database: str | None, statement: str, *values: object) -> Sequence[Sequence[Any]]:
        url = self.servers["mariadb"].url
        plain = {"ssl_disabled": True} if self._is_ours() else {}
        with closing(connect(url, database, **plain)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
            return rows

    def wipe(self) -> None:
        self._run(None, f"drop database if exists {self.space()}")
