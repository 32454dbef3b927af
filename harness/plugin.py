"""The pytest plugin: hooks only. Read as a table of contents; the work is done in the modules it names.

Scenarios are collected as cells (`harness.matrix`), sorted by worker configuration, observed
(`harness.run.Observer`), judged (`harness.verdict.judge`) and written to the run log
(`harness.run.Controller`).
"""

from __future__ import annotations

import gc
import re
import shlex
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from harness import containers, matrix
from harness.conductor import Asked
from harness.errors import RoundtripError, UnknownName
from harness.expectations import Expectation, Expectations, files
from harness.matrix import Cell, MarkExpression, Selection
from harness.progress import Progress
from harness.registry import Registry
from harness.run import Controller, Observer, Options, named_by, wanted_services
from harness.runlog import RunLogError
from harness.scenario import FAMILIES, Scenario
from harness.services import RUNTIMES, known, service
from harness.verdict import Axis, Observation, Outcome, Verdict, judge

SERVICE_MAY_KNOW = frozenset(
    (
        *(Verdict.REFUSED, Verdict.UNREADABLE, Verdict.STALE, Verdict.LOST, Verdict.HUNG),
        Verdict.INDETERMINATE,
    )
)
"""Verdicts for which the log of the service is evidence too."""
EXEMPT = "if it does not hold for this backend, say so: [[exempt]] in docs/adding-a-backend.md"
DEFAULT_RUN_LOG = ".roundtrip/run.jsonl"
STATE = pytest.StashKey["State"]()


class State:
    """What the plugin knows between hooks."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        base = config.invocation_params.dir
        # first: it makes the services of plug-ins known
        self.registry = Registry(str(base / file) for file in config.option.backend)
        if config.option.settings:
            self.registry.add_own(config.option.settings, base)
        self.options = _options(config, self.registry)
        self.own_files = frozenset(files())
        """The project's own files of expectations."""
        self.expectations = Expectations(files(self.registry.plugin_files()), self.registry.known_as)
        self.expression = MarkExpression(config.option.markexpr or "")
        self.ids = _typed_ids(config.args)
        self.controller: Controller | None = None
        self.observer: Observer | None = None
        self.progress = Progress(config)
        self.broken = ""
        self.unknown_ids: list[str] = []
        self.records: dict[str, list[dict[str, Any]]] = {}
        self._told: set[tuple[str, str]] = set()

    @property
    def selection(self) -> Selection:
        slow = self.config.option.slow or "slow" in self.expression.names or bool(self.ids)
        chosen = {Axis.BROKER: self.options.broker, Axis.POOL: self.options.pool}
        return Selection(self.expression, self.ids, chosen, self.registry.broker_of, slow, self.registry.pins)

    @property
    def observes(self) -> bool:
        """Whether this process runs cells: not the xdist controller."""
        return not getattr(self.config.option, "numprocesses", None) or self.is_xdist_worker

    @property
    def is_xdist_worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    def start_controller(self, has_cells: bool = False) -> Controller:
        if self.controller is None:
            command = ["pytest", *(str(word) for word in self.config.invocation_params.args)]
            selection = " ".join(filter(None, (self.expression.text, self.config.option.keyword)))
            root, say = self.config.rootpath, self.progress.say
            plugins = self.registry.distributions()
            self.controller = Controller(self.options, command, selection, root, has_cells, say, plugins)
        return self.controller

    def told_of(self, scenario: Scenario) -> list[dict[str, Any]]:
        """The run log's record of a scenario, the first time that it is asked for."""
        name = (scenario.module, scenario.name)
        if name in self._told:
            return []
        self._told.add(name)
        return [
            {
                "kind": "scenario",
                "name": scenario.name,
                "family": scenario.family,
                "promise": scenario.promise,
                "links": list(scenario.links),
                "axes": [str(axis) for axis in scenario.axes],
                "answers": list(scenario.answers),
            }
        ]

    def run_folder(self) -> Path:
        if self.is_xdist_worker:
            return Path(self.config.workerinput["roundtrip_folder"])  # type: ignore[attr-defined]
        controller = self.start_controller(has_cells=True)
        controller.open_log()
        return controller.folder


# -- options and markers


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("celery-roundtrip", "real Celery workers against real result stores")
    add = group.addoption
    add(
        "--runtime",
        default="auto",
        help="how services are provided: docker, local (processes of wheels and system packages), or auto "
        "(default): docker where a daemon answers and has or can pull the image, else local",
    )
    add("--image", action="append", default=[], metavar="NAME=REF", help="the container image of a service")
    add("--images", metavar="FILE", help="a TOML file that names images, e.g. the stand-ins of `make images`")
    add("--image-prefix", default="", metavar="PREFIX", help="registry prefix of the pinned public images")
    add(
        "--service",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="use a server that runs already, e.g. redis=redis://user:password@host:6379/0; the run "
        "touches nothing but its own namespace there. May be given several times",
    )
    add(
        "--fresh-services",
        action="store_true",
        help="start every service anew, also where 'roundtrip services up' keeps one that would do",
    )
    add(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help="fail, instead of skipping, when this backend (or 'all') cannot be run; what it has no native "
        "place for is skipped in any case",
    )
    broker = matrix.DEFAULTS[Axis.BROKER]
    add(
        "--broker",
        default=broker,
        help=f"message broker of the workers: {', '.join(matrix.BROKERS)} (default: %(default)s)",
    )
    add("--pool", default="prefork", help="worker pool: prefork (default), threads, solo, gevent or eventlet")
    add(
        "--run-log",
        default=DEFAULT_RUN_LOG,
        metavar="FILE",
        help="where the run log goes (default: %(default)s)",
    )
    add(
        "--report",
        default=".roundtrip/report.html",
        metavar="FILE",
        help="where the HTML report goes (default: %(default)s)",
    )
    add(
        "--slow",
        action="store_true",
        help="ask the slow cells too (values of 1 MiB and more); they are left out unless -m names 'slow'",
    )
    add("--seed", type=int, default=0, help="seed of everything that is generated (default: 0)")
    add(
        "--client",
        default="process",
        help="where scenario bodies run: process (default) or inline (in pytest, for a debugger)",
    )
    add(
        "--keep",
        action="store_true",
        help="if a cell fails, leave stores and logs in the run's folder, credentials among them, and "
        "what lies on servers named by --service",
    )
    add(
        "--logs",
        metavar="FOLDER",
        help="when the run ends, copy the logs of services, workers and clients there, without the passwords "
        "in their URLs",
    )
    add(
        "--deadline",
        type=float,
        default=5.0,
        metavar="SECONDS",
        help="how long a result may take after its task has ended (default: 5)",
    )
    add(
        "--backend",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file with a result backend of your own (docs/adding-a-backend.md); write "
        "--backend=FILE, for pytest takes a path that stands alone for tests",
    )
    add(
        "--settings",
        metavar="MODULE_OR_FILE",
        help="ask your own Celery settings too, as one more worker configuration: -m own selects it alone "
        "(docs/own-settings.md). MODULE:NAME names an app; BACKEND=MODULE says which backend it is",
    )


def pytest_configure(config: pytest.Config) -> None:
    try:
        state = State(config)
    except RoundtripError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[STATE] = state
    if not state.is_xdist_worker:
        config.pluginmanager.register(RecordTaker(state), "roundtrip-records")
    for name, meaning in _markers(state.registry):
        config.addinivalue_line("markers", f"{name}: {meaning}")
    registered = [re.split(r"[(:]", line)[0].strip() for line in config.getini("markers")]
    try:
        state.expression.check(registered)
        state.expectations.check_names(
            {
                Axis.BACKEND: state.registry.names,
                Axis.SERIALIZER: matrix.SERIALIZERS,
                Axis.COMPRESSION: matrix.ALL_COMPRESSIONS,
                Axis.BROKER: matrix.BROKERS,
                Axis.POOL: matrix.POOLS,
                Axis.VALUE: matrix.value_names(),
            }
        )
    except RoundtripError as error:
        raise pytest.UsageError(str(error)) from None


# -- collection


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Where pytest says that a node id was not found, say which part of it names nothing.

    Forty thousand cells stay to the end: the garbage collector does not go through them, neither while they
    are made nor afterwards (an eighth of what pytest's processes compute).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return (yield)
    except pytest.UsageError:
        unknown = session.config.stash[STATE].unknown_ids
        if unknown:
            raise pytest.UsageError(unknown[0]) from None
        raise
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list[CellItem] | None:
    if not isinstance(obj, Scenario):
        return None
    assert isinstance(collector, pytest.Module)
    if obj.module != collector.obj.__name__ or name != obj.name:
        return []  # imported from the module that defines it
    state = collector.config.stash[STATE]
    made = []
    for cell in matrix.multiply(obj, state.registry.names, state.selection):
        item = CellItem.from_parent(
            collector,
            name=cell.cell_id,
            nodeid=f"{collector.nodeid}::{cell.cell_id}",
            scenario=obj,
            cell=cell,
        )
        made.append(item)
    _check_typed_ids(state, obj, made)
    return made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the cells of a worker configuration together, in the order of `matrix.spread`."""
    found = dict.fromkeys(item.cell.configuration for item in items if isinstance(item, CellItem))
    place = {configuration: number for number, configuration in enumerate(matrix.spread(found))}
    items.sort(key=lambda item: place[item.cell.configuration] if isinstance(item, CellItem) else -1)


def pytest_collection_finish(session: pytest.Session) -> None:
    cells = [item for item in session.items if isinstance(item, CellItem)]
    state = session.config.stash[STATE]
    state.progress.begin(cells=bool(cells))
    if not cells or session.config.option.collectonly or not state.observes:
        return
    try:
        for item in cells:
            state.expectations.of(item.cell, {})
        told = (state.options, state.registry, state.expectations, state.run_folder())
        ahead = not state.is_xdist_worker
        state.observer = Observer(*told, session.config.rootpath, ahead)
        state.observer.plan([item.asked for item in cells])
    except (RoundtripError, RunLogError) as error:
        if not state.is_xdist_worker:
            raise pytest.UsageError(str(error)) from None
        # xdist takes an error at this point for a crash: let the cells say it
        state.broken = str(error)
        if state.observer is not None:
            state.observer.give_up(state.broken)


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, scenario: Scenario, cell: Cell, **rest: Any) -> None:
        super().__init__(**rest)
        self.scenario, self.cell = scenario, cell
        self.funcargs: dict[str, object] = {}  # pytest-docker-tools reads it of every item that fails
        for name in (*matrix.markers(cell, scenario.axes), scenario.family):
            self.add_marker(_mark(name))

    @property
    def asked(self) -> Asked:
        return Asked(self.cell, self.scenario.module, str(self.path))

    def _is_told_by_others(self, found: Expectation) -> bool:
        """Whether the project says an expectation of a plug-in, whose author may know better."""
        state = self.config.stash[STATE]
        plugin = not state.registry.source(self.cell.configuration.backend).is_core
        return plugin and state.expectations.origin[found.id] in state.own_files

    def runtest(self) -> None:
        state = self.config.stash[STATE]
        observer = state.observer
        if observer is None:
            raise CellFailed(state.broken)
        seen = observer.observe(self.asked)
        found = state.expectations.of(self.cell, observer.products)
        expected = (found.id, found.verdict, found.blame) if found else None
        required = bool({"all", self.cell.configuration.backend} & state.options.require)
        advice = EXEMPT if found and self._is_told_by_others(found) else ""
        judged = judge(seen, expected, required, advice)
        if judged.outcome is Outcome.FAILED and seen.verdict in SERVICE_MAY_KNOW:
            logs = observer.service_logs(self.cell.configuration)
            seen = replace(seen, evidence={**(seen.evidence or {}), "service_log": logs})
        record = _record(self, seen, judged.outcome, judged.reason, found.id if found else None, observer)
        state.records[self.nodeid] = [
            *state.told_of(self.scenario),
            record,
            *observer.finished_configurations(),
        ]
        if judged.outcome is Outcome.FAILED:
            raise CellFailed(judged.reason)
        if judged.outcome is Outcome.EXPECTED:
            raise pytest.xfail.Exception(judged.reason)
        if judged.outcome is Outcome.SKIPPED:
            raise pytest.skip.Exception(judged.reason, _use_item_location=True)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, CellFailed):
            log = self.config.option.run_log
            where = "" if log == DEFAULT_RUN_LOG else f" --run-log={shlex.quote(log)}"
            return f"{excinfo.value}\nmore: roundtrip explain {self.cell.cell_id!r}{where}"
        if isinstance(excinfo.value, pytest.xfail.Exception):
            # nobody reads the traceback of a known deviation, and to make one takes 30 ms
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.scenario.body.__code__.co_firstlineno - 1, self.name


class CellFailed(Exception):
    """A cell's outcome is ``failed``; the message is its reason."""


# -- running and reporting


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a cell as pytest does, and report of its setup and teardown only what did not pass.

    They do nothing, and under xdist each report goes from process to process; so does word of a cell's begin
    and end, of which nothing is shown without ``-v``.
    """
    if not isinstance(item, CellItem):
        return None
    hook, config = item.ihook, item.config
    watched = not config.stash[STATE].is_xdist_worker or config.option.verbose > 0
    if watched:
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            hook.pytest_runtest_logreport(report=report)
    if watched:
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, CellItem):
        report.is_cell = True  # type: ignore[attr-defined]
        if call.when == "call":
            # rides on the report to the process that writes the run log, and is taken off there
            report.roundtrip = item.config.stash[STATE].records.pop(item.nodeid, [])  # type: ignore[attr-defined]
    return report


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """Leave the line per cell to ``-v``; else `harness.progress` prints one per configuration."""
    if config.option.verbose > 0 or not getattr(report, "is_cell", False):
        return None
    if report.when != "call" and report.passed:
        return "", "", ""
    if hasattr(report, "wasxfail"):
        return "xfailed", "", "XFAIL"
    return report.outcome, "", report.outcome.upper()


class RecordTaker:
    """Takes the records off the reports, in the process that writes the run log."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for record in report.__dict__.pop("roundtrip", ()):
            self._state.start_controller().note(record)
            self._state.progress.show(record)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    state = config.stash[STATE]
    if state.controller is not None:
        state.progress.summary(terminalreporter, state.controller, slow_left_out=not state.selection.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    state = session.config.stash[STATE]
    if state.observer is not None:
        state.observer.close()
    controller = state.controller
    if controller is None:
        return
    counts = controller.counts
    if exitstatus == 0 and counts and sum(counts.values()) == counts[Outcome.SKIPPED]:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED  # all skipped is no green run
    elif exitstatus == 0 and controller.left_by_services:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED  # nor is what a dead server has left
    cut = None if exitstatus in (0, 1, 5) else f"pytest ended with exit code {int(exitstatus)}"
    if session.shouldstop or session.shouldfail:
        cut = str(session.shouldstop or session.shouldfail)
    state.progress.finish(controller, cut, state.options)


def pytest_unconfigure(config: pytest.Config) -> None:
    state = config.stash.get(STATE, None)
    if state is not None and state.controller is not None:
        state.progress.finish(state.controller, "pytest ended early", state.options)


# -- xdist


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process where the run's supervisor is."""
    state = node.config.stash[STATE]
    try:
        node.workerinput["roundtrip_folder"] = str(state.start_controller().folder)
    except (RoundtripError, RunLogError) as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the cells of a worker configuration on one process."""
    from harness.scheduling import ConfigurationScheduling

    registry = config.stash[STATE].registry
    return ConfigurationScheduling(config, log, registry.names, registry.pins)


# -- helpers


def pytest_sessionstart(session: pytest.Session) -> None:
    state = session.config.stash[STATE]
    if state.options.urls and not state.is_xdist_worker and not session.config.option.collectonly:
        _probe_named_servers(state)


def _probe_named_servers(state: State) -> None:
    """Servers that the user named must answer, or the run stops before anything is collected."""
    from harness.supervisor import Asker

    try:
        wanted = wanted_services(state.options, state.options.urls)
        answers = Asker(state.start_controller().folder).ask("services", wanted=wanted)
    except (RoundtripError, RunLogError) as error:
        raise pytest.UsageError(str(error)) from None
    for name, answer in answers.items():
        if "problem" in answer:
            remedy = answer["remedy"] or f"start the server, or correct {named_by(name)}"
            raise pytest.UsageError(f"{answer['problem']} ({remedy})")


def _options(config: pytest.Config, registry: Registry) -> Options:
    option = config.option
    for name, given, names in (
        ("runtime", option.runtime, RUNTIMES),
        ("broker", option.broker, matrix.BROKERS),
        ("pool", option.pool, matrix.POOLS),
        ("client", option.client, ("process", "inline")),
    ):
        if given not in names:
            raise UnknownName(name, given, names)
    base = config.invocation_params.dir
    own_images = dict(containers.read_images(base / option.images) if option.images else {})
    own_images |= containers.named(option.image)
    for name in own_images:
        service(name)
    options = Options(
        runtime=option.runtime,
        urls={**(registry.own.urls if registry.own else {}), **dict(map(_service_url, option.service))},
        require=frozenset(option.require),
        broker=option.broker,
        pool=option.pool,
        run_log=base / option.run_log,
        report=base / option.report,
        seed=option.seed,
        inline=option.client == "inline",
        keep=option.keep,
        logs=base / option.logs if option.logs else None,
        deadline=option.deadline,
        backend_files=tuple(str(base / file) for file in option.backend),
        own=registry.own,
        images={**_public_images(option.image_prefix), **own_images},
        own_images=own_images,
        fresh=option.fresh_services,
    )
    if options.deadline <= 0:
        raise RoundtripError(f"--deadline {options.deadline}: give a number of seconds above 0")
    for name in options.require - {"all"}:
        registry.source(name)
    return options


def _public_images(prefix: str) -> dict[str, str]:
    return {name: prefix + image for name, image in containers.default_images().items()}


def _service_url(text: str) -> tuple[str, str]:
    name, found, url = text.partition("=")
    if not found or "://" not in url:
        raise RoundtripError(f"--service {text!a}: write NAME=URL, e.g. redis=redis://127.0.0.1:6379/0")
    if name not in known():
        raise UnknownName("service", name, known())
    scheme = url.partition("://")[0]
    if scheme not in service(name).schemes:
        schemes = " or ".join(service(name).schemes)
        raise RoundtripError(f"--service {name}: the URL's scheme is {scheme!a}, it must be {schemes}")
    return name, service(name).checked_url(url)


def _markers(registry: Registry) -> Iterable[tuple[str, str]]:
    for name in matrix.backend_markers(registry.names):
        yield name, f"cells of the {name} result backend"
    yield from ((name, f"cells that vary the serializer, at {name}") for name in matrix.SERIALIZERS)
    yield from ((name, f"cells that vary the compression, at {name}") for name in matrix.ALL_COMPRESSIONS)
    yield from ((name, f"the scenario family {name}") for name in FAMILIES)
    yield "slow", "values of 1 MiB and more, and what was measured over 2 s; each names its reason"


def _typed_ids(args: Iterable[str]) -> dict[str, frozenset[str]]:
    """The bracket texts of node ids on the command line, by scenario; none if any argument has none."""
    found: dict[str, set[str]] = {}
    for arg in args:
        name, bracket, rest = arg.rpartition("::")[2].partition("[")
        if not bracket or "::" not in arg:
            return {}
        found.setdefault(name, set()).add(rest.removesuffix("]"))
    return {name: frozenset(ids) for name, ids in found.items()}


def _check_typed_ids(state: State, scenario: Scenario, made: list[CellItem]) -> None:
    wanted = state.ids.get(scenario.name)
    if wanted is None or state.expression.text:
        return
    missing = wanted - {item.cell.id for item in made}
    if missing:
        text = sorted(missing)[0]
        state.unknown_ids.append(matrix.explain_unknown_id(scenario, text, state.registry.names))


_marks: dict[str, pytest.MarkDecorator] = {}


def _mark(name: str) -> pytest.MarkDecorator:
    if name not in _marks:
        _marks[name] = getattr(pytest.mark, name)
    return _marks[name]


def _selecting(item: CellItem) -> list[str]:
    """The arguments that select a cell, where the suite is installed too."""
    if __name__ not in item.config.option.plugins:
        return [item.nodeid]
    if item.scenario.module.startswith("scenarios."):
        return ["-p", __name__, "--pyargs", f"{item.scenario.module}::{item.cell.cell_id}"]
    return ["-p", __name__, item.nodeid]


def _record(
    item: CellItem,
    seen: Observation,
    outcome: Outcome,
    reason: str,
    expectation: str | None,
    observer: Observer,
) -> dict[str, Any]:
    return {
        "kind": "observation",
        "cell_id": item.cell.cell_id,
        "scenario": item.cell.scenario,
        "cell": {str(axis): point for axis, point in item.cell.axes.items()}
        | ({"worker": item.cell.worker.name} if item.cell.worker else {}),
        "declared_axes": [str(axis) for axis in item.scenario.axes],
        "verdict": str(seen.verdict),
        "blame": str(seen.blame) if seen.blame else None,
        "holds": seen.holds,
        "detail": seen.detail,
        "oracle": seen.oracle,
        "evidence": seen.evidence or {},
        "seconds": seen.seconds,
        "outcome": str(outcome),
        "reason": reason,
        "expectation": expectation,
        "nodeid": item.nodeid,
        "repro": observer.repro(_selecting(item)),
    }
