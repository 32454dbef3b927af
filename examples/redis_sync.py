"""celery-redis-sync from PyPI: Redis without publish and subscribe (https://pypi.org/project/celery-redis-sync/).

    pip install celery-redis-sync
    pytest scenarios --backend=examples/redis_sync.py -m redis-sync

Use a virtual environment of its own: once installed, the package takes over ``redis://`` URLs as well.
"""

from __future__ import annotations

from backends.redis import Redis


class RedisSync(Redis):
    """Read natively as the project's own; and what is known of that one holds for this one too."""

    name = "redis-sync"
    description = "Redis, read by polling"
    documentation = "https://github.com/zeitonline/celery_redis_sync"
    schemes = ()
    derived_from = "redis"
    packages = {"celery_redis_sync": "celery-redis-sync", "redis": "redis"}

    def settings(self) -> dict[str, object]:
        # what the package documents: redis+sync:// in the place of redis://
        url = self.servers["redis"].url.replace("://", "+sync://", 1)
        return {**super().settings(), "result_backend": url}


class RedisSyncMended(RedisSync):
    """The same with the workaround of redis_sync.toml."""

    name = "redis-sync-mended"
    description = "Redis, read by polling; writing mended"

    def settings(self) -> dict[str, object]:
        url = "mended_redis_sync:Mended+" + self.servers["redis"].url
        return {**super().settings(), "result_backend": url}
