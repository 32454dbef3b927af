"""The Backend contract: what a result backend under test must say of itself, core and third party alike.

One class fits a screen. `Backend.settings` runs in the pytest process and must not import a driver;
the native methods (`at_rest`, `plant`, `inventory`) run in a client process, use the store's own
client and never go through Celery. They are optional: without them the report says how much
evidence is missing.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.services import Server

CONTRACT_VERSION = 1


@dataclass(frozen=True)
class Namespace:
    """What one worker configuration may call its own.

    :param name: ASCII letters, digits and hyphens; unique for run and configuration. A prefix, table,
        keyspace, bucket or index is derived from it.
    :param folder: an empty folder of its own, for stores that are files.
    :param run: what the names of all namespaces of this run begin with.
    """

    name: str
    folder: Path
    run: str = ""


@dataclass(frozen=True)
class Stored:
    """The stored form of one result, read natively.

    :param raw: the serialised, perhaps compressed result, exactly as stored.
    :param place: key, row, document, object or file.
    :param lifetime: seconds until the store removes it by itself, or None if it never does.
    :param columns: what the store keeps beside it (status, dates, ...), for display.
    """

    raw: bytes
    place: str
    lifetime: float | None = None
    columns: Mapping[str, object] = field(default_factory=dict)


class Backend(abc.ABC):
    """A Celery result backend under test, in one namespace of running services."""

    contract: ClassVar[int] = CONTRACT_VERSION
    name: ClassVar[str]
    """Marker and id: lower-case letters, digits and hyphens."""
    description: ClassVar[str]
    documentation: ClassVar[str]
    services: ClassVar[tuple[str, ...]] = ()
    schemes: ClassVar[tuple[str, ...]] = ()
    """What stands before ``://`` in its `result_backend`: by it, ``--settings`` finds the backend."""
    packages: ClassVar[Mapping[str, str]] = {}
    """Import name of each Python package it needs -> the pip command's argument that installs it."""
    imports: ClassVar[tuple[str, ...]] = ()
    """Modules that each of its workers and clients imports, whatever their settings. Processes of a run are
    forked from one that has imported these, so that each need not. Importing them must do nothing else."""
    derived_from: ClassVar[str] = ""
    """The backend of this project from whose Celery class its own is derived: what is known of that one, as
    expectations, holds for it too, but for those from which its own file says that it is exempt."""
    stores_meta: ClassVar[bool] = True
    """Whether the bytes at rest hold Celery's whole task meta, not the bare result."""
    reading_consumes: ClassVar[bool] = False
    """Whether a result is gone once it was read, and only who submitted can read it. Evidence at rest
    then comes from a twin submission that nobody reads; see `reply_queue`."""
    broker: ClassVar[str | None] = None
    """The broker that this backend lives in, whatever ``--broker`` says; None: it has none."""
    shows_within: ClassVar[float | None] = None
    """Seconds after a task's end after which waiting cannot help any more, where the store's nature says so
    (another process's memory); None: ``--deadline`` counts. Each result is read in any case."""
    own_client: ClassVar[bool] = False
    """Whether each worker configuration needs a client process of its own, because what tells them apart is
    a setting of the whole process (Django's are). Such a backend cannot be asked with ``--client inline``."""
    reply_queue: str = ""
    """With `reading_consumes`: the queue that holds the twin's result; set before `at_rest` is asked."""

    def __init__(self, namespace: Namespace, servers: Mapping[str, Server]) -> None:
        self.namespace = namespace
        self.servers = servers

    @abc.abstractmethod
    def settings(self) -> dict[str, object]:
        """Celery settings, JSON-able, that put results into the namespace. Must not import a driver."""

    def environment(self) -> dict[str, str]:
        """Environment variables that worker and client need (Django's settings module, for one).

        They must hold no credentials: a file that they name, in the namespace's folder, may.
        """
        return {}

    def prepare_client(self) -> None:
        """Make a client process ready (``django.setup()``), before its Celery apps are built.

        It must bear being called again in the same process.
        """

    def prepare(self) -> None:
        """Create what must exist before Celery starts (keyspace, bucket, table).

        Runs in the worker process before its Celery app is built, and again in every worker that takes
        the place of one that died: it must bear what is there already.
        """

    def at_rest(self, task_id: str) -> Stored | None:
        """The stored form of a result, or None when nothing is there.

        :raises NotImplementedError: the backend offers no native reader.
        """
        raise NotImplementedError

    def plant(self, task_id: str, raw: bytes) -> None:
        """Put `raw` natively where Celery would store the result of `task_id`.

        :raises NotImplementedError: the backend offers no native writer.
        """
        raise NotImplementedError

    def evict(self, task_id: str) -> None:
        """Remove the result of `task_id` natively, as a store does that is full.

        :raises NotImplementedError: the backend offers no native way.
        """
        raise NotImplementedError

    def search(self, field: str, wanted: object) -> Sequence[str]:
        """Ids (or what holds them) of the tasks that the store itself finds, by a query in its own language.

        :param field: ``status``, equal to `wanted`; ``date_done``, not before the aware datetime `wanted`;
            ``number``, a result at least as large as `wanted`; ``word``, a result with that word in it.
        :raises NotImplementedError: the store has no query language.
        """
        raise NotImplementedError

    def tally(self) -> Mapping[str, int]:
        """How many results there are of each status, counted by the store itself.

        :raises NotImplementedError: the store has no query language.
        """
        raise NotImplementedError

    def inventory(self) -> Sequence[str]:
        """Every place (key, row, file, ...) in the namespace.

        :raises NotImplementedError: the backend cannot list its namespace.
        """
        raise NotImplementedError

    def wipe(self) -> None:
        """Remove everything in the namespace, and nothing else.

        Called at the end of a run, and only on servers that the run did not start: what it started
        goes as a whole.
        """
