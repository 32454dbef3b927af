"""django-celery-results' ``django-cache`` on Django's file cache."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import time
import zlib
from functools import cached_property
from pathlib import Path

from backends._django import DjangoCache
from harness.backend import Stored

ROOM = 1_000_000
"""Entries that the cache may hold. Django's own default is 300, then it throws out a third at random."""

TASK_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DjangoCacheFile(DjangoCache):
    """One file a key: when it expires, pickled, then what it holds, pickled and compressed with zlib."""

    name = "django-cache-file"
    description = "Django's file cache, through django-celery-results"

    @property
    def folder(self) -> Path:
        return self.namespace.folder / "cache"

    def cache(self) -> dict[str, object]:
        return {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(self.folder),
            "OPTIONS": {"MAX_ENTRIES": ROOM},
        }

    @cached_property
    def _asked(self) -> dict[str, str]:
        """Names of the files that were asked for -> task id. A name is a digest: nobody can read it."""
        return {}

    def file(self, task_id: str) -> Path:
        # FileBasedCache._key_to_file, after BaseCache.make_key with no prefix and version 1
        digest = hashlib.md5(f":1:{self.key(task_id)}".encode(), usedforsecurity=False).hexdigest()
        name = f"{digest}.djcache"
        self._asked[name] = task_id
        return self.folder / name

    def at_rest(self, task_id: str) -> Stored | None:
        file = self.file(task_id)
        if not file.exists():
            return None
        expires, raw = _parts(file)
        lifetime = None if expires is None else expires - time.time()
        return Stored(raw, f"file {file.name} of {task_id}", lifetime)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.folder.mkdir(exist_ok=True)
        self.file(task_id).write_bytes(pickle.dumps(None) + raw)

    def evict(self, task_id: str) -> None:
        self.file(task_id).unlink(missing_ok=True)

    def inventory(self) -> list[str]:
        # not what FileBasedCache.set is just writing: it has another name until it is whole
        files = self.folder.glob("*.djcache")
        return [f"file {file.name} of {self._whose(file)}" for file in files]

    def _whose(self, file: Path) -> str:
        if file.name in self._asked:
            return self._asked[file.name]
        # Celery's task meta ends with its task's id
        found = TASK_ID.findall(zlib.decompress(_parts(file)[1]))
        return found[-1].decode("ascii") if found else "nobody known"


def _parts(file: Path) -> tuple[float | None, bytes]:
    """When a file expires (None: never), and the rest. Only our own worker writes these pickles."""
    opened = io.BytesIO(file.read_bytes())
    return pickle.load(opened), opened.read()
