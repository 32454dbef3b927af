"""Celery's ``rpc`` result backend, through Redis as broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backends._rpc import RPC
from harness.backend import Stored
from harness.brokers import redis_prefix

if TYPE_CHECKING:
    import redis


class RPCRedis(RPC):
    name = "rpc-redis"
    description = "a message on the caller's reply queue, a Redis list"
    services = ("redis",)
    broker = "redis"
    packages = {"redis": "celery-roundtrip[redis]"}

    @cached_property
    def client(self) -> redis.Redis:
        import redis

        return redis.Redis.from_url(self.servers["redis"].url)

    @property
    def key(self) -> str:
        return redis_prefix(self.namespace.run) + self.reply_queue

    def messages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Correlation id and message of everything on the twin's reply queue; nothing is taken off."""
        for raw in self.client.lrange(self.key, 0, -1):
            message = json.loads(raw)
            yield message["properties"].get("correlation_id", ""), message

    def at_rest(self, task_id: str) -> Stored | None:
        for number, (correlation_id, message) in enumerate(self.messages()):
            if correlation_id == task_id:
                encoded = message["properties"].get("body_encoding") == "base64"
                body = message["body"]
                raw = base64.b64decode(body) if encoded else body.encode()
                shown = {
                    "content-type": message["content-type"],
                    "content-encoding": message["content-encoding"],
                    "headers": message["headers"],
                }
                left = int(str(self.client.pttl(self.key)))
                return Stored(
                    raw, f"list {self.key}, message {number}", left / 1000 if left >= 0 else None, shown
                )
        return None

    def plant(self, task_id: str, raw: bytes) -> None:
        message = {
            "body": base64.b64encode(raw).decode(),
            "content-type": "application/octet-stream",
            "content-encoding": "binary",
            "headers": {},
            "properties": {"correlation_id": task_id, "body_encoding": "base64"},
        }
        self.client.lpush(self.key, json.dumps(message))

    def inventory(self) -> list[str]:
        return [f"message {correlation_id}" for correlation_id, _ in self.messages()]
