"""django-celery-results' ``django-cache`` on Django's memory cache, which is a dictionary in each process."""

from __future__ import annotations

import os

from backends._django import DjangoCache
from harness.backend import Stored

ROOM = 1_000_000
"""Entries that the cache may hold. Django's own default is 300, then it throws out a third."""


class DjangoCacheMemory(DjangoCache):
    name = "django-cache-memory"
    description = "Django's memory cache, through django-celery-results"
    shows_within = 0.5

    def cache(self) -> dict[str, object]:
        return {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": self.namespace.name,
            "OPTIONS": {"MAX_ENTRIES": ROOM},
        }

    def at_rest(self, task_id: str) -> Stored | None:
        """What lies in this process: another one's memory cannot be read."""
        from django.core.cache import cache

        raw = cache.get(self.key(task_id))
        if raw is None:
            return None
        return Stored(raw if isinstance(raw, bytes) else repr(raw).encode(), f"key {self.key(task_id)}")

    def plant(self, task_id: str, raw: bytes) -> None:
        """From another process than the one that reads, for a worker is one too."""
        from django.core.cache import cache

        child = os.fork()
        if child == 0:
            cache.set(self.key(task_id), raw)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            raise RuntimeError(f"the planting process ended with status {status}")

    def evict(self, task_id: str) -> None:
        """From this process's memory: another one's cannot be reached."""
        from django.core.cache import cache

        cache.delete(self.key(task_id))

    def inventory(self) -> list[str]:
        # LocMemCache has no public way to list its keys
        from django.core.cache import caches

        return [str(key) for key in caches["default"]._cache]
