"""celery-redis-sync's result backend with a `_set` that takes what Celery 5.7 gives it."""

from celery_redis_sync.redis_sync import SynchronousRedisBackend


class Mended(SynchronousRedisBackend):
    def _set(self, key, value, expires=None):
        expires = self.expires if expires is None else expires
        if expires:
            self.client.setex(key, expires, value)
        else:
            self.client.set(key, value)
