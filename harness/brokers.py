"""Brokers: how workers and clients reach the message queue, in a namespace of their own."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

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
    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        """Remove what a run left on a server that it did not start, and nothing else.

        :param queues: names of all task queues of the run.
        """


class RedisBroker(Broker):
    name = "redis"
    services = ("redis",)

    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        return {
            "broker_url": servers["redis"].url,
            "broker_transport_options": {"global_keyprefix": redis_prefix(namespace)},
        }

    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        import redis

        with redis.Redis.from_url(servers["redis"].url) as client:
            for key in client.scan_iter(match=redis_prefix(namespace) + "*", count=1000):
                client.delete(key)


def redis_prefix(namespace: str) -> str:
    """What every key of the broker begins with, on Redis."""
    return f"{namespace}:broker:"


class RabbitMQBroker(Broker):
    name = "rabbitmq"
    services = ("rabbitmq",)

    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        return {
            "broker_url": servers["rabbitmq"].url,
            # else every worker would declare Celery's own exchanges on a server that is not ours
            "control_exchange": namespace,
            "event_exchange": f"{namespace}-events",
        }

    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        from kombu.connection import Connection

        connect: Any = Connection
        exchanges = [f"{namespace}.pidbox", f"reply.{namespace}.pidbox", f"{namespace}-events", *queues]
        with connect(servers["rabbitmq"].url) as connection:
            for queue in queues:
                connection.default_channel.queue_delete(queue)
            for exchange in exchanges:
                connection.default_channel.exchange_delete(exchange)


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

    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        """Nothing: its files go with the run's folder."""


BROKERS: Mapping[str, Broker] = {
    broker.name: broker for broker in (RedisBroker(), RabbitMQBroker(), FilesystemBroker())
}


def broker(name: str) -> Broker:
    """The broker of that name.

    :raises UnknownName: with the nearest names.
    """
    if name not in BROKERS:
        raise UnknownName("broker", name, BROKERS)
    return BROKERS[name]
