"""Celery's ``rpc`` result backend, through RabbitMQ."""

from __future__ import annotations

import re

from backends._rpc import RPC
from harness.brokers import amqp_channel


class RPCRabbitMQ(RPC):
    name = "rpc-rabbitmq"
    description = "a message on the caller's reply queue, an AMQP queue"
    services = ("rabbitmq",)
    broker = "rabbitmq"

    def lifetime(self) -> float | None:
        """Seconds of disuse after which the server deletes the queue (``x-expires``).

        AMQP has no way to ask; a declaration with other arguments is refused with the present value.
        """
        import amqp

        with amqp_channel(self.servers["rabbitmq"]) as channel:
            try:
                channel.queue_declare(self.reply_queue, durable=True, auto_delete=True)
            except amqp.PreconditionFailed as refused:
                found = re.search(r"x-expires.*current is the value '(\d+)'", str(refused))
                return int(found[1]) / 1000 if found else None
        return None
