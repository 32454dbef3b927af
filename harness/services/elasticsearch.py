"""Elasticsearch: Elastic's bare distribution from Maven Central on Java 17, one node without x-pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import NotReady, Rejected
from harness.jars import ELASTICSEARCH as SERVER
from harness.services import Container, LocalCommand, Service


class Elasticsearch(Service):
    name = "elasticsearch"
    schemes = ("http", "https")
    # local 3 to 8 s; the public image has more modules to load
    ready_within = 180.0

    def fetch(self, say: Callable[[str], None]) -> None:
        SERVER.fetch(say)

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        start = ("sh", str(SERVER.recipe / "start"), str(folder / "data"), str(port))
        return LocalCommand(start, SERVER.environment())

    def local_url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def container(self) -> Container:
        environment = {
            "discovery.type": "single-node",
            # plain HTTP without a password, on loopback
            "xpack.security.enabled": "false",
            # else a disk fuller than 85 % leaves new indices without a shard
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            # else half of the machine's memory
            "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
        }
        return Container(9200, environment)

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        import elasticsearch

        asked = client(url, timeout)
        try:
            # not `GET /`: the bare distribution does not serve it
            health = asked.cluster.health()
            nodes = asked.nodes.info(filter_path="nodes.*.version")
        except (elasticsearch.AuthenticationException, elasticsearch.AuthorizationException) as error:
            raise Rejected(f"it refused the credentials: {error}") from error
        except elasticsearch.UnsupportedProductError as error:
            raise Rejected(f"it is no Elasticsearch: {error}", "name an Elasticsearch 8 server") from error
        except (elasticsearch.ApiError, elasticsearch.TransportError) as error:
            raise NotReady(f"no answer: {error}") from error
        finally:
            asked.close()
        if health["status"] == "red":
            raise NotReady("the cluster's status is red")
        versions = {str(node["version"]) for node in nodes["nodes"].values()}
        return "Elasticsearch", ", ".join(sorted(versions))


def client(url: str, timeout: float = 30.0) -> Any:
    """Elastic's own client, which takes answers from Elasticsearch only: they carry its product header.

    :param timeout: seconds that each request may take; none is sent twice.
    """
    import elasticsearch

    return elasticsearch.Elasticsearch(url, request_timeout=timeout, max_retries=0, retry_on_timeout=False)


SERVICE = Elasticsearch()
