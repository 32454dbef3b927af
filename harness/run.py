"""One run as pytest sees it: `Controller` owns supervisor and run log, `Observer` observes cells.

Without xdist one process is both. With xdist the controller process is the one, each worker process
the other.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import queue
import shlex
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from harness import processes
from harness.ahead import Ahead, Work
from harness.ascii import escape, redact
from harness.brokers import broker
from harness.conductor import Asked, Conductor
from harness.errors import RoundtripError, ServiceUnavailable, SupervisorGone
from harness.expectations import Expectations
from harness.matrix import DEFAULTS, OWN, Configuration
from harness.own import Own
from harness.packages import need
from harness.processes import SUPERVISOR_LOG
from harness.registry import Registry, load
from harness.runlog import LogUnwritable, RunLogWriter
from harness.services import Server, plugged, service
from harness.sources import BadPlugin
from harness.supervisor import Asker
from harness.verdict import Axis, Blame, Observation, Outcome, Verdict
from harness.worker import Setup, set_up

Record = dict[str, Any]

SHUTDOWN_WITHIN = 10.0
SERVICE_LOG_LINES = 12
BENEATH = ("billiard", "vine", "amqp", "botocore", "elastic-transport")
"""Packages that Celery and the drivers bring along, and that may decide a verdict."""
MATRIX_AXES = ("backend", "serializer", "compression")
CODEC_PACKAGES = {
    "yaml": "yaml",
    "msgpack": "msgpack",
    "brotli": "brotli",
    "zstd": "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd",
    "gevent": "gevent",
    "eventlet": "eventlet",
}
"""Serializers, codecs and pools that need a package: its import name; the extra is called like the codec."""


@dataclass(frozen=True)
class Options:
    """The options of a run, as `harness.plugin` read them."""

    runtime: str
    urls: Mapping[str, str]
    require: frozenset[str]
    broker: str
    pool: str
    run_log: Path
    report: Path
    seed: int
    inline: bool
    keep: bool
    deadline: float
    backend_files: tuple[str, ...]
    images: Mapping[str, str]
    own_images: Mapping[str, str]
    """Those that are not the pinned public ones."""
    fresh: bool
    """Whether services are started anew even where ``roundtrip services up`` keeps some."""
    logs: Path | None = None
    """Where the logs of the run's processes are copied to at its end."""
    own: Own | None = None
    """The user's own settings."""


DEFAULT_POINTS = (("broker", DEFAULTS[Axis.BROKER]), ("pool", DEFAULTS[Axis.POOL]))


def named_by(service: str) -> str:
    """Where the user named the URL of a service."""
    if service.endswith(f"-{OWN}"):
        return "the result_backend in what --settings names"
    return f"--service {service}=URL"


def wanted_services(options: Options, names: Iterable[str]) -> Record:
    """How each of these services is to be provided, as the supervisor is asked for it."""
    wanted: Record = {
        name: {
            "url": options.urls.get(name),
            "runtime": options.runtime,
            "image": options.images.get(name, ""),
            "fresh": options.fresh,
        }
        for name in sorted(names)
    }
    for name, source in plugged(wanted).items():
        wanted[name]["source"] = asdict(source)
        wanted[name]["image"] = wanted[name]["image"] or service(name).image
    return wanted


class Controller:
    """Owns the supervisor and the run log of one run.

    :param has_cells: whether there is something to log; the xdist controller learns that later.
    :param say: shows a line of what is being waited for; called from another thread.
    :param plugins: distributions of plug-ins, whose versions the log names.
    :raises RunLogError: the log cannot be written.
    """

    def __init__(
        self,
        options: Options,
        command: Sequence[str],
        selection: str,
        root: Path,
        has_cells: bool,
        say: Callable[[str], None],
        plugins: Sequence[str] = (),
    ) -> None:
        self.options, self._say, self._plugins = options, say, plugins
        self.counts: Counter[str] = Counter()
        self.pairs: list[tuple[Mapping[str, str], Outcome]] = []
        """Axes and outcome of every judged cell of the matrix: what the terminal's grid is made of."""
        self.warnings: list[str] = []
        """What went wrong without touching a verdict."""
        self.endings: list[str] = []
        """Services that ended in the middle of the run, and how."""
        self.left_by_services = 0
        """Cells that were not asked because a service had ended."""
        self.others: Counter[str] = Counter()
        """Outcomes of the questions that do not vary all three axes of the grid."""
        check_writable(options.report)
        check_writable(options.run_log)
        logs = [str(options.logs)] if options.logs else []
        for folder in logs:
            check_writable(Path(folder, SUPERVISOR_LOG))
        self.folder = processes.new_run_folder()
        self.run = self.folder.name.removeprefix(processes.FOLDER_PREFIX)
        self._header = self._describe(command, selection)
        self._log: RunLogWriter | None = None
        self._scenarios: set[str] = set()
        if has_cells:
            self.open_log()  # before anything is started: whatever is killed then, the log is there
        self._facts: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._closing = False
        self._process = processes.supervise(self.folder, root, subprocess.PIPE, logs)
        threading.Thread(target=self._listen, daemon=True).start()

    def open_log(self) -> RunLogWriter:
        """The run log, with its header. Opened when there are cells: else the last run's is left alone."""
        if self._log is None:
            self._log = RunLogWriter(self.options.run_log)
            self._log.write(self._header)
        return self._log

    @property
    def has_log(self) -> bool:
        return self._log is not None

    def _describe(self, command: Sequence[str], selection: str) -> Record:
        options = self.options
        return {
            "kind": "header",
            "schema": 1,
            "run": self.run,
            "started": _now(),
            "command": [escape(redact(word), 400) for word in command],
            "platform": platform.platform(),
            "python": platform.python_version(),
            "packages": {name: found for name in self._packages() if (found := _version(name))},
            "selection": escape(selection, 400),
            "seed": options.seed,
            "options": {
                "runtime": options.runtime,
                "broker": options.broker,
                "pool": options.pool,
                "client": "inline" if options.inline else "process",
                "deadline": options.deadline,
                "require": sorted(options.require),
                "services": {name: redact(url) for name, url in options.urls.items()},
                "settings": options.own.given if options.own else None,
                "settings_notes": list(options.own.notes) if options.own else [],
            },
        }

    def _packages(self) -> list[str]:
        """Packages whose versions may decide a verdict: what the project can use, and what plug-ins need."""
        try:
            texts = importlib.metadata.requires("celery-roundtrip") or []
        except importlib.metadata.PackageNotFoundError:  # run from its source, not installed
            texts = ["celery", "kombu", "pytest"]
        texts = [text for text in texts if "extra == 'dev'" not in text.replace('"', "'")]
        names = {Requirement(text).name: None for text in texts}
        return sorted(names | dict.fromkeys((*BENEATH, "celery-roundtrip", *self._plugins)), key=str.lower)

    def _listen(self) -> None:
        """Take in the supervisor's facts; if it dies under the run, end what it had started."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            fact = json.loads(line)
            if fact["kind"] == "notice":
                self._say(escape(redact(fact["text"]), 400))  # now: somebody waits and wonders
            else:
                self._facts.put(fact)
        if not self._closing:
            processes.sweep(self.folder, keep=True)

    def take_facts(self) -> None:
        """Write what the supervisor has learned of services to the run log."""
        while not self._facts.empty():
            fact = self._facts.get()
            if fact["kind"] == "service":
                self.open_log().write(fact)
                if fact["ended"]:
                    self.endings.append(f"{fact['name']} ended in the middle of the run: {fact['ended']}")
            elif fact["kind"] == "warning":
                self.warnings.append(escape(redact(fact["text"]), 400))

    def note(self, record: Record) -> None:
        """Write a judged cell, its scenario or its configuration to the run log."""
        self.take_facts()
        if record["kind"] == "scenario":
            if record["name"] in self._scenarios:
                return  # every xdist process tells of the scenarios that it meets
            self._scenarios.add(record["name"])
        self.open_log().write(record)
        if record["kind"] == "observation":
            self.counts[record["outcome"]] += 1
            self.left_by_services += "service_ended" in record["evidence"].get("facts", ())
            if set(MATRIX_AXES) <= set(record["declared_axes"]):
                shown = {axis: record["cell"][axis] for axis in MATRIX_AXES}
                self.pairs.append((_shared(shown), Outcome(record["outcome"])))
            else:
                self.others[record["outcome"]] += 1

    def close(self, cut_short: str | None, keep: bool) -> Path | None:
        """End the supervisor and everything below it, and finish the run log.

        :returns: the run's folder, if it was kept.
        """
        if keep:
            try:
                Asker(self.folder).ask("keep")
            except RoundtripError:
                keep = False
        self._closing = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(SHUTDOWN_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if not keep:
            # nothing is left of a run that ended well; this is for the others
            processes.sweep(self.folder)
        if self.has_log:
            self.take_facts()
            self.open_log().close(dict(self.counts), cut_short)
        return self.folder if keep else None


def check_writable(path: Path) -> None:
    """Find out before the run whether a file can be written in it or after it.

    :raises LogUnwritable: it cannot.
    """
    there = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise LogUnwritable(path, error, "file") from error


_shapes: dict[tuple[str, ...], Mapping[str, str]] = {}


def _shared(axes: Mapping[str, str]) -> Mapping[str, str]:
    """One object per combination: thousands of cells share few."""
    return _shapes.setdefault(tuple(axes.values()), axes)


class Observer:
    """Turns the selected items of a pytest process into observations.

    :param ahead: whether to observe what comes next while somebody asks for something else; not where other
        pytest processes do.
    """

    def __init__(
        self,
        options: Options,
        registry: Registry,
        expectations: Expectations,
        folder: Path,
        root: Path,
        ahead: bool = False,
    ) -> None:
        self.options, self.registry, self.expectations = options, registry, expectations
        self.folder, self._root = folder, root
        self.run = folder.name.removeprefix(processes.FOLDER_PREFIX)
        self.asker = Asker(folder)
        self._looks_ahead = ahead and not options.inline
        self._ahead: Ahead | None = None
        self.products: dict[str, str] = {}
        self._setups: dict[Configuration, Setup] = {}
        self._missing: dict[Configuration, ServiceUnavailable] = {}
        self._asked: dict[Configuration, list[Asked]] = {}
        self._work: dict[Configuration, Work] = {}
        self._records: list[Record] = []
        self._streams: dict[Configuration, Iterator[tuple[str, Observation]]] = {}
        self._seen: dict[tuple[Configuration, str], Observation] = {}
        self._cut_short: dict[Configuration, str] = {}
        """Why a configuration ended before all of its cells were observed."""
        self._broken: str | None = None

    def plan(self, asked: Sequence[Asked]) -> None:
        """Start what the selected cells need, and nothing else.

        :raises ServiceUnavailable: a server that the user named by URL cannot be used.
        """
        for item in asked:
            others = self._asked.setdefault(item.cell.configuration, [])
            if others and others[0].cell.worker != item.cell.worker:
                one, two = others[0].cell.scenario, item.cell.scenario
                name = item.cell.configuration.worker
                raise RoundtripError(f"{one} and {two} mean different workers by {name!a}: rename one")
            others.append(item)
        servers = self._start_services()
        for configuration in self._asked:
            try:
                self._setups[configuration] = self._set_up(configuration, servers)
            except ServiceUnavailable as error:
                self._missing[configuration] = error
        setups = list(self._setups.values())
        if not setups:
            return
        self.asker.ask("plan", setups=[asdict(setup) for setup in setups])
        if self._looks_ahead:
            self._work = {one: Work(setup, self._asked[one]) for one, setup in self._setups.items()}
            self._ahead = Ahead(self._conduct, list(self._work.values()))

    def give_up(self, reason: str) -> None:
        """Make every cell that is still asked for ``indeterminate``."""
        self._broken = reason

    def observe(self, asked: Asked) -> Observation:
        """The observation of one cell; the first of a configuration submits them all."""
        configuration = asked.cell.configuration
        if configuration in self._missing:
            error = self._missing[configuration]
            remedy: dict[str, object] = {"facts": {"remedy": error.remedy}} if error.remedy else {}
            return Observation(Verdict.NOT_RUN, None, False, str(error), None, remedy)
        key = (configuration, asked.cell.cell_id)
        try:
            if self._broken:
                raise SupervisorGone(self._broken)
            if configuration not in self._streams:
                self._streams[configuration] = self._answers(configuration)
            stream = self._streams[configuration]
            while key not in self._seen:
                name, seen = next(stream)
                self._seen[configuration, name] = seen
            if self._last(asked):
                for name, seen in stream:  # to its end: it releases the worker there
                    self._seen[configuration, name] = seen
        except SupervisorGone as error:
            self._broken = str(error)
            return Observation(Verdict.INDETERMINATE, Blame.HARNESS, False, self._broken)
        except StopIteration:
            self._cut_short.setdefault(configuration, "its configuration ended without an answer")
        except RoundtripError as error:  # of this configuration alone: no process of its can be started
            self._cut_short[configuration] = str(error)
        if key not in self._seen:
            return Observation(Verdict.INDETERMINATE, Blame.HARNESS, False, self._cut_short[configuration])
        return self._seen.pop(key)

    def _last(self, asked: Asked) -> bool:
        return self._asked[asked.cell.configuration][-1].cell.cell_id == asked.cell.cell_id

    @cached_property
    def _conductor(self) -> Conductor:
        """Where this process does not look ahead; made when the first cell is asked for."""
        return self._conduct()

    def _conduct(self) -> Conductor:
        options = self.options
        return Conductor(Asker(self.folder), options.inline, options.deadline, options.seed)

    def _answers(self, configuration: Configuration) -> Iterator[tuple[str, Observation]]:
        """What is seen of a configuration's cells; at its end, its records are there."""
        if self._ahead is not None:
            work = self._work[configuration]
            yield from self._ahead.answers(work)
            self._records += work.records
        else:
            yield from self._conductor.observe(self._setups[configuration], self._asked[configuration])
            self._records += self._conductor.configurations
            self._conductor.configurations = []

    def finished_configurations(self) -> list[Record]:
        """Records of configurations that have ended since the last call."""
        done, self._records = self._records, []
        return done

    def close(self) -> None:
        try:
            if self._ahead is not None:
                self._ahead.close()
            else:
                self._conductor.close()
        except SupervisorGone:
            return  # whoever noticed has ended them

    def service_logs(self, configuration: Configuration) -> dict[str, list[str]]:
        """The last lines of the logs of a configuration's services, where this run started them."""
        found = {}
        for name in self._setups[configuration].servers if configuration in self._setups else ():
            log = self.folder / "services" / name / "service.log"
            if log.exists():
                with log.open("rb") as file:
                    file.seek(max(0, log.stat().st_size - 20_000))
                    lines = file.read().decode("utf-8", "backslashreplace").splitlines()
                found[name] = [escape(redact(line), 400) for line in lines[-SERVICE_LOG_LINES:]]
        return found

    def repro(self, selection: Sequence[str]) -> str:
        """A shell command that runs one cell alone, under the options of this run.

        :param selection: the arguments that select it.
        """
        options = self.options
        words = ["python", "-m", "pytest", *selection, f"--runtime={options.runtime}"]
        for name, default in (*DEFAULT_POINTS, ("seed", 0), ("deadline", 5.0)):
            if getattr(options, name) != default:
                words.append(f"--{name}={getattr(options, name)}")
        if options.runtime != "local":
            words += [f"--image={name}={image}" for name, image in options.own_images.items()]
        for name, url in options.urls.items():
            if options.own is None or options.own.urls.get(name) != url:
                words.append(f"--service={name}={redact(url)}")
        if options.own is not None:
            words.append(f"--settings={options.own.given}")
        for file in options.backend_files:
            words.append(f"--backend={file}")
        return shlex.join(words)

    def _start_services(self) -> dict[str, Server | ServiceUnavailable]:
        needed: set[str] = set()
        for configuration in self._asked:
            needed.update(broker(configuration.broker).services)
            needed.update(self.registry.load(configuration.backend).services)
        answers = self.asker.ask("services", wanted=wanted_services(self.options, needed))
        servers: dict[str, Server | ServiceUnavailable] = {}
        for name, answer in answers.items():
            if "server" in answer:
                server = Server(**answer["server"])
                servers[name] = server
                self.products[server.product.lower()] = server.version
            elif "broken" in answer:
                raise BadPlugin(answer["broken"])
            else:
                servers[name] = ServiceUnavailable(answer["problem"], answer["remedy"])
                if name in self.options.urls:
                    raise ServiceUnavailable(
                        answer["problem"], answer["remedy"] or f"correct or leave out {named_by(name)}"
                    )
        return servers

    def _set_up(
        self, configuration: Configuration, servers: Mapping[str, Server | ServiceUnavailable]
    ) -> Setup:
        source = self.registry.source(configuration.backend)
        backend = load(source)
        packages = dict(backend.packages)
        for codec in (configuration.serializer, configuration.compression, configuration.pool):
            if codec in CODEC_PACKAGES:
                packages[CODEC_PACKAGES[codec]] = f"celery-roundtrip[{codec}]"
        for package, requirement in packages.items():
            need(package, requirement)
        if self.options.inline and backend.own_client:
            raise ServiceUnavailable(
                f"{backend.name} needs client processes of its own", "leave out --client inline"
            )
        own: dict[str, Server] = {}
        for name in (*broker(configuration.broker).services, *backend.services):
            server = servers[name]
            if isinstance(server, ServiceUnavailable):
                raise server
            own[name] = server
        kind = self._asked[configuration][0].cell.worker
        made = set_up(configuration, source, self.run, self.folder / "stores", own, kind)
        return replace(made, environment=self._client_environment(made))

    def _client_environment(self, setup: Setup) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(self._root), os.environ.get("PYTHONPATH"))))
        return {**setup.environment, "PYTHONPATH": path}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
