"""What the ``rpc`` backends have in common: results are messages on the caller's own reply queue."""

from __future__ import annotations

from harness.backend import Backend, Stored
from harness.brokers import Broker, broker


class RPC(Backend):
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#rpc-backend-settings"
    schemes = ("rpc",)
    reading_consumes = True

    @property
    def home(self) -> Broker:
        """The broker that holds the reply queue."""
        assert self.broker is not None
        return broker(self.broker)

    def settings(self) -> dict[str, object]:
        return {"result_backend": "rpc://"}

    def lifetime(self) -> float | None:
        """Seconds until the server removes the reply queue, or None if it never does."""
        raise NotImplementedError

    def at_rest(self, task_id: str) -> Stored | None:
        for message in self.home.peek(self.namespace.run, self.reply_queue, self.servers):
            if message.correlation_id == task_id:
                shown = {
                    "content-type": message.content_type,
                    "content-encoding": message.content_encoding,
                    "headers": message.headers,
                }
                return Stored(message.body, message.place, self.lifetime(), shown)
        return None

    def plant(self, task_id: str, raw: bytes) -> None:
        self.home.put(self.namespace.run, self.reply_queue, self.servers, raw, task_id)

    def inventory(self) -> list[str]:
        messages = self.home.peek(self.namespace.run, self.reply_queue, self.servers)
        return [f"message {message.correlation_id}" for message in messages]
