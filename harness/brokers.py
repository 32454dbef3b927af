"""Brokers: how workers and clients reach the message queue, in a namespace of their own."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from harness.errors import UnknownName
from harness.services import Server


class Broker(abc.ABC):
    """A message broker: an axis of its own, so that results and messages may live on different servers."""

    name: ClassVar[str]
    services: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        """Celery settings that keep every queue and key below `namespace`, every file below `folder`."""

    @abc.abstractmethod
    def wipe(self, namespace: str, servers: Mapping[str, Server]) -> None:
        """Remove what a run left on a server that it did not start, and nothing else."""


class RedisBroker(Broker):
    name = "redis"
    services = ("redis",)

    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        return {
            "broker_url": servers["redis"].url,
            "broker_transport_options": {"global_keyprefix": self._prefix(namespace)},
        }

    def wipe(self, namespace: str, servers: Mapping[str, Server]) -> None:
        import redis

        with redis.Redis.from_url(servers["redis"].url) as client:
            for key in client.scan_iter(match=self._prefix(namespace) + "*", count=1000):
                client.delete(key)

    def _prefix(self, namespace: str) -> str:
        return f"{namespace}:broker:"


class FilesystemBroker(Broker):
    """kombu's filesystem transport: a broker without a server."""

    name = "filesystem"

    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        messages, control = folder / "messages", folder / "control"
        for made in (messages, control):
            made.mkdir(parents=True, exist_ok=True)
        return {
            "broker_url": "filesystem://",
            "broker_transport_options": {
                "data_folder_in": str(messages),
                "data_folder_out": str(messages),
                "control_folder": str(control),
                "polling_interval": 0.02,  # kombu's own second would be the time of every task
            },
        }

    def wipe(self, namespace: str, servers: Mapping[str, Server]) -> None:
        """Nothing: its files go with the run's folder."""


BROKERS: Mapping[str, Broker] = {broker.name: broker for broker in (RedisBroker(), FilesystemBroker())}


def broker(name: str) -> Broker:
    """The broker of that name.

    :raises UnknownName: with the nearest names.
    """
    if name not in BROKERS:
        raise UnknownName("broker", name, BROKERS)
    return BROKERS[name]
