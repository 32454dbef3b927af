"""On Elasticsearch, results stay for ever: celery.backend_cleanup does nothing there.

Usage: python elasticsearch-result-expires-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from time import sleep
from uuid import uuid4

from celery.backends.elasticsearch import ElasticsearchBackend
from frame import URL, WORKAROUND, finding_app, main


class Expiring(ElasticsearchBackend):
    def cleanup(self):
        self.server.indices.refresh(index=self.index)
        old = {"range": {"@timestamp": {"lt": f"now-{int(self.expires)}s"}}}
        found = self.server.search(index=self.index, query=old, size=10_000, source=False)
        for hit in found["hits"]["hits"]:
            self.server.delete(index=self.index, id=hit["_id"])


store = f"{URL}-{uuid4()}"  # an index of its own
app = finding_app(f"__main__:Expiring+{store}" if WORKAROUND else store, result_expires=1)


def look():
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, 3)
    sleep(2.1)  # what has to be old cannot be hurried
    app.backend.cleanup()
    state = app.AsyncResult(result.id).state
    app.backend.server.indices.delete(index=app.backend.index)
    return state == "SUCCESS", f"result_expires=1, but after 2.1 seconds and a clean-up the result is {state}"


if __name__ == "__main__":
    main(look)
