"""Brokers: how workers and clients reach the message queue, in a namespace of their own."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import ClassVar

from harness.errors import UnknownName
from harness.services import Server


class Broker(abc.ABC):
    """A message broker: an axis of its own, so that results and messages may live on different servers."""

    name: ClassVar[str]
    services: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def settings(self, namespace: str, servers: Mapping[str, Server]) -> dict[str, object]:
        """Celery settings that keep every queue and key below `namespace`."""

    @abc.abstractmethod
    def wipe(self, namespace: str, servers: Mapping[str, Server]) -> None:
        """Remove what a run left on a server that it did not start, and nothing else."""


class RedisBroker(Broker):
    name = "redis"
    services = ("redis",)

    def settings(self, namespace: str, servers: Mapping[str, Server]) -> dict[str, object]:
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


BROKERS: Mapping[str, Broker] = {broker.name: broker for broker in (RedisBroker(),)}


def broker(name: str) -> Broker:
    """The broker of that name.

    :raises UnknownName: with the nearest names.
    """
    if name not in BROKERS:
        raise UnknownName("broker", name, BROKERS)
    return BROKERS[name]
