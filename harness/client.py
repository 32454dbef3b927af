"""Client processes: run scenario bodies, submit and read through Celery, read and plant natively.

``python -m harness.client SOCKET FOLDER MEMO`` connects to a pytest process and serves batches of cells,
one worker configuration each: the first halves of all cells, then the second halves, in order. In FOLDER
it writes what it is at, so that pytest can end it when a body never returns. In the folder MEMO lies what
clients of the run have computed for each other.
With ``--client inline`` pytest calls `Runner.run` itself.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
import json
import sys
import time
import warnings
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from multiprocessing.connection import Client
from pathlib import Path
from types import ModuleType
from typing import Any

from harness import evidence, poll, stacks
from harness.cell import Cell, Session, TaskStuck, WorkerTrouble, escaped
from harness.doing import Announcer
from harness.errors import ServiceUnavailable
from harness.judging import AtRestCrash, NoNativeReader
from harness.memo import Memo
from harness.oracle import Oracle
from harness.scenario import Scenario
from harness.verdict import Axis, Blame, Observation, Verdict
from harness.worker import Setup, WorkerWatch

Message = dict[str, Any]
Send = Callable[[Message], None]
Announce = Callable[[str, str, float], None]
"""Told a cell, what is about to be done for it, and the seconds that it may take."""

GRACE = 10.0
"""Seconds beyond its deadline after which a wait counts as hung."""
COLLECT_AFTER = 10_000
"""Objects after which a client collects garbage; with Python's own 700 it is a fifth of all it computes."""
DECLARED = (
    "supports_native_join",
    "supports_autoexpire",
    "supports_result_compression",
    "supports_failure_expires",
    "persistent",
    "implements_incr",
)


class Entry:
    """A cell on its way through a batch."""

    def __init__(self, request: Mapping[str, Any], session: Session, scenario: Scenario) -> None:
        self.id: str = request["id"]
        axes = {Axis(axis): point for axis, point in request["axes"].items()}
        self.cell = Cell(session, axes)
        self.scenario = scenario
        self.generator: Generator[None, None, Observation] | None = None
        self.seconds = 0.0
        self.done: Observation | None = None

    def submit(self) -> None:
        """Run the body up to its ``yield``."""
        if inspect.isgeneratorfunction(self.scenario.body):
            began = time.perf_counter()
            self.generator = self.scenario.body(self.cell)
            try:
                next(self.generator)
            except StopIteration as stop:
                self.done = stop.value
            self.seconds += time.perf_counter() - began

    def check(self) -> Observation:
        """Run the rest of the body."""
        if self.done is not None:
            return self.done
        began = time.perf_counter()
        try:
            made = self.scenario.body(self.cell) if self.generator is None else _finish(self.generator)
        except NoNativeReader as error:
            detail, why = f"{error}: nothing to look at", {"nothing_to_look_at": str(error)}
            made = Observation(Verdict.NOT_RUN, None, False, detail, None, {"facts": why})
        except ServiceUnavailable as error:
            facts = {"remedy": error.remedy}
            made = Observation(Verdict.NOT_RUN, None, False, str(error), None, {"facts": facts})
        except AtRestCrash as error:
            made = escaped(self.cell, error)
        finally:
            self.cell.close()
        self.seconds += time.perf_counter() - began
        if not isinstance(made, Observation):
            raise TypeError(f"{self.scenario.name} returned {type(made).__name__}, not an observation")
        return made


def _finish(generator: Generator[None, None, Observation]) -> Observation:
    try:
        next(generator)
    except StopIteration as stop:
        made: Observation = stop.value
        return made
    raise TypeError("the body yields twice: one yield parts submitting from checking")


def _nobody(cell: str, phase: str, limit: float) -> None:
    """Nobody watches."""


class Runner:
    """Runs batches; keeps what is worth keeping between them (modules, oracle results).

    :param announce: told everything that is begun.
    :param memo: what other clients have computed.
    """

    def __init__(self, send: Send, announce: Announce | None = None, memo: Memo | None = None) -> None:
        self._send, self._announce, self._memo = send, announce or _nobody, memo or Memo()
        self._oracle = Oracle(memo=self._memo)
        self._current = ""

    def run(self, request: Message) -> None:
        """Run one batch; every answer goes through ``send``, the last one is ``done`` or ``trouble``."""
        setup = Setup.read(Path(request["worker"]["folder"]) / "setup.json")
        watch = WorkerWatch(Path(request["worker"]["folder"]), request["worker"]["pid"])
        told = (request["deadline"], request["seed"], self._busy)
        session = Session(setup, watch, self._oracle, *told, memo=self._memo)
        try:
            self._batch(session, request)
        finally:
            session.close()

    def _busy(self, phase: str, seconds: float) -> None:
        self._announce(self._current, phase, seconds + GRACE)

    def _batch(self, session: Session, request: Message) -> None:
        began = time.monotonic()
        entries = [Entry(cell, session, _scenario(cell)) for cell in request["cells"]]
        for entry in entries:
            self._current = entry.id
            self._busy("submit", 10.0)
            try:
                entry.submit()
            except Exception as error:  # noqa: BLE001 - a body that raises is the harness's fault, and said so
                entry.done = escaped(entry.cell, error)
        lost: list[Entry] = []
        for entry in entries:
            self._current = entry.id
            self._busy("check", entry.cell.patience + 10.0)
            try:
                seen = entry.check()
            except TaskStuck as stuck:
                seen = _stuck(session, entry, stuck)
            except WorkerTrouble as trouble:
                self._trouble(session, entries, trouble)
                return
            except Exception as error:  # noqa: BLE001 - as above
                seen = escaped(entry.cell, error)
            if seen.verdict in (Verdict.LOST, Verdict.STALE) and entry.cell.unanswered:
                lost.append(entry)
            entry.done = seen
            self._observe(entry, provisional=entry in lost)
        self._look_again(lost, session.late_look)
        self._send({"type": "done", "configuration": _configuration(session, time.monotonic() - began)})

    def _observe(self, entry: Entry, provisional: bool = False) -> None:
        seen = entry.done
        assert seen is not None
        self._send(
            {
                "type": "observation",
                "cell": entry.id,
                "provisional": provisional,
                "verdict": seen.verdict,
                "blame": seen.blame,
                "holds": seen.holds,
                "detail": seen.detail,
                "oracle": seen.oracle,
                "evidence": seen.evidence or {},
                "seconds": round(entry.seconds, 6),
            }
        )

    def _look_again(self, lost: list[Entry], deadline: float) -> None:
        """One more deadline, for all lost cells together: an answer that comes late is evidence."""
        missing = list(lost)

        def arrived() -> bool:
            for entry in list(missing):
                self._current = entry.id
                self._busy("late look", deadline)
                try:
                    late = entry.cell.late_answer()
                except Exception as error:  # noqa: BLE001 - whatever reading raises is evidence
                    entry.cell.note(f"asked again after the deadline, reading raised {error!r}")
                    missing.remove(entry)
                    continue
                if late is not None:
                    entry.cell.evidence["late"] = late
                    missing.remove(entry)
            return not missing

        if missing:
            poll.until(arrived, deadline, longest=0.25)
        for entry in lost:
            late = entry.cell.evidence.get("late")
            if late and entry.done is not None:
                detail = f"{entry.done.detail}; an answer came {late['after']} s after the task had ended"
                entry.done = replace(entry.done, detail=detail, evidence=entry.cell.evidence)
            self._observe(entry)

    def _trouble(self, session: Session, entries: list[Entry], trouble: WorkerTrouble) -> None:
        running = {task for task, _ in session.watch.running()}
        suspects = [
            entry.id
            for entry in entries
            if entry.done is None and any(made.id in running for made in entry.cell.submissions)
        ]
        self._send(
            {
                "type": "trouble",
                "kind": trouble.kind,
                "detail": trouble.detail,
                "ready": session.watch.ready is not None,
                "unprepared": evidence.line(session.watch.unprepared),
                "suspects": suspects,
                "log": [evidence.line(line) for line in session.watch.log()],
            }
        )


def _stuck(session: Session, entry: Entry, stuck: TaskStuck) -> Observation:
    """A task that does not end: where its process hangs tells who is to blame."""
    trace = session.watch.trace(stuck.task_id)
    cell = entry.cell
    stack = stacks.ask(trace.pid, session.watch.folder) if trace.pid is not None else ""
    cell.evidence["stack"] = evidence.text(stack)
    cell.evidence["events"] = evidence.events(trace, cell.submissions[0].at)
    in_write = trace.writing is not None and trace.wrote is None
    where = "inside the backend's write" if in_write else "before its result was written"
    detail = f"the task started and did not end within {cell.runs_within:g} s; it hangs {where}"
    blame = Blame.BACKEND if in_write else Blame.WORKER
    return Observation(Verdict.HUNG, blame, False, detail, None, cell.evidence)


def _configuration(session: Session, seconds: float) -> Message:
    """What the run log keeps of a configuration: what Celery declares, and what it warned about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        declared = _declared(session)
    told = [evidence.line(str(warning.message)) for warning in caught]
    return {
        "cell": {name: point for name, point in vars(session.setup.configuration).items() if point},
        "declared": declared,
        "settings": evidence.jsonable(dict(sorted(session.setup.settings.items()))),
        "worker_ready_seconds": session.watch.ready,
        "seconds": round(seconds, 3),
        "warnings": told,
    }


def _declared(session: Session) -> Message:
    # a second instance: the first one's warnings were shown when it was made
    from celery.app.backends import by_url

    made, url = by_url(session.setup.settings["result_backend"], session.reader.loader)
    backend = made(app=session.reader, url=url)
    return {flag: evidence.jsonable(getattr(backend, flag, None)) for flag in DECLARED}


_modules: dict[str, ModuleType] = {}


def _scenario(request: Mapping[str, Any]) -> Scenario:
    """The scenario of a cell: its module is imported by name where possible, else from its file."""
    file = request["file"]
    if file not in _modules:
        _modules[file] = _import(request["module"], file)
    found = getattr(_modules[file], request["scenario"])
    assert isinstance(found, Scenario)
    return found


def _import(name: str, file: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
        if getattr(module, "__file__", None) == file:
            return module
    except ImportError:
        pass  # a scenario file outside any package: pytest found it by path, so do we
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the scenarios of {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    gc.set_threshold(COLLECT_AFTER)
    socket, folder, shared = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    stacks.write_on_signal(folder)
    connection = Client(socket, family="AF_UNIX")
    runner = Runner(
        lambda message: connection.send_bytes(json.dumps(message).encode("ascii")),
        Announcer(folder),
        Memo(shared),
    )
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            return
        runner.run(request)


if __name__ == "__main__":
    main()
