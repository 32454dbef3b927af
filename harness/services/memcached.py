"""Memcached: the server of that name on PATH. No wheel brings it."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service

MEGABYTES = "1024"
"""An upper limit, taken as needed. At the default of 64, results would make room for later ones."""


class Memcached(Service):
    name = "memcached"
    schemes = ("memcached",)

    def local_command(self, port: int, folder: Path) -> LocalCommand:  # noqa: ARG002 - it keeps no data
        binary = shutil.which("memcached")
        if not binary:
            raise ServiceUnavailable("no memcached on PATH", "apt-get install memcached")
        # -U 0: no UDP; -u: root must name another user, and whoever else is asked to cannot
        options = ("-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody", "-m", MEGABYTES)
        return LocalCommand((binary, *options))

    def local_url(self, port: int) -> str:
        return f"memcached://127.0.0.1:{port}"

    def container(self) -> Container:
        return Container(11211, command=("memcached", "-m", MEGABYTES))

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        from pymemcache.client.base import Client
        from pymemcache.exceptions import MemcacheError

        client = Client(address(url), connect_timeout=timeout, timeout=timeout)
        try:
            version = client.version()
        except MemcacheError as error:
            if b"unauthenticated" in error.args:
                raise Rejected(
                    "it wants a user and a password, and Celery's client gives none",
                    "name a memcached without SASL",
                ) from error
            raise NotReady(f"no answer of memcached: {error!r}") from error
        except OSError as error:
            raise NotReady(f"no answer: {error}") from error
        finally:
            client.close()
        return "memcached", version.decode("ascii", "replace")

    def checked_url(self, url: str) -> str:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise RoundtripError(
                "a memcached URL takes no user and password: Celery's client (pymemcache) cannot log in"
            )
        if not parts.hostname or parts.path.strip("/") or parts.query:
            raise RoundtripError("a memcached URL names one server: memcached://HOST:PORT")
        return url


def address(url: str) -> tuple[str, int]:
    """Host and port, as pymemcache takes them."""
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or 11211


SERVICE = Memcached()
