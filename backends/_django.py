"""What the ``django-...`` backends have in common: django-celery-results, in processes of their own.

Nothing here imports Django when it is imported: pytest and the supervisor load these classes too.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar

from backends._sql import Rows
from harness.backend import Backend, Stored

SETTINGS_MODULE = "backends._django_settings"
SETTINGS_VARIABLE = "ROUNDTRIP_DJANGO"
MORE_VARIABLE = "ROUNDTRIP_DJANGO_SETTINGS"

TABLES = {
    "django_celery_results_taskresult": "task_id",
    "django_celery_results_groupresult": "group_id",
}
"""Table -> the column that says whose result a row is. Chord counters, the third table, are left out: a
neighbour's chord has a row there before any of its tasks has run."""


class Django(Backend):
    """A result backend of django-celery-results. Each worker configuration is a Django project of its own."""

    packages = {"django": "celery-roundtrip[django]", "django_celery_results": "celery-roundtrip[django]"}
    own_client = True
    imports: ClassVar[tuple[str, ...]] = (
        *("django.core.cache", "django.core.management.commands.migrate", "django.http", "django.urls"),
        *("django.db.models", "django.template.defaultfilters", "django.views.debug"),
    )

    def databases(self) -> dict[str, dict[str, object]]:
        """Django's DATABASES, as JSON can hold it."""
        return {}

    def caches(self) -> dict[str, dict[str, object]]:
        """Django's CACHES, as JSON can hold it."""
        return {}

    def environment(self) -> dict[str, str]:
        file = self.namespace.folder / "django.json"
        # several pytest processes may do this at once, and a reader must never see half of it
        handle, written = tempfile.mkstemp(dir=self.namespace.folder)  # 0600: there may be passwords in it
        with os.fdopen(handle, "w") as opened:
            json.dump({"DATABASES": self.databases(), "CACHES": self.caches()}, opened)
        os.replace(written, file)
        return {"DJANGO_SETTINGS_MODULE": SETTINGS_MODULE, SETTINGS_VARIABLE: str(file)}

    def prepare_client(self) -> None:
        import django

        django.setup()

    def prepare(self) -> None:
        import django

        django.setup()


class DjangoDB(Rows, Django):
    """``result_backend = "django-db"``: rows of the model TaskResult, looked at without Django.

    The column of the result is text. What a serializer writes as bytes lies there in base64, and the
    column ``content_encoding`` says ``binary``; that form is undone before anybody looks, and is shown in
    the columns beside. So ``Stored.raw`` is what the serializer wrote.
    """

    documentation = (
        "https://django-celery-results.readthedocs.io/en/latest/getting_started.html"
        "#django-orm-database-backend"
    )
    stores_meta = False
    table = "django_celery_results_taskresult"
    text = "result"

    def date(self, moment: datetime) -> str:
        return moment.isoformat(sep=" ", timespec="seconds")

    def settings(self) -> dict[str, object]:
        return {"result_backend": "django-db"}

    def prepare_client(self) -> None:
        # Celery writes from the client too, a chord's counter for one, perhaps before the worker is up
        self.prepare()

    def prepare(self) -> None:
        super().prepare()
        from django.core.management import call_command
        from django.db import connections

        with self._alone():
            call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one process at a time: Django's migrations do not bear company."""
        with (self.namespace.folder / "migrate.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def at_rest(self, task_id: str) -> Stored | None:
        rows = self.run(
            "select id, result, content_type, content_encoding, status, date_done, traceback, meta "
            "from django_celery_results_taskresult where task_id = %s",
            task_id,
        )
        if not rows or rows[0][1] is None:
            return None
        number, text, *rest = rows[0]
        names = ("content_type", "content_encoding", "status", "date_done", "traceback", "meta")
        columns = dict(zip(names, rest, strict=True))
        stored = str(text).encode("utf-8", "surrogatepass")
        if columns["content_encoding"] == "binary":
            columns["result"] = f"base64, {len(stored)} characters"
            stored = base64.b64decode(stored, validate=True)
        return Stored(stored, f"django_celery_results_taskresult row {number}", None, columns)

    def plant(self, task_id: str, raw: bytes) -> None:
        text, encoding = _as_text(raw)
        self.run(
            "insert into django_celery_results_taskresult "
            "(task_id, status, content_type, content_encoding, result, date_created, date_done) values "
            "(%s, 'SUCCESS', '', %s, %s, current_timestamp, current_timestamp) "
            "on conflict (task_id) do update "
            "set content_encoding = excluded.content_encoding, result = excluded.result",
            *(task_id, encoding, text),
        )

    def evict(self, task_id: str) -> None:
        self.run("delete from django_celery_results_taskresult where task_id = %s", task_id)

    def inventory(self) -> list[str]:
        found = []
        for table, column in TABLES.items():
            found += [f"{table} {row[0]}" for row in self.run(f"select {column} from {table}")]
        return found


def _as_text(raw: bytes) -> tuple[str, str]:
    """What the text column would hold of these bytes, and its ``content_encoding``."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "\x00"
    # no serializer that writes text writes NUL
    if "\x00" in text:
        return base64.b64encode(raw).decode("ascii"), "binary"
    return text, "utf-8"


class DjangoCache(Django):
    """``result_backend = "django-cache"``: Celery's task meta, handed to a cache of Django."""

    documentation = (
        "https://django-celery-results.readthedocs.io/en/latest/getting_started.html#django-cache-backend"
    )

    def cache(self) -> dict[str, object]:
        """The cache: its entry in Django's CACHES."""
        raise NotImplementedError

    def caches(self) -> dict[str, dict[str, object]]:
        return {"default": self.cache()}

    def settings(self) -> dict[str, object]:
        return {"result_backend": "django-cache", "cache_backend": "default"}

    def key(self, task_id: str) -> str:
        """The key that Celery asks the cache for."""
        return f"celery-task-meta-{task_id}"
