"""MariaDB: Debian's ``mariadb-server-core``. It answers for MySQL, and the report says that it does."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service, in_turn, with_whole_paths

USER = "roundtrip"
"""User of a local server that ends with the run."""
REMEDY = "apt-get install mariadb-server-core mariadb-client-core"
REFUSED = (1044, 1045, 1049, 1130, 1698)
"""Error numbers of the server that mean no: access denied (four kinds), unknown database."""
TLS = ("ssl_ca", "ssl_cert", "ssl_key")
SETTINGS = (
    # nothing that a test server stores must survive a power cut
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0"),
    *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--performance-schema=OFF"),
    *("--max-connections=400", "--skip-log-bin", "--skip-name-resolve"),
)


class MariaDB(Service):
    name = "mariadb"
    schemes = ("mysql", "mariadb")
    ready_within = 60.0

    def __init__(self) -> None:
        # who is its root can write files: nobody else on this machine may become it
        self._password = secrets.token_hex(16)

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        data, user = folder / "data", folder / "user.sql"
        with os.fdopen(os.open(user, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(
                f"create user {USER}@'127.0.0.1' identified by '{self._password}';\n"
                f"grant all on *.* to {USER}@'127.0.0.1' with grant option;\n"
            )
        place = (
            f"--datadir={data}",
            *(("--user=root",) if os.geteuid() == 0 else ()),
        )  # else it refuses to be
        initialise = (
            *(_binary("mariadb-install-db"), "--no-defaults", *place, *SETTINGS[:4]),
            *("--skip-test-db", "--skip-name-resolve"),
        )
        serve = (
            *(_binary("mariadbd"), "--no-defaults", *place, f"--port={port}", "--bind-address=127.0.0.1"),
            *(f"--socket={folder / 's'}", f"--init-file={user}", *SETTINGS),
        )
        return LocalCommand(in_turn(initialise, serve))

    def local_url(self, port: int) -> str:
        return f"mysql://{USER}:{self._password}@127.0.0.1:{port}/"

    def container(self) -> Container:
        return Container(3306, {"MARIADB_ROOT_PASSWORD": self._password}, ("mariadbd", *SETTINGS))

    def container_url(self, port: int) -> str:
        return f"mysql://root:{self._password}@127.0.0.1:{port}/"

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import pymysql

        try:
            with connect(url, connect_timeout=timeout) as connection, connection.cursor() as cursor:
                cursor.execute("select version()")
                told = str(cursor.fetchone()[0])
        except pymysql.err.MySQLError as error:
            if error.args and error.args[0] in REFUSED:
                raise Rejected(f"it refused the credentials: {error.args[-1]}") from error
            raise NotReady(f"no answer: {error.args[-1] if error.args else error}") from error
        version = told.partition("-")[0]
        return ("MariaDB" if "mariadb" in told.lower() else "MySQL"), version

    def checked_url(self, url: str) -> str:
        parts = urlsplit(url)
        query = with_whole_paths(dict(parse_qsl(parts.query)), TLS, parts.scheme)
        unknown = sorted(query.keys() - set(TLS))
        if unknown:
            raise RoundtripError(
                f"{unknown[0]} of the {parts.scheme}:// URL: it may hold {', '.join(TLS)} only"
            )
        return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))

    def preserve(self, url: str) -> None:
        with connect(url) as connection, connection.cursor() as cursor:
            cursor.execute("flush engine logs")


def connect(url: str, database: str | None = None, **options: Any) -> Any:
    """A connection of PyMySQL to a ``mysql://`` URL.

    :param database: in the place of the URL's.
    :raises pymysql.err.MySQLError: it cannot be had.
    """
    import pymysql

    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=database or unquote(parts.path[1:]) or None,
        autocommit=True,
        # SQLAlchemy, and so Celery, hands them to the driver in the same way
        ssl={name.removeprefix("ssl_"): value for name, value in parse_qsl(parts.query)} or None,
        **options,
    )


def _binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/sbin")
    if not found:
        raise ServiceUnavailable(f"no {name} on this machine", REMEDY)
    return found


SERVICE = MariaDB()
