"""Celery's ``file`` result backend: one file a task in one folder."""

from __future__ import annotations

import errno
from pathlib import Path

from harness.backend import Backend, Stored


class Filesystem(Backend):
    name = "filesystem"
    description = "One file a task in a folder"
    documentation = (
        "https://docs.celeryq.dev/en/stable/userguide/configuration.html#file-system-backend-settings"
    )
    schemes = ("file",)

    def settings(self) -> dict[str, object]:
        return {"result_backend": f"file://{self.namespace.folder}"}

    def file(self, task_id: str) -> Path:
        return self.namespace.folder / f"celery-task-meta-{task_id}"

    def at_rest(self, task_id: str) -> Stored | None:
        file = self.file(task_id)
        try:
            return Stored(file.read_bytes(), f"file {file.name}")
        except (FileNotFoundError, ValueError):  # ValueError: NUL in it, no file can have that name
            return None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            return None

    def plant(self, task_id: str, raw: bytes) -> None:
        self.file(task_id).write_bytes(raw)

    def evict(self, task_id: str) -> None:
        self.file(task_id).unlink(missing_ok=True)

    def inventory(self) -> list[str]:
        return [file.name for file in self.namespace.folder.iterdir()]
