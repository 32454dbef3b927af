"""MariaDB: Debian's ``mariadb-server-core``. It answers for MySQL, and the report says that it does."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service

PASSWORD = "roundtrip"
"""Of root inside a container that ends with the run."""
REMEDY = "apt-get install mariadb-server-core mariadb-client-core"
REFUSED = (1044, 1045, 1049, 1698)
"""Error numbers of the server that mean no: access denied (three kinds), unknown database."""
SETTINGS = (
    # nothing that a test server stores must survive a power cut
    *("--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--innodb-doublewrite=0"),
    *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--performance-schema=OFF"),
    *("--max-connections=400", "--max-allowed-packet=64M", "--skip-name-resolve"),
)


class MariaDB(Service):
    name = "mariadb"
    schemes = ("mysql",)
    ready_within = 60.0

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        data, socket = folder / "data", folder / "s"
        user = ("--user=root",) if os.geteuid() == 0 else ()  # else it refuses to be root
        initialise = [
            *(_binary("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *user),
            *("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"),
        ]
        serve = [
            *(_binary("mariadbd"), "--no-defaults", f"--datadir={data}", *user, f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--socket={socket}", *SETTINGS),
        ]
        return LocalCommand(("sh", "-c", f"{shlex.join(initialise)} && exec {shlex.join(serve)}"))

    def local_url(self, port: int) -> str:
        return f"mysql://root@127.0.0.1:{port}/"

    def container(self) -> Container:
        environment = {"MARIADB_ROOT_PASSWORD": PASSWORD, "MARIADB_ROOT_HOST": "%"}
        return Container(3306, environment, ("mariadbd", "--skip-log-bin", "--max-connections=400"))

    def container_url(self, port: int) -> str:
        return f"mysql://root:{PASSWORD}@127.0.0.1:{port}/"

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
        if urlsplit(url).query:
            raise RoundtripError("a mysql:// URL must have no query: the suite makes its own connections")
        return url


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
        **options,
    )


def _binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/sbin")
    if not found:
        raise ServiceUnavailable(f"no {name} on this machine", REMEDY)
    return found


SERVICE = MariaDB()
