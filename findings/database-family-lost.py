"""On the database result backend, a result does not know the group and parent of its task.

Usage: python database-family-lost.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from celery.app.task import Context
from frame import WORKAROUND, finding_app, main

app = finding_app(result_extended=True)


def look():
    task_id = str(uuid4())
    request = Context(id=task_id, group="the group", parent_id="the parent")
    if WORKAROUND:  # what signature.stamp(family="the group") does
        request.update(stamped_headers=["family"], stamps={"family": "the group"})
    app.backend.mark_as_done(task_id, 42, request)
    meta = app.backend.get_task_meta(task_id)
    app.AsyncResult(task_id).forget()
    told = meta.get("family" if WORKAROUND else "group_id")
    return told != "the group", f"the meta tells {told!r} of the group, and has {sorted(meta)}"


if __name__ == "__main__":
    main(look)
