"""Apache Cassandra: its jars from Maven Central on Java 17, one node."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.errors import NotReady, Rejected
from harness.jars import CASSANDRA as SERVER
from harness.processes import free_port
from harness.services import Container, LocalCommand, Service

SETTLED_WITHIN = 30.0
"""Seconds that one request gets: a schema change on a busy machine takes seconds."""


class Cassandra(Service):
    name = "cassandra"
    schemes = ("cassandra",)
    # local 3 to 11 s; the public image sizes its heap and settles first
    ready_within = 180.0

    def fetch(self, say: Callable[[str], None]) -> None:
        SERVER.fetch(say)

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        start = ("sh", str(SERVER.recipe / "start"), str(folder / "data"), str(port), str(free_port()))
        return LocalCommand(start, SERVER.environment())

    def local_url(self, port: int) -> str:
        return f"cassandra://127.0.0.1:{port}"

    def container(self) -> Container:
        environment = {
            # else the public image takes a quarter of the machine's memory
            "MAX_HEAP_SIZE": "512M",
            "HEAP_NEWSIZE": "128M",
            # a lone node has nobody to wait for
            "JVM_EXTRA_OPTS": "-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.initial_token=0",
            "CASSANDRA_NUM_TOKENS": "1",
        }
        return Container(9042, environment)

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import_driver()
        import cassandra
        from cassandra.cluster import NoHostAvailable

        try:
            with session(url, timeout) as connected:
                row = connected.execute("select release_version from system.local").one()
        except NoHostAvailable as error:
            refused = [
                one for one in error.errors.values() if isinstance(one, cassandra.AuthenticationFailed)
            ]
            if refused:
                raise Rejected(f"it refused the credentials: {refused[0]}") from error
            raise NotReady(f"no answer: {error}") from error
        except (cassandra.DriverException, cassandra.OperationTimedOut, OSError) as error:
            raise NotReady(f"no answer: {error}") from error
        return "Apache Cassandra", str(row.release_version)


def import_driver() -> None:
    """Import Cassandra's driver in whatever thread.

    `cassandra.cluster` imports eventlet where that is installed, needed or not, and eventlet runs the module
    `threading` a second time: its ``_MainThread()`` takes over the lock that tells of the end of the thread
    in which it is made. Were this not the main thread, its ``join()`` would never return.
    """
    if "cassandra.cluster" in sys.modules or "eventlet" in sys.modules:
        return
    # what the import system takes for: not there
    sys.modules["eventlet"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("cassandra.cluster")
    finally:
        del sys.modules["eventlet"]


@contextmanager
def session(url: str, timeout: float = SETTLED_WITHIN) -> Iterator[Any]:
    """A session of Cassandra's own driver, closed at the end.

    :param timeout: seconds that connecting, and each request, may take.
    """
    import_driver()
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster

    told = parts(url)
    login = PlainTextAuthProvider(told.user, told.password) if told.user else None
    cluster = Cluster(
        [told.host],
        port=told.port,
        auth_provider=login,
        connect_timeout=timeout,
        control_connection_timeout=timeout,
        schema_metadata_enabled=False,  # nobody asks for it here
    )
    try:
        connected = cluster.connect()
        connected.default_timeout = timeout
        yield connected
    finally:
        cluster.shutdown()


@dataclass(frozen=True)
class Parts:
    """What a ``cassandra://user:password@host:port`` says."""

    host: str
    port: int
    user: str
    password: str


def parts(url: str) -> Parts:
    """Take a URL apart; Celery has a setting for each part."""
    split = urlsplit(url)
    user, password = unquote(split.username or ""), unquote(split.password or "")
    return Parts(split.hostname or "127.0.0.1", split.port or 9042, user, password)


SERVICE = Cassandra()
