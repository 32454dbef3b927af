"""Celery's ``rpc`` result backend, through Redis as broker."""

from __future__ import annotations

from backends._rpc import RPC
from harness.brokers import redis_prefix


class RPCRedis(RPC):
    name = "rpc-redis"
    description = "a message on the caller's reply queue, a Redis list"
    services = ("redis",)
    broker = "redis"
    packages = {"redis": "celery-roundtrip[redis]"}

    def lifetime(self) -> float | None:
        import redis

        with redis.Redis.from_url(self.servers["redis"].url) as client:
            left = int(str(client.pttl(redis_prefix(self.namespace.run) + self.reply_queue)))
        return left / 1000 if left >= 0 else None
