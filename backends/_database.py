"""What the backends on Celery's ``database`` result backend have in common: its two tables."""

from __future__ import annotations

from backends._sql import Rows, space
from harness.backend import Stored


class Database(Rows):
    documentation = (
        "https://docs.celeryq.dev/en/stable/userguide/configuration.html#database-backend-settings"
    )
    stores_meta = False
    table = "celery_taskmeta"

    def at_rest(self, task_id: str) -> Stored | None:
        rows = self.run(
            "select task_id, id, result, status, date_done, traceback from celery_taskmeta "
            f"where task_id = {self.mark}",
            task_id,
        )
        for found, number, result, *columns in rows:
            # MySQL also finds ids that differ in case or in trailing blanks
            if found == task_id and result is not None:
                shown = dict(zip(("status", "date_done", "traceback"), columns, strict=True))
                return Stored(bytes(result), f"celery_taskmeta row {number}", None, shown)
        return None

    def plant(self, task_id: str, raw: bytes) -> None:
        self.evict(task_id)
        lowest = self.run("select min(id) from celery_taskmeta")[0][0]
        number = min(lowest or 0, 0) - 1  # below zero: Celery's own numbers come from a sequence above it
        marks = ", ".join([self.mark] * 4)
        self.run(
            f"insert into celery_taskmeta (id, task_id, status, result) values ({marks})",
            *(number, task_id, "SUCCESS", raw),
        )

    def evict(self, task_id: str) -> None:
        self.run(f"delete from celery_taskmeta where task_id = {self.mark}", task_id)

    def inventory(self) -> list[str]:
        tasks = self.run("select task_id from celery_taskmeta")
        groups = self.run("select taskset_id from celery_tasksetmeta")
        return [f"celery_taskmeta {row[0]}" for row in tasks] + [
            f"celery_tasksetmeta {row[0]}" for row in groups
        ]

    def space(self) -> str:
        """The name of this namespace's schema or database."""
        return space(self.namespace)
