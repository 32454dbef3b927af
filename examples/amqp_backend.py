"""celery-amqp-backend from PyPI: a queue for each result (https://pypi.org/project/celery-amqp-backend/).

    pip install celery-amqp-backend
    pytest scenarios --backend=examples/amqp_backend.py -m amqp

The results lie in the broker, one queue a task. ``get()`` takes a result off its queue, and the queue goes
with its last reader (``auto_delete``): who looks natively must look at a result that nobody has read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from harness.backend import Backend, Stored

if TYPE_CHECKING:
    import amqp


class AMQP(Backend):
    name = "amqp"
    description = "a message on a queue of its own"
    documentation = "https://github.com/anexia/celery-amqp-backend"
    services = ("rabbitmq",)
    broker = "rabbitmq"
    packages = {"celery_amqp_backend": "celery-amqp-backend"}
    reading_consumes = True

    def settings(self) -> dict[str, object]:
        return {
            "result_backend": "celery_amqp_backend.AMQPBackend://",
            # names the exchange, and every queue begins with it
            "result_exchange": self.namespace.name,
        }

    @contextmanager
    def channel(self) -> Iterator[amqp.Channel]:
        import amqp

        url = urlsplit(self.servers["rabbitmq"].url)
        with amqp.Connection(
            host=f"{url.hostname}:{url.port}",
            userid=unquote(url.username or "guest"),
            password=unquote(url.password or "guest"),
            virtual_host=unquote(url.path[1:]) or "/",
        ) as connection:
            yield connection.channel()

    def queue(self, task_id: str) -> str:
        return f"{self.namespace.name}.{task_id}"

    def at_rest(self, task_id: str) -> Stored | None:
        import amqp

        last = None
        # what is got and not acknowledged goes back when the channel closes; no consumer is cancelled
        with self.channel() as channel:
            try:
                while (message := channel.basic_get(self.queue(task_id))) is not None:
                    last = message
            except amqp.NotFound:
                return None
        if last is None:
            return None
        raw = last.body if isinstance(last.body, bytes) else last.body.encode()
        shown = {"content-type": last.properties.get("content_type"), "headers": last.headers}
        return Stored(raw, f"queue {self.queue(task_id)}", self.lifetime(task_id), shown)

    def lifetime(self, task_id: str) -> float | None:
        """Seconds of disuse after which the server deletes the queue (``x-expires``).

        AMQP has no way to ask; a declaration with other arguments is refused with the present value.
        """
        import re

        import amqp

        with self.channel() as channel:
            try:
                channel.queue_declare(self.queue(task_id), durable=True, auto_delete=True)
            except amqp.PreconditionFailed as refused:
                found = re.search(r"x-expires.*current is the value '(\d+)'", str(refused))
                return int(found[1]) / 1000 if found else None
        return None

    def plant(self, task_id: str, raw: bytes) -> None:
        import amqp

        with self.channel() as channel:
            channel.queue_declare(self.queue(task_id), durable=True, auto_delete=True)
            channel.basic_publish(amqp.Message(raw), exchange="", routing_key=self.queue(task_id))

    def wipe(self) -> None:
        """The exchange. AMQP cannot list queues: those of unread results go when they expire."""
        with self.channel() as channel:
            channel.exchange_delete(self.namespace.name)
