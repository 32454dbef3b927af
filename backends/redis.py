"""Celery's ``redis`` result backend."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from harness.backend import Backend, Stored

if TYPE_CHECKING:
    import redis


class Redis(Backend):
    name = "redis"
    description = "Redis (or Valkey): SETEX and PUBLISH of one JSON-like document a task"
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#redis-backend-settings"
    services = ("redis",)
    schemes = ("redis", "rediss")
    packages = {"redis": "celery-roundtrip[redis]"}

    @property
    def prefix(self) -> str:
        return self.namespace.name + ":"

    def settings(self) -> dict[str, object]:
        return {
            "result_backend": self.servers["redis"].url,
            "result_backend_transport_options": {"global_keyprefix": self.prefix},
        }

    @cached_property
    def client(self) -> redis.Redis:
        import redis

        return redis.Redis.from_url(self.servers["redis"].url)

    def key(self, task_id: str) -> str:
        return f"{self.prefix}celery-task-meta-{task_id}"

    def at_rest(self, task_id: str) -> Stored | None:
        raw = self.client.get(self.key(task_id))
        if not isinstance(raw, bytes):
            return None
        left = int(str(self.client.pttl(self.key(task_id))))
        return Stored(raw, f"key {self.key(task_id)}", left / 1000 if left >= 0 else None)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.client.set(self.key(task_id), raw)

    def evict(self, task_id: str) -> None:
        self.client.delete(self.key(task_id))

    def inventory(self) -> list[str]:
        return [key.decode() for key in self.client.scan_iter(match=self.prefix + "*", count=1000)]

    def wipe(self) -> None:
        keys = self.inventory()
        if keys:
            self.client.delete(*keys)
