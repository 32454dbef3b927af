"""On MongoDB, a result does not know its task's stamps, although they are stored.

Usage: python mongodb-stamps-not-read.py RESULT_BACKEND_URL [--workaround]
The URL begins with mongodb://.
"""

from uuid import uuid4

from celery.app.task import Context
from celery.backends.mongodb import MongoBackend
from frame import URL, WORKAROUND, finding_app, main


class Whole(MongoBackend):
    def _get_task_meta_for(self, task_id):
        stored = self.collection.find_one({"_id": task_id}) or {}
        return {**stored, **super()._get_task_meta_for(task_id)}


app = finding_app(f"__main__:Whole+{URL}" if WORKAROUND else URL, result_extended=True)
WANTED = {"stamped_headers": ["tenant"], "tenant": ["a"]}


def look():
    task_id = str(uuid4())
    request = Context(id=task_id, stamped_headers=["tenant"], stamps={"tenant": ["a"]})
    app.backend.mark_as_done(task_id, 42, request)
    stored = app.backend.collection.find_one({"_id": task_id})
    read = app.backend.get_task_meta(task_id)
    app.backend.forget(task_id)
    assert stored.items() >= WANTED.items(), stored
    lacking = [name for name in WANTED if read.get(name) != WANTED[name]]
    return bool(lacking), f"stored and not read: {lacking}; read are {sorted(read)}"


if __name__ == "__main__":
    main(look)
