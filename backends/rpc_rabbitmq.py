"""Celery's ``rpc`` result backend, through RabbitMQ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backends._rpc import RPC
from harness.backend import Stored


class RPCRabbitMQ(RPC):
    name = "rpc-rabbitmq"
    description = "a message on the caller's reply queue, an AMQP queue"
    services = ("rabbitmq",)
    broker = "rabbitmq"

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """A channel whose end puts back what was got: nothing is acknowledged, no consumer is cancelled."""
        from kombu.connection import Connection

        connection: Any = Connection
        with connection(self.servers["rabbitmq"].url) as opened:
            yield opened.channel()

    def messages(self, channel: Any) -> Iterator[tuple[str, Any]]:
        while (message := channel.basic_get(self.reply_queue)) is not None:
            yield message.properties.get("correlation_id", ""), message

    def at_rest(self, task_id: str) -> Stored | None:
        with self.channel() as channel:
            found = next((message for known, message in self.messages(channel) if known == task_id), None)
            if found is None:
                return None
            body = found.body
            raw = body.encode() if isinstance(body, str) else bytes(body)
            shown = {
                "content-type": found.properties.get("content_type"),
                "content-encoding": found.properties.get("content_encoding"),
                "headers": found.properties.get("application_headers"),
            }
        return Stored(raw, f"queue {self.reply_queue}", self.lifetime(), shown)

    def lifetime(self) -> float | None:
        """Seconds of disuse after which the server deletes the queue (``x-expires``), or None.

        AMQP has no way to ask; a declaration with other arguments is refused with the present value.
        """
        import amqp

        with self.channel() as channel:
            try:
                channel.queue_declare(self.reply_queue, durable=False, auto_delete=True)
            except amqp.PreconditionFailed as refused:
                found = re.search(r"x-expires.*current is the value '(\d+)'", str(refused))
                return int(found[1]) / 1000 if found else None
        return None

    def plant(self, task_id: str, raw: bytes) -> None:
        import amqp

        with self.channel() as channel:
            message = amqp.Message(raw, correlation_id=task_id, content_type="application/octet-stream")
            channel.basic_publish(message, exchange="", routing_key=self.reply_queue)

    def inventory(self) -> list[str]:
        with self.channel() as channel:
            return [f"message {known}" for known, _ in self.messages(channel)]
