"""Worker processes: what one is started with, and what it says of its tasks.

A worker is a real ``celery worker`` on `harness.app`. It reads its set-up from a 0600 file and writes
one JSON line per task event to a file (`harness.app` says how), which `WorkerWatch` follows.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from harness.backend import Backend, Namespace
from harness.brokers import broker
from harness.contract import checked_environment, checked_settings
from harness.matrix import Configuration, OwnWorker
from harness.nursery import client_imports, worker_imports
from harness.registry import load
from harness.services import Server
from harness.sources import Source

SETUP_VARIABLE = "ROUNDTRIP_SETUP"
CONCURRENCY = 2
PATCHING = ("gevent", "eventlet")
"""Pools that patch modules before Celery imports them."""
TIMEDELTA = "seconds of timedelta"
CHORD_UNLOCK = "celery.chord_unlock"
TASK_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""What Celery calls a task, unless its sender says otherwise."""
_AFTER_FIRST_PART = re.compile(rb"-(?<=[0-9a-f]{8}-)(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
"""The same, without its first eight characters: found six times as fast: it begins with a sign."""
POLL_TAKES = 1.0
"""Seconds after which a run of `CHORD_UNLOCK` is no mere poll: it reads the results of a chord's header."""


@dataclass(frozen=True)
class Setup:
    """Everything that a worker, or the client beside it, must know of a worker configuration."""

    configuration: Configuration
    source: Source
    namespace: str
    folder: str
    servers: Mapping[str, Server]
    settings: Mapping[str, object]
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    """Of ``celery worker``, beside what every worker gets."""

    def backend(self) -> Backend:
        """The backend under test, in this configuration's namespace."""
        run = run_namespace(self.namespace)
        return load(self.source)(Namespace(self.namespace, Path(self.folder), run), self.servers)

    @property
    def worker_imports(self) -> tuple[str, ...]:
        """What the worker is forked with, imported."""
        return worker_imports(self.settings, load(self.source).imports)

    @property
    def client_imports(self) -> tuple[str, ...]:
        """The same of its client."""
        return client_imports(self.settings, load(self.source).imports)

    def write(self, path: Path) -> None:
        """Write to a file that only its owner reads: it holds credentials."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, path: Path) -> Setup:
        made = json.loads(path.read_text())
        return cls.of(made)

    @classmethod
    def of(cls, made: Mapping[str, object]) -> Setup:
        """The inverse of ``dataclasses.asdict``."""
        table: dict[str, object] = dict(made)
        configuration, source, servers = table["configuration"], table["source"], table["servers"]
        assert isinstance(configuration, dict) and isinstance(source, dict) and isinstance(servers, dict)
        table["configuration"] = Configuration(**configuration)
        table["source"] = Source(**source)
        table["arguments"] = tuple(table["arguments"])  # type: ignore[arg-type]
        table["servers"] = {name: Server(**server) for name, server in servers.items()}
        return cls(**table)  # type: ignore[arg-type]


def set_up(
    configuration: Configuration,
    source: Source,
    run: str,
    folder: Path,
    servers: Mapping[str, Server],
    kind: OwnWorker | None = None,
) -> Setup:
    """Work out the settings of a worker configuration. Imports no driver.

    :param run: id of the run; every namespace begins with it.
    :param folder: where this configuration's files may lie; created.
    :param kind: the kind of worker, where it is not the matrix's.
    """
    namespace = f"roundtrip-{run}-{configuration.key}"
    own = folder / configuration.key
    own.mkdir(parents=True, exist_ok=True)
    shared = run_namespace(namespace)
    backend = load(source)(Namespace(namespace, own, shared), servers)
    settings: dict[str, object] = {
        # task arguments are names and numbers: the message serializer must not judge a value first
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_serializer": configuration.serializer,
        "result_accept_content": [configuration.serializer],
        "broker_connection_retry_on_startup": True,
        **broker(configuration.broker).settings(shared, folder.parent / "broker", servers),
        **{name: tagged(setting) for name, setting in checked_settings(backend).items()},
    }
    if configuration.compression != "uncompressed":
        settings["result_compression"] = configuration.compression
    size: tuple[str, ...] = () if configuration.pool == "solo" else ("-c", str(CONCURRENCY))
    if kind is not None:
        for name, setting in kind.settings.items():
            settings[name] = _joined(settings.get(name), tagged(setting), namespace)
        size = size if kind.arguments is None else kind.arguments
    environment = {**checked_environment(backend), **(kind.environment if kind else {})}
    return Setup(configuration, source, namespace, str(own), servers, settings, environment, size)


def _joined(present: object, own: object, namespace: str) -> object:
    """A setting of a scenario's own: a table is merged into the present one, ``{namespace}`` is filled in."""
    if isinstance(own, str):
        return own.replace("{namespace}", namespace)
    if isinstance(own, dict) and own.keys() != {TIMEDELTA}:
        table = dict(present) if isinstance(present, dict) else {}
        return table | {name: _joined(table.get(name), one, namespace) for name, one in own.items()}
    return own


def tagged(setting: object) -> object:
    """A setting as JSON can hold it: a timedelta becomes a tagged number of seconds."""
    return {TIMEDELTA: setting.total_seconds()} if isinstance(setting, timedelta) else setting


def untagged(setting: object) -> object:
    """The inverse of `tagged`."""
    if isinstance(setting, dict) and setting.keys() == {TIMEDELTA}:
        return timedelta(seconds=setting[TIMEDELTA])
    return setting


def run_namespace(namespace: str) -> str:
    """What the names of all namespaces of a run begin with: ``roundtrip-`` and the run's id."""
    return "-".join(namespace.split("-")[:2])


def words_of(pool: str, name: str, arguments: Sequence[str]) -> list[str]:
    """What runs a worker: a module and its arguments; as a module, so that paths with spaces work."""
    return [
        *("celery.__main__", "-A", "harness.app", "worker", "-P", pool, *arguments),
        *("-n", f"{name}@localhost", "-l", "WARNING", "--without-mingle", "--without-gossip"),
        "--without-heartbeat",
    ]


@dataclass
class TaskTrace:
    """What a worker said of one task. Times are of the monotonic clock, in seconds."""

    events: list[dict[str, object]] = field(default_factory=list)
    started: float | None = None
    pid: int | None = None
    writing: float | None = None
    wrote: float | None = None
    wrote_success: bool = False
    """Whether a success was stored at any time."""
    breaking: bool = False
    """Whether an exception escaped the task's trace: a failure is still to be stored."""
    write_error: dict[str, str] | None = None
    ended: float | None = None
    gone: bool = False
    """Whether its pool process died under it: what is stored then, the worker's main process stores later."""
    runs: int = 0
    """How often it has ended: a task that is delivered twice, replaced or retried does so more than once."""
    name: str = ""
    group: str | None = None
    root: str | None = None
    """Id of the task at the root of the tree to which this one belongs."""

    @property
    def refusal(self) -> dict[str, str] | None:
        """What was raised, if the last that was to be stored could not be."""
        return self.write_error if self.wrote is None else None

    def add(self, event: dict[str, object]) -> None:
        self.events.append(event)
        at = float(str(event["at"]))
        match event["event"]:
            case "started":
                self.started, self.pid = at, int(str(event["pid"]))
                self.name, self.group = str(event.get("name", "")), event.get("group")  # type: ignore[assignment]
                self.root = event.get("root")  # type: ignore[assignment]
            case "writing":
                self.writing, self.wrote = at, None
            case "wrote":
                self.wrote = at
                self.wrote_success = self.wrote_success or event["state"] == "SUCCESS"
            case "write-failed":
                self.wrote = None
                self.write_error = {"type": str(event["type"]), "message": str(event["message"])}
            case "breaking":
                self.breaking = True
            case "child-gone":
                self.gone = True
            case "ended":
                self.ended = at
                self.runs += 1
            case _:
                pass
        if self.breaking and event["event"] in ("wrote", "write-failed", "failed"):
            self.runs += self.ended is None
            self.ended = at


class WorkerWatch:
    """Follows the event file of one worker process.

    :param folder: the worker's own folder, with ``events.jsonl``, ``worker.log`` and stack dumps.
    """

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder, self.pid = folder, pid
        self.tasks: dict[str, TaskTrace] = {}
        self.ready: float | None = None
        self.unprepared = ""
        """Why the backend could not be prepared, if so: then the worker ends without having been ready."""
        self.latest: float = 0.0
        """Time of the last event of any kind."""
        self.worked: float = 0.0
        """Time of the last event of a task other than those with which Celery polls for a chord's header."""
        self.polls: int = 0
        """How often Celery has polled for a chord's header since any other task had an event."""
        self._polling: dict[str, float] = {}
        self._mentions: dict[bytes, int] = {}
        """Where the log mentions an id first: the beginning of its line."""
        self._indexed = 0
        """How much of the log has been searched for ids."""
        self._offset = 0
        self._rest = b""

    def poll(self) -> None:
        """Take in what the worker has written since."""
        file = self.folder / "events.jsonl"
        if not file.exists():
            return
        with file.open("rb") as opened:
            opened.seek(self._offset)
            new = opened.read()
        if not new:
            return
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            event: dict[str, object] = json.loads(line)
            self.latest = max(self.latest, float(str(event["at"])))
            if event["event"] == "ready":
                self.ready = self.latest
            elif event["event"] == "unprepared":
                self.unprepared = str(event["message"])
            elif "task" in event:
                trace = self.trace(str(event["task"]))
                if event["event"] == "received":
                    continue  # that it exists: a task may be revoked and never start
                trace.add(event)
                if trace.name != CHORD_UNLOCK:
                    self.worked, self.polls = self.latest, 0
                else:
                    self._polled(str(event["task"]), str(event["event"]), float(str(event["at"])))

    def _polled(self, task: str, event: str, at: float) -> None:
        if event == "started":
            self._polling[task] = at
        elif event == "ended":
            self.polls += 1
            if at - self._polling.pop(task, at) > POLL_TAKES:
                self.worked = at

    def joining(self) -> bool:
        """Whether the worker is reading the results of a chord's header, which many headers make long."""
        return any(time.monotonic() - began > POLL_TAKES for began in self._polling.values())

    def trace(self, task_id: str) -> TaskTrace:
        return self.tasks.setdefault(task_id, TaskTrace())

    def alive(self) -> bool:
        """Whether the worker's main process runs. A zombie does not."""
        return runs(self.pid)

    def look(self) -> bool:
        """Take in what the worker has written. Whether it lived before: if not, that is all of it."""
        alive = self.alive()
        self.poll()
        return alive

    def running(self) -> list[tuple[str, TaskTrace]]:
        """Tasks that started and did not end, the longest-running first."""
        open_ = [(task, t) for task, t in self.tasks.items() if t.started is not None and t.ended is None]
        return sorted(open_, key=lambda pair: pair[1].started or 0.0)

    def log(self, needle: str = "", lines: int = 30) -> list[str]:
        """The last lines of the worker's log, from the first that mentions `needle` on, if any does."""
        file = self.folder / "worker.log"
        if not file.exists():
            return []
        with file.open("rb") as opened:
            if not needle:
                opened.seek(max(0, file.stat().st_size - 200_000))
                told = opened.read().splitlines()[-lines:]
            else:
                line = self._mention(opened, needle.encode("utf-8", "backslashreplace"))
                if line is None:
                    return []
                opened.seek(line)
                told = [each.rstrip(b"\n") for each in itertools.islice(opened, lines)]
        # only what is shown is decoded: of a store that refuses all, the log grows with each cell
        return [each.decode("utf-8", "backslashreplace") for each in told]

    def _mention(self, log: BinaryIO, needle: bytes) -> int | None:
        """Where the first line of the log begins that mentions `needle`. Looks once for all ids of tasks."""
        log.seek(self._indexed)
        new = log.read()
        whole = new.rfind(b"\n") + 1
        for found in _AFTER_FIRST_PART.finditer(new, 0, whole):
            task = new[found.start() - 8 : found.end()]
            if task not in self._mentions:
                self._mentions[task] = self._indexed + new.rfind(b"\n", 0, found.start()) + 1
        self._indexed += whole
        if TASK_ID.fullmatch(needle):
            return self._mentions.get(needle)
        # a neighbour may have logged a message of a mebibyte, more than once
        began = log.seek(max(0, self._indexed - 20_000_000))
        text = log.read()
        at = text.find(needle)
        return None if at < 0 else began + text.rfind(b"\n", 0, at) + 1


def runs(pid: int) -> bool:
    """Whether a process exists and is no zombie. Reads /proc where there is one: it is asked often."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended between opening and reading
        if sys.platform == "linux":
            return False
        import psutil

        try:
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
