"""Celery's ``elasticsearch`` result backend."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime
from functools import cached_property
from typing import Any

from harness.backend import Backend, Stored
from harness.services.elasticsearch import client


class Elasticsearch(Backend):
    name = "elasticsearch"
    description = "Elasticsearch: a JSON document a task, the serialized task meta in a text field"
    documentation = (
        "https://docs.celeryq.dev/en/stable/userguide/configuration.html#elasticsearch-backend-settings"
    )
    services = ("elasticsearch",)
    schemes = ("elasticsearch",)
    packages = {"elasticsearch": "celery-roundtrip[elasticsearch]"}

    @property
    def index(self) -> str:
        return self.namespace.name

    def settings(self) -> dict[str, object]:
        # the scheme that Celery takes for this backend is elasticsearch, or elasticsearch+https
        scheme, _, rest = self.servers["elasticsearch"].url.partition("://")
        scheme = "elasticsearch" if scheme == "http" else f"elasticsearch+{scheme}"
        return {"result_backend": f"{scheme}://{rest.rstrip('/')}/{self.index}"}

    def prepare(self) -> None:
        # Celery's first write creates it too, but who reads in that moment gets a 503, no shard available yet
        import elasticsearch

        try:
            self.server.indices.create(index=self.index)
        except elasticsearch.BadRequestError as error:
            if error.error != "resource_already_exists_exception":
                raise

    @cached_property
    def server(self) -> Any:
        return client(self.servers["elasticsearch"].url)

    def at_rest(self, task_id: str) -> Stored | None:
        import elasticsearch

        try:
            found = self.server.get(index=self.index, id=self.key(task_id))
        except elasticsearch.NotFoundError:
            return None
        source = dict(found["_source"])
        raw = source.pop("result")
        raw = b64decode(raw) if source.get("encoding") == "base64" else raw.encode("utf-8", "surrogatepass")
        return Stored(raw, f"document {self.key(task_id)}", None, source)

    def plant(self, task_id: str, raw: bytes) -> None:
        document = {"result": b64encode(raw).decode(), "encoding": "base64"}
        try:
            document = {"result": raw.decode()}
        except UnicodeDecodeError:
            pass  # a document is JSON: Elasticsearch's own form for bytes is base64
        self.server.index(index=self.index, id=self.key(task_id), document=document)

    def search(self, field: str, wanted: object) -> list[str]:
        # `result` is the whole task meta: one text, unless elasticsearch_save_meta_as_text is False
        if isinstance(wanted, datetime):
            wanted = wanted.isoformat()
        query: object = {
            "status": {"term": {"result.status.keyword": wanted}},
            "date_done": {"range": {"@timestamp": {"gte": wanted}}},
            "number": {"range": {"result.result": {"gte": wanted}}},
            "word": {"match": {"result": wanted}},
        }[field]
        self.server.indices.refresh(index=self.index)
        found = self.server.search(index=self.index, query=query, size=10_000, source=False)
        return [hit["_id"] for hit in found["hits"]["hits"]]

    def tally(self) -> dict[str, int]:
        self.server.indices.refresh(index=self.index)
        by_status = {"by_status": {"terms": {"field": "result.status.keyword"}}}
        found = self.server.search(index=self.index, size=0, aggregations=by_status)
        return {one["key"]: one["doc_count"] for one in found["aggregations"]["by_status"]["buckets"]}

    def evict(self, task_id: str) -> None:
        self.server.options(ignore_status=404).delete(index=self.index, id=self.key(task_id))

    def inventory(self) -> list[str]:
        from elasticsearch.helpers import scan

        # searches see what was written before the last refresh
        self.server.indices.refresh(index=self.index, ignore_unavailable=True)
        found = scan(self.server, index=self.index, _source=False, ignore_unavailable=True)
        return [f"document {hit['_id']}" for hit in found]

    def key(self, task_id: str) -> str:
        return f"celery-task-meta-{task_id}"

    def wipe(self) -> None:
        self.server.indices.delete(index=self.index, ignore_unavailable=True)
