"""On the Redis result backend, a chord that is done leaves a key for 300 seconds.

Usage: python redis-chord-marker-left.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, finding_app, main

app = finding_app()


@app.task
def body(results):
    return results


def look():
    group_id, task_id = str(uuid4()), str(uuid4())
    app.backend.set_chord_size(group_id, 1)
    app.backend.apply_chord((group_id, []), body.s())
    header = Context(id=task_id, group=group_id, group_index=0, chord=body.s())
    app.backend.mark_as_done(task_id, 42, request=header)
    if WORKAROUND:
        app.backend.client.delete(app.backend.get_key_for_group(group_id, ".c"))
    left = list(app.backend.client.scan_iter(match=f"*{group_id}*"))
    lives = [f"{key.decode()} for {app.backend.client.ttl(key)} s" for key in left]
    app.backend.forget(task_id)
    if left:
        app.backend.client.delete(*left)
    return bool(left), f"the body was sent; left behind: {lives}"


if __name__ == "__main__":
    main(look)
