"""With RabbitMQ as broker, a task whose id is longer than 255 bytes cannot be sent.

Usage: python rabbitmq-id-over-255-bytes.py BROKER_URL [--workaround]
"""

import struct
from hashlib import sha256
from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

app = finding_app("rpc://", URL)


def look():
    queue, task_id = f"finding-{uuid4()}", "a" * 256
    if WORKAROUND:
        task_id = sha256(task_id.encode()).hexdigest()
    with app.connection_for_write() as connection:
        try:
            app.send_task("finding.any", task_id=task_id, queue=queue, connection=connection, retry=False)
        except struct.error as error:
            return True, f"to send the task raised {error!r}"
        finally:
            connection.default_channel.queue_delete(queue)
    return False, "the task was sent"


if __name__ == "__main__":
    main(look)
