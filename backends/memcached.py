"""Celery's ``cache`` result backend on memcached."""

from __future__ import annotations

import socket
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from harness import poll
from harness.backend import Backend, Stored
from harness.services.memcached import address

TIMEOUT = 5.0
"""Seconds that the server gets for one answer."""


class Memcached(Backend):
    name = "memcached"
    description = "memcached through pymemcache: one item a task"
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#cache-backend-settings"
    services = ("memcached",)
    packages = {"pymemcache": "celery-roundtrip[memcached]"}

    @property
    def prefix(self) -> str:
        return self.namespace.name + ":"

    def settings(self) -> dict[str, object]:
        return {
            "result_backend": f"cache+{self.servers['memcached'].url}",
            "result_backend_transport_options": {"global_keyprefix": self.prefix},
        }

    @cached_property
    def client(self) -> Any:  # pymemcache ships no types
        from pymemcache.client.base import Client

        where = address(self.servers["memcached"].url)
        return Client(where, connect_timeout=TIMEOUT, timeout=TIMEOUT, default_noreply=False)

    def key(self, task_id: str) -> str:
        return f"{self.prefix}celery-task-meta-{task_id}"

    def at_rest(self, task_id: str) -> Stored | None:
        from pymemcache.exceptions import MemcacheIllegalInputError

        try:
            raw = self.client.get(self.key(task_id))
        except MemcacheIllegalInputError:
            return None  # too long, or with blanks or NUL in it: no item can have that key
        if raw is None:
            return None
        # "HD t3600": seconds left, -1 for ever
        left = float(self.client.raw_command(f"mg {self.key(task_id)} t").split(b"t", 1)[1])
        return Stored(raw, f"key {self.key(task_id)}", left if left >= 0 else None)

    def plant(self, task_id: str, raw: bytes) -> None:
        self.client.set(self.key(task_id), raw)

    def evict(self, task_id: str) -> None:
        self.client.delete(self.key(task_id))

    def inventory(self) -> list[str]:
        """The keys that the server's crawler meets on its walk through all items.

        memcached has no other list. An item that is moved between the server's queues during the walk may be
        missed; one that nobody touches is not.
        """
        keys = poll.until(lambda: _keys(self.servers["memcached"].url), TIMEOUT)
        if keys is None:
            raise TimeoutError(f"the crawler of memcached was busy for {TIMEOUT:g} s")
        return sorted(key for key in keys if key.startswith(self.prefix))

    def wipe(self) -> None:
        self.client.delete_many(self.inventory())


def _keys(url: str) -> set[str] | None:
    """Every key of a server, or None while its one crawler is at work for somebody else."""
    keys = set()
    with socket.create_connection(address(url), TIMEOUT) as connection, connection.makefile("rb") as lines:
        connection.sendall(b"lru_crawler metadump all\r\n")
        for line in lines:
            if line.startswith(b"key="):
                keys.add(unquote(line.split()[0][4:].decode("ascii")))
            elif line.startswith(b"BUSY"):
                return None
            elif line == b"END\r\n":
                return keys
            else:
                raise ValueError(f"memcached cannot list its keys: {line!r}")
    raise EOFError("memcached ended the list of its keys in the middle")
