"""Celery's ``mongodb`` result backend."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.backend import Backend, Stored
from harness.services.mongodb import DATABASE

if TYPE_CHECKING:
    import pymongo
    from pymongo.collection import Collection

Document = dict[str, Any]


class MongoDB(Backend):
    name = "mongodb"
    description = "MongoDB through pymongo: one document a task, the result a string or binary field of it"
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#mongodb-backend-settings"
    services = ("mongodb",)
    packages = {"pymongo": "celery-roundtrip[mongodb]"}
    stores_meta = False

    @property
    def collections(self) -> dict[str, str]:
        """Celery's two collections, in the database of the URL, under names of this namespace."""
        return {
            "taskmeta_collection": f"{self.namespace.name}.celery_taskmeta",
            "groupmeta_collection": f"{self.namespace.name}.celery_groupmeta",
        }

    def settings(self) -> dict[str, object]:
        return {"result_backend": self.servers["mongodb"].url, "mongodb_backend_settings": self.collections}

    @cached_property
    def client(self) -> pymongo.MongoClient[Document]:
        import pymongo

        return pymongo.MongoClient(self.servers["mongodb"].url)

    def collection(self, name: str) -> Collection[Document]:
        return self.client.get_default_database(DATABASE)[name]

    @property
    def tasks(self) -> Collection[Document]:
        return self.collection(self.collections["taskmeta_collection"])

    def at_rest(self, task_id: str) -> Stored | None:
        document = self.tasks.find_one({"_id": task_id})
        if document is None or document.get("result") is None:
            return None
        result = document.pop("result")
        raw = result.encode() if isinstance(result, str) else bytes(result)
        columns = {"bson": "string" if isinstance(result, str) else "binary", **document}
        return Stored(raw, f"document {task_id}", self.lifetime(), columns)

    def lifetime(self) -> float | None:
        """Seconds after which a TTL index lets the server remove a document; Celery makes none."""
        indexes = self.tasks.index_information().values()
        return next(
            (float(one["expireAfterSeconds"]) for one in indexes if "expireAfterSeconds" in one), None
        )

    def plant(self, task_id: str, raw: bytes) -> None:
        # text where it is text, as Celery hands it over: a string field takes other ways than a binary one
        try:
            result: str | bytes = raw.decode()
        except UnicodeDecodeError:
            result = raw
        self.tasks.replace_one({"_id": task_id}, {"status": "SUCCESS", "result": result}, upsert=True)

    def evict(self, task_id: str) -> None:
        self.tasks.delete_one({"_id": task_id})

    def inventory(self) -> list[str]:
        return [
            f"{kind} {document['_id']}"
            for kind, name in self.collections.items()
            for document in self.collection(name).find({}, {"_id": True})
        ]

    def wipe(self) -> None:
        for name in self.collections.values():
            self.collection(name).drop()
