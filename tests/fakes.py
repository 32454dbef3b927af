"""Stores that misbehave in one way each, as backends of the very contract that real ones use.

``pytest --backend tests/fakes.py -m fake-late`` puts one through the suite.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from backends.filesystem import Filesystem
from backends.sqlite import SQLite
from harness.backend import Backend, Stored

DEADLINE = 1.0
"""What the tests pass as ``--deadline``: the late store is late by it."""

FLAWS = (
    *("honest", "loses", "truncates", "stringifies", "drops-zone", "drops-microseconds"),
    *("tuples-to-lists", "keeps-refused", "other-serializer", "compresses-anyway"),
    *("ignores-compression", "swaps", "late", "hangs-read", "hangs-write", "raises-on-read"),
    *("raises-on-write", "raises-every-write", "older-state", "kills-child", "kills-worker"),
    *("forgets-groups", "keeps-groups", "turns-groups", "leaves-marks", "loses-members", "loses-failures"),
    *("forced-lost", "threads-lost", "greenlets-blind"),
    *("no-traceback", "no-date", "no-family", "no-extended", "only-final", "flattens-failures"),
    *("invents", "keeps-ignored", "drops-kept-errors", "forgets-eager"),
)


class _Fake(Filesystem):
    description = "a file store that is wrong in one way"
    flaw = ""

    def settings(self) -> dict[str, object]:
        return {
            "result_backend": f"flawed:FlawedBackend+file://{self.namespace.folder}",
            "result_backend_transport_options": {"flaw": self.flaw, "deadline": DEADLINE},
        }


def _fake(flaw: str) -> type[Backend]:
    name = "Fake" + flaw.title().replace("-", "")
    return type(name, (_Fake,), {"name": f"fake-{flaw}", "flaw": flaw, "__module__": __name__})


globals().update({made.__name__: made for made in map(_fake, FLAWS)})


LIVES = (
    *("reads-once", "remembers", "dies-with-worker", "one-thread", "one-process", "blind-worker", "no-hooks"),
    *("waits-longer", "always-there", "keeps-forgotten", "childless", "forgives", "picky-ids", "lowers-ids"),
    *("ignores-prefix", "claims-expiry", "cleans-all", "cleans-nothing"),
)
"""Flaws of ids, of reading, and of how long a result lives."""


class _FakeLife(_Fake):
    def settings(self) -> dict[str, object]:
        settings = super().settings()
        return {**settings, "result_backend": f"flawed_lives:FlawedBackend+file://{self.namespace.folder}"}


for _flaw in LIVES:
    _name = "Fake" + _flaw.title().replace("-", "")
    globals()[_name] = type(
        _name, (_FakeLife,), {"name": f"fake-{_flaw}", "flaw": _flaw, "__module__": __name__}
    )


class CrashingReader(_Fake):
    """An honest store whose at-rest reader is broken."""

    name = "fake-crashing-reader"
    flaw = "honest"

    def at_rest(self, task_id: str) -> Stored | None:
        raise ZeroDivisionError("the reader has a bug")


class NoReader(_Fake):
    """A store that loses results and offers no native reader."""

    name = "fake-no-reader"
    flaw = "loses"

    def at_rest(self, task_id: str) -> Stored | None:
        raise NotImplementedError


class CuttingTrigger(SQLite):
    """An SQLite whose trigger cuts what is stored: the store's own fault, not the backend's."""

    name = "fake-cutting-trigger"
    description = "SQLite with a trigger that cuts stored bytes"

    def prepare(self) -> None:
        cut = (
            "create trigger if not exists cut_{event} after {event} on celery_taskmeta "
            "when length(new.result) > 40 begin "
            "update celery_taskmeta set result = substr(new.result, 1, 40) where id = new.id; end"
        )
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(
                "create table if not exists celery_taskmeta (id integer primary key autoincrement, "
                "task_id varchar(155) unique, status varchar(50), result blob, date_done datetime, "
                "traceback text, children blob)"
            )
            for event in ("insert", "update"):
                connection.execute(cut.format(event=event))
