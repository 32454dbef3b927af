"""django-celery-results' ``django-cache`` on Django's Redis cache."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from backends._django import DjangoCache
from harness.backend import Stored

if TYPE_CHECKING:
    import redis


class DjangoCacheRedis(DjangoCache):
    name = "django-cache-redis"
    description = "Django's Redis cache (SETEX of a pickle), through django-celery-results"
    services = ("redis",)
    packages = {**DjangoCache.packages, "redis": "celery-roundtrip[redis]"}

    def cache(self) -> dict[str, object]:
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": self.servers["redis"].url,
            "KEY_PREFIX": self.namespace.name,
        }

    @cached_property
    def client(self) -> redis.Redis:
        import redis

        return redis.Redis.from_url(self.servers["redis"].url)

    def place(self, task_id: str) -> str:
        # BaseCache.make_key, with version 1
        return f"{self.namespace.name}:1:{self.key(task_id)}"

    def at_rest(self, task_id: str) -> Stored | None:
        raw = self.client.get(self.place(task_id))
        if not isinstance(raw, bytes):
            return None
        left = int(str(self.client.pttl(self.place(task_id))))
        return Stored(raw, f"key {self.place(task_id)}", left / 1000 if left >= 0 else None)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.client.set(self.place(task_id), raw)

    def evict(self, task_id: str) -> None:
        self.client.delete(self.place(task_id))

    def inventory(self) -> list[str]:
        return [key.decode() for key in self.client.scan_iter(match=f"{self.namespace.name}:*", count=1000)]

    def wipe(self) -> None:
        keys = self.inventory()
        if keys:
            self.client.delete(*keys)
