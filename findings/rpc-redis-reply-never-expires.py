"""On Redis, a reply of the rpc result backend that nobody reads stays for ever, despite result_expires.

Usage: python rpc-redis-reply-never-expires.py BROKER_URL [--workaround]
The URL begins with redis://.
"""

from time import sleep

from celery import current_task
from celery.backends.rpc import RPCBackend
from frame import URL, WORKAROUND, finding_app, main, worker


class Expiring(RPCBackend):
    def on_reply_declare(self, _):
        to = current_task.request.reply_to
        how = {"durable": True, "auto_delete": True, "expires": self.expires}
        return [self.Queue(to, self.exchange, to, **how)]


app = finding_app(f"{__name__}:Expiring+rpc://" if WORKAROUND else "rpc://", URL, result_expires=3600)


@app.task(name="finding")
def task():
    return 42


def look():
    with worker(), app.connection_for_read() as connection:
        task.delay()
        queue, redis = app.thread_oid, connection.default_channel.client
        while not redis.exists(queue):
            sleep(0.05)
        left = redis.pttl(queue)
        redis.delete(queue)
    return left == -1, f"the list with the unread reply has PTTL {left}, result_expires is 3600 s"


if __name__ == "__main__":
    main(look)
