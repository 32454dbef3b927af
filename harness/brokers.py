"""Brokers: how workers and clients reach the message queue, in a namespace of their own; the default one."""

from __future__ import annotations

import abc
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.errors import UnknownName
from harness.services import Server


@dataclass(frozen=True)
class Message:
    """A message at rest, as the broker's own client sees it.

    :param body: the bytes that the producer handed over: serialised, perhaps compressed.
    :param place: where it lies.
    """

    body: bytes
    content_type: str
    content_encoding: str
    correlation_id: str
    headers: Mapping[str, object]
    place: str


class Broker(abc.ABC):
    """A message broker: an axis of its own, so that results and messages may live on different servers."""

    name: ClassVar[str]
    services: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        """Celery settings that keep every queue and key below `namespace`, every file below `folder`."""

    def peek(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> list[Message]:
        """What lies in a queue, first in first; nothing is taken off.

        :raises NotImplementedError: the broker offers no way to look.
        """
        raise NotImplementedError

    def put(
        self, namespace: str, queue: str, servers: Mapping[str, Server], body: bytes, correlation_id: str
    ) -> None:
        """Put a message natively into a queue that exists; it says of itself that it is JSON.

        :raises NotImplementedError: the broker offers no way to do it.
        """
        raise NotImplementedError

    def wipe_queue(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> None:
        """Remove one queue and the exchange that Celery named after it."""
        raise NotImplementedError

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

    def peek(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> list[Message]:
        import redis

        key = redis_prefix(namespace) + queue
        with redis.Redis.from_url(servers["redis"].url) as client:
            # kombu pushes on the left and pops on the right
            raw = [json.loads(item) for item in client.lrange(key, 0, -1)][::-1]
        return [
            _redis_message(message, f"list {key}, message {number}") for number, message in enumerate(raw)
        ]

    def put(
        self, namespace: str, queue: str, servers: Mapping[str, Server], body: bytes, correlation_id: str
    ) -> None:
        import redis

        message = {
            "body": base64.b64encode(body).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {},
            "properties": {
                "correlation_id": correlation_id,
                "body_encoding": "base64",
                # without them kombu takes the message for a lost connection
                "delivery_tag": correlation_id,
                "delivery_info": {"exchange": "", "routing_key": queue},
            },
        }
        with redis.Redis.from_url(servers["redis"].url) as client:
            client.lpush(redis_prefix(namespace) + queue, json.dumps(message))

    def wipe_queue(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> None:
        import redis

        with redis.Redis.from_url(servers["redis"].url) as client:
            client.delete(redis_prefix(namespace) + queue)

    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        import redis

        with redis.Redis.from_url(servers["redis"].url) as client:
            for key in client.scan_iter(match=redis_prefix(namespace) + "*", count=1000):
                client.delete(key)


def _redis_message(message: dict[str, Any], place: str) -> Message:
    properties = message["properties"]
    encoded = properties.get("body_encoding") == "base64"
    return Message(
        base64.b64decode(message["body"]) if encoded else message["body"].encode(),
        message["content-type"],
        message["content-encoding"],
        properties.get("correlation_id", ""),
        message["headers"],
        place,
    )


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

    def peek(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> list[Message]:
        found: list[Message] = []
        # what was got and is not acknowledged goes back when the channel ends; no consumer is cancelled
        with amqp_channel(servers["rabbitmq"]) as channel:
            while (message := channel.basic_get(queue)) is not None:
                told = message.properties
                body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
                found.append(
                    Message(
                        body,
                        told.get("content_type", ""),
                        told.get("content_encoding", ""),
                        told.get("correlation_id", ""),
                        told.get("application_headers", {}),
                        f"queue {queue}, message {len(found)}",
                    )
                )
        return found

    def put(
        self, namespace: str, queue: str, servers: Mapping[str, Server], body: bytes, correlation_id: str
    ) -> None:
        import amqp

        told = {"content_type": "application/json", "content_encoding": "utf-8"}
        message = amqp.Message(body, correlation_id=correlation_id, **told)
        with amqp_channel(servers["rabbitmq"]) as channel:
            channel.basic_publish(message, exchange="", routing_key=queue)

    def wipe_queue(self, namespace: str, queue: str, servers: Mapping[str, Server]) -> None:
        with amqp_channel(servers["rabbitmq"]) as channel:
            channel.queue_delete(queue)
            channel.exchange_delete(queue)

    def wipe(self, namespace: str, queues: Sequence[str], servers: Mapping[str, Server]) -> None:
        with amqp_channel(servers["rabbitmq"]) as channel:
            for queue in queues:
                channel.queue_delete(queue)
            for exchange in (
                f"{namespace}.pidbox",
                f"reply.{namespace}.pidbox",
                f"{namespace}-events",
                *queues,
            ):
                channel.exchange_delete(exchange)


@contextmanager
def amqp_channel(server: Server) -> Iterator[Any]:
    """A channel of its own on an AMQP server."""
    from kombu.connection import Connection

    connect: Any = Connection
    with connect(server.url) as connection:
        yield connection.channel()


class FilesystemBroker(Broker):
    """kombu's filesystem transport, mended (`harness.spool`): a broker without a server."""

    name = "filesystem"

    def settings(self, namespace: str, folder: Path, servers: Mapping[str, Server]) -> dict[str, object]:
        messages, control = folder / "messages", folder / "control"
        for made in (messages, control):
            made.mkdir(parents=True, exist_ok=True)
        return {
            "broker_url": "filesystem://",
            "broker_transport": "harness.spool:Transport",
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


DEFAULT = RedisBroker.name
"""The broker where ``--broker`` names none."""


def broker(name: str) -> Broker:
    """The broker of that name.

    :raises UnknownName: with the nearest names.
    """
    if name not in BROKERS:
        raise UnknownName("broker", name, BROKERS)
    return BROKERS[name]
