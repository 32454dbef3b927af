"""celery-redis-sync from PyPI: Redis without publish and subscribe (https://pypi.org/project/celery-redis-sync/).

    pip install celery-redis-sync
    pytest scenarios --backend=examples/redis_sync.py -m redis-sync

Use a virtual environment of its own: once installed, the package takes over ``redis://`` URLs as well.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from harness.backend import Backend, Stored

if TYPE_CHECKING:
    import redis


class RedisSync(Backend):
    name = "redis-sync"
    description = "Redis, read by polling"
    documentation = "https://github.com/zeitonline/celery_redis_sync"
    services = ("redis",)
    packages = {"celery_redis_sync": "celery-redis-sync", "redis": "redis"}

    @property
    def prefix(self) -> str:
        return self.namespace.name + ":"

    def settings(self) -> dict[str, object]:
        # what the package documents: redis+sync:// in the place of redis://
        return {
            "result_backend": self.servers["redis"].url.replace("://", "+sync://", 1),
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
        if raw is None:
            return None
        left = self.client.pttl(self.key(task_id))
        return Stored(raw, f"key {self.key(task_id)}", left / 1000 if left >= 0 else None)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.client.set(self.key(task_id), raw)

    def inventory(self) -> list[str]:
        return [key.decode() for key in self.client.scan_iter(match=self.prefix + "*", count=1000)]

    def wipe(self) -> None:
        keys = self.inventory()
        if keys:
            self.client.delete(*keys)


class RedisSyncMended(RedisSync):
    """The same with the workaround of redis_sync.toml."""

    name = "redis-sync-mended"
    description = "Redis, read by polling; writing mended"

    def settings(self) -> dict[str, object]:
        url = "mended_redis_sync:Mended+" + self.servers["redis"].url
        return {**super().settings(), "result_backend": url}
