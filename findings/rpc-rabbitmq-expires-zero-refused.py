"""On rpc with RabbitMQ, no task can be sent if result_expires is 0, which means for ever.

Usage: python rpc-rabbitmq-expires-zero-refused.py BROKER_URL [--workaround]
"""

from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", URL, result_expires=None if WORKAROUND else 0)


def look():
    queue = f"finding-{uuid4()}"
    with app.connection_for_write() as connection:
        try:
            app.send_task("finding.any", queue=queue, connection=connection, retry=False)
        except connection.channel_errors as error:
            return True, f"to send a task raised {error!r}"
        finally:
            connection.default_channel.queue_delete(queue)
    return False, "the task was sent"


if __name__ == "__main__":
    main(look)
