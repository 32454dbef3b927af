"""The `cell` that scenario bodies receive: submit, receive, look at rest, and say what was observed.

Runs inside a client process (or inside pytest with ``--client inline``).
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import celery
import celery.exceptions
from celery import states
from celery.result import AsyncResult, GroupResult, ResultSet
from kombu.compression import get_encoder
from kombu.serialization import registry

from harness import corpus, elsewhere, evidence, generated, judging, poll, tasks
from harness.app import build
from harness.backend import Stored
from harness.brokers import Message, broker
from harness.fidelity import compare
from harness.gates import REACHED_WITHIN, Gate
from harness.identify import identify
from harness.judging import Received, Reply
from harness.memo import Memo
from harness.oracle import Oracle, Refused, Returned, expect
from harness.packages import need
from harness.verdict import Answer, Axis, Blame, Observation, Verdict
from harness.worker import CONCURRENCY, Setup, TaskTrace, WorkerWatch, run_namespace, runs

FLOOR = 0.1
"""Seconds that a read gets at least, however long ago its task ended."""
RUNS_LONGER = 3
"""A task may take so many times what a read may take."""
SILENT_FOR = 20.0
"""Seconds without any event after which a worker that should be busy counts as stuck."""
SETTLED_WITHIN = 10.0
"""Seconds of idleness of its worker after which a group, chain or chord counts as not coming any more."""
READ_WITHIN = 2.0
"""Seconds that a read gets whose tasks have all ended, or never will."""
LOOK_TAKES = 0.3
"""Seconds that a look at one parent may take: get() looks at all of them before it counts its seconds, and
connects anew to an SQL database each time."""
ELSEWHERE_WITHIN = 20.0
"""Seconds that another process gets, its start included."""
CONTROL_WITHIN = 10.0
"""Seconds that a worker gets to answer a remote control command."""
PING_WITHIN = 0.5
"""Seconds after which a worker is asked again whether it hears remote control commands."""
WORKER_ENDS_WITHIN = 15.0
"""Seconds that a worker gets for a warm shutdown."""
POOL_RESIZED_WITHIN = 15.0
"""Seconds that the autoscaler gets; it shrinks by one process at a time."""
RECENT = 600.0
"""Seconds that a cell may lie behind its ``date_done``."""
START_WITHIN = 60.0
"""Seconds within which a worker must report that it is ready."""


LEFT_OUT = object()
"""In the place of a setting: it is not made."""
_RECEIVERS: list[celery.Celery] = []
"""Apps that have a reply queue, for as long as this process lives. Celery names the queue after the app's
address (``oid_from``, kombu/common.py): an app at the address of one that is gone would receive what was
left unread there, of another cell and in another serializer."""


class WorkerTrouble(BaseException):
    """The worker died or is stuck: nothing more can be learned from it.

    Not an Exception: bodies must not catch it.
    """

    def __init__(self, kind: str, detail: str) -> None:
        self.kind, self.detail = kind, detail
        super().__init__(detail)


class TaskStuck(BaseException):
    """One task does not end; the rest of the pool may still work."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(task_id)


@dataclass(frozen=True)
class Submission:
    """One task that a body sent."""

    result: AsyncResult[Any]
    at: float
    task: str
    args: tuple[object, ...]

    @property
    def id(self) -> str:
        return str(self.result.id)


@dataclass
class Session:
    """One worker configuration as a client sees it: apps, native client, worker."""

    setup: Setup
    watch: WorkerWatch
    oracle: Oracle
    deadline: float
    seed: int
    busy: Callable[[str, float], None]
    """Told what a cell is about to wait for, and how many seconds that may take."""
    memo: Memo = field(default_factory=Memo)
    submitted: list[str] = field(default_factory=list)

    _own: list[celery.Celery] = field(default_factory=list)

    def __post_init__(self) -> None:
        # first of all: loading a backend file makes the modules beside it importable
        self.backend: Any = self.setup.backend()
        self.backend.prepare_client()

    def generated(self, name: str) -> tuple[object, ...]:
        """The generated values of a class, under the run's seed."""
        known_as = f"generated-{name}-{self.seed}"
        return self.memo.get(known_as, lambda: generated.values(name, self.seed), once=True)

    @cached_property
    def subscribes(self) -> bool:
        """Whether submitting through an app subscribes it to the result (Celery's ``is_async``): what is
        wrong with one cell's result can then surface where another cell of that app reads."""
        return bool(self.reader.backend.is_async)

    @cached_property
    def publisher(self) -> celery.Celery:
        if self.backend.reading_consumes or not self.subscribes:
            return self.reader  # where reading consumes, only who submitted can read
        return build({**self.setup.settings, "result_backend": "disabled"})

    @cached_property
    def reader(self) -> celery.Celery:
        return self.app(self.setup.settings)

    def app(self, settings: Mapping[str, object]) -> celery.Celery:
        """An app that can receive results."""
        made = build(settings)
        if self.backend.reading_consumes:
            _RECEIVERS.append(made)
        return made

    @cached_property
    def twin(self) -> celery.Celery:
        """An app that submits and never reads: what it was answered stays at rest."""
        made = self.app(self.setup.settings)
        self.backend.reply_queue = made.thread_oid
        return made

    def app_for(self, poisoned: bool) -> tuple[celery.Celery, celery.Celery]:
        """Publishing and reading app of one cell.

        :param poisoned: reading this cell's result raises, whatever the store: where one app receives
            the results of many cells, that one gets an app of its own.
        """
        if poisoned and self.backend.reading_consumes:
            own = self.app(self.setup.settings)
            self._own.append(own)
            return own, own
        return self.publisher, self.reader

    def close(self) -> None:
        made = {id(app): app for app in self._own}
        for name in ("publisher", "reader", "twin"):
            if name in self.__dict__:
                made[id(self.__dict__[name])] = self.__dict__[name]
        for app in made.values():
            app.close()

    @property
    def late_look(self) -> float:
        """Seconds that all lost cells together get once more."""
        return self.shows_within(self.deadline)

    def shows_within(self, limit: float) -> float:
        """`limit`, or less where the backend says that waiting cannot help any more."""
        own: float | None = self.backend.shows_within
        return limit if own is None else min(own, limit)

    def wait_ended(self, task_id: str, patience: float) -> TaskTrace:
        """Wait until the worker reports that a task ended.

        :param patience: seconds that the task itself may take.
        :raises TaskStuck: it started and does not end.
        :raises WorkerTrouble: the worker is dead, silent, or all of its pool is stuck.
        """
        began = time.monotonic()
        trace = self.watch.trace(task_id)

        def settled() -> bool:
            alive = self.watch.look()
            if trace.ended is not None:
                return True
            now = time.monotonic()
            if not alive:
                raise WorkerTrouble("died", "the worker process ended")
            if trace.pid not in (None, self.watch.pid) and not runs(trace.pid or 0):
                if not self.watch.alive():  # it died since, and its processes die with it
                    raise WorkerTrouble("died", "the worker process ended")
                trace.add({"event": "child-gone", "at": now, "task": task_id})
                trace.ended = now
                return True
            if trace.started is not None and now - trace.started > patience:
                raise TaskStuck(task_id)
            self._check_pool(began, now, patience)
            return False

        while not poll.until(settled, 1.0):
            pass
        return trace

    def _check_pool(self, began: float, now: float, patience: float) -> None:
        if self.watch.ready is None:
            if now - began > START_WITHIN:
                raise WorkerTrouble("silent", f"the worker was not ready after {START_WITHIN:g} s")
            return
        size = 1 if self.setup.configuration.pool == "solo" else CONCURRENCY
        running = self.watch.running()
        stuck = [task for task, trace in running if now - (trace.started or now) > patience]
        if len(stuck) >= size:
            raise WorkerTrouble("stuck", f"all {size} processes of the pool are stuck")
        if not running and now - max(self.watch.latest, began) > SILENT_FOR:
            raise WorkerTrouble("silent", f"the worker took no task for {SILENT_FOR:g} s")


class Cell:
    """One scenario at one point of its axes, as its body sees it."""

    def __init__(self, session: Session, axes: Mapping[Axis, str]) -> None:
        self._session = session
        self.axes = axes
        self.submissions: list[Submission] = []
        self._twins: dict[str, str] = {}
        self._gates: list[Gate] = []
        self._asked: list[str] = []
        """Ids of the tasks of whose results the check asked."""
        self._began = time.monotonic()
        self.unanswered: Submission | None = None
        """What had no answer by its deadline, and gets one more look."""
        self.evidence: dict[str, Any] = {}

    # -- what the cell is about

    @property
    def value(self) -> corpus.Value:
        """The value that travels in this cell."""
        return corpus.value(self.axes[Axis.VALUE])

    @property
    def case(self) -> str:
        """The point of the case axis."""
        return self.axes[Axis.CASE]

    @property
    def serializer(self) -> str:
        return self.axes[Axis.SERIALIZER]

    @property
    def compression(self) -> str:
        return self.axes[Axis.COMPRESSION]

    @property
    def algorithm(self) -> str | None:
        """The algorithm of the configured codec, if any: kombu's ``gzip`` is a zlib stream."""
        if self.compression == "uncompressed":
            return None
        return "zlib" if self.compression == "gzip" else self.compression

    @property
    def content_type(self) -> str:
        """What kombu calls the configured serializer in a message."""
        return str(registry.name_to_type[self.serializer])

    @property
    def codec_content_type(self) -> str | None:
        """What kombu calls the configured codec in a message, if there is one."""
        if self.compression == "uncompressed":
            return None
        return str(get_encoder(self.compression)[1])  # type: ignore[no-untyped-call]

    @property
    def runs_within(self) -> float:
        """Seconds after which this cell's task counts as hung.

        Where others use the machine, it may wait for its turn: that must not look like a store that hangs.
        """
        return RUNS_LONGER * self.patience

    @property
    def patience(self) -> float:
        """Seconds that this cell's read may take, once its task has ended."""
        more = self.value.patience if Axis.VALUE in self.axes else 1.0
        return self._session.deadline * more

    @property
    def _shows_within(self) -> float:
        """Seconds after its task's end within which this cell's result must be there."""
        return self._session.shows_within(self.patience)

    @property
    def result_expires(self) -> float | None:
        """``result_expires`` of the app under test, in seconds; None: for ever."""
        expires = self._session.reader.conf.result_expires
        if expires is None:
            return None
        return float(expires.total_seconds() if hasattr(expires, "total_seconds") else expires)

    def pid_of(self, sent: AsyncResult[Any] | Submission) -> int | None:
        """The process in which a task runs or ran, as the worker said."""
        self._session.watch.poll()
        return self._session.watch.trace(str(sent.id)).pid

    def declares(self, flag: str) -> object:
        """What Celery's result-backend class says of itself, read from the instance of the app."""
        return getattr(self._session.reader.backend, flag, None)

    # -- act

    def submit(self, task: str, *args: object, **options: object) -> Submission:
        """Send a task of `harness.tasks` to the worker."""
        poisoned = task == "give" and Axis.VALUE in self.axes and _is_poison(self._oracle())
        return self._submit(task, args, options, poisoned)

    def _submit(
        self, task: str, args: tuple[object, ...], options: dict[str, object], poisoned: bool
    ) -> Submission:
        publisher, reader = self._session.app_for(poisoned)
        began = time.monotonic()
        sent = tasks.named(publisher, task).apply_async(args, **options)
        made = Submission(AsyncResult(sent.id, app=reader), began, task, args)
        self.submissions.append(made)
        self._session.submitted.append(made.id)
        return made

    def message_at_rest(self, task: str, *args: object) -> Message:
        """A task message as it lies in the broker, under ``task_serializer`` and ``task_compression``."""
        compression = None if self.compression == "uncompressed" else self.compression
        return self.message_under(
            {"task_serializer": self.serializer, "task_compression": compression}, task, *args
        )

    def message_under(
        self, own: Mapping[str, object], task: str, *args: object, **options: object
    ) -> Message:
        """A task message as it lies in the broker, in a queue that no worker reads.

        :param own: settings beside the matrix's; a table is merged into the matrix's.
        :param options: of ``Celery(...)``.
        """
        setup = self._session.setup
        queue = f"{setup.settings['task_default_queue']}-unread-{uuid.uuid4().hex[:8]}"
        settings = {**setup.settings, "result_backend": "disabled", "task_default_queue": queue}
        settings = _with_own(settings, own)
        app = build({name: one for name, one in settings.items() if one is not LEFT_OUT}, **options)
        namespace = run_namespace(setup.namespace)
        home = broker(setup.configuration.broker)
        try:
            sent = tasks.named(app, task).apply_async(args)
            found = home.peek(namespace, queue, setup.servers)
        finally:
            app.close()
            home.wipe_queue(namespace, queue, setup.servers)
        return next(message for message in found if message.correlation_id == sent.id)

    def _oracle(self) -> Returned | Refused:
        return self._session.oracle.expect(self.value.name, self.serializer, self.compression)

    def submit_generated(self, name: str) -> list[Submission]:
        """Send every generated value of a class, under the run's seed."""
        return [self._submit_value(value) for value in self._session.generated(name)]

    def _submit_value(self, value: object) -> Submission:
        oracle = expect(value, self.serializer, self.compression)
        return self._submit("give_packed", (generated.packed(value),), {}, _is_poison(oracle))

    def receive(self, sent: Submission | AsyncResult[Any]) -> Received:
        """What the caller gets: waits for the worker to end the task, then reads by the deadline."""
        submission = self._known(sent)
        self._session.busy("run", START_WITHIN + SILENT_FOR + self.runs_within)
        trace = self._session.wait_ended(submission.id, self.runs_within)
        # where reading consumes, this read may first have to take in the answers of all neighbours
        floor = self.patience if self._session.backend.reading_consumes else FLOOR
        remaining = max(floor, (trace.ended or 0.0) + self._shows_within - time.monotonic())
        self._session.busy("read", remaining)
        try:
            if self._is_overdue(submission, trace):
                self.unanswered = submission
                return self._received(submission, Answer.NOTHING, state=submission.result.state)
            value = submission.result.get(timeout=remaining, propagate=False)
            state = submission.result.state
        except celery.exceptions.TimeoutError:
            self.unanswered = submission
            return self._received(submission, Answer.NOTHING, state=self._state_now(submission))
        except Exception as error:  # noqa: BLE001 - whatever reading raises is what is observed
            return self._received(submission, Answer.RAISED, state="unknown", error=error)
        if state in states.EXCEPTION_STATES and isinstance(value, BaseException):
            return self._received(submission, Answer.FAILED, state=state, error=value)
        return self._received(submission, Answer.RETURNED, state=state, value=value)

    def _is_overdue(self, submission: Submission, trace: TaskTrace) -> bool:
        """Whether the deadline passed before this read, or nothing was written, and it finds nothing.

        To wait any more is no use, and where a store loses or refuses everything each cell would pay for it.
        """
        late = trace.refusal is not None or (
            trace.ended is not None and time.monotonic() > trace.ended + self._shows_within
        )
        # where reading consumes, only a longer read takes in what the neighbours were answered
        return late and not self._session.backend.reading_consumes and not submission.result.ready()

    def _received(self, submission: Submission, answer: Answer, **rest: Any) -> Received:
        received = Received(answer, trace=self._trace(submission), task_id=submission.id, **rest)
        if received.error is not None and answer is Answer.RAISED:
            self.evidence["error"] = evidence.error(received.error, "read")
        return received

    def _state_now(self, submission: Submission) -> str:
        try:
            meta = self._read_anew(submission)
        except Exception as error:  # noqa: BLE001 - whatever reading raises is what is observed
            self.note(f"asked again after the deadline, reading raised {type(error).__name__}")
            return "unknown"
        return str(meta.get("status"))

    def _read_anew(self, submission: Submission) -> dict[str, Any]:
        backend = submission.result.backend
        # RPCBackend.get_task_meta takes no `cache`: it has no store to go past the cache to
        options = {} if self._session.backend.reading_consumes else {"cache": False}
        made: dict[str, Any] = backend.get_task_meta(submission.id, **options)
        return made

    def _trace(self, submission: Submission) -> TaskTrace:
        self._session.watch.poll()
        return self._session.watch.trace(submission.id)

    # -- as a user does it: plain Celery

    @property
    def app(self) -> celery.Celery:
        """An app as a user has it, which publishes and reads. Its settings are not to be changed: where it
        does not subscribe to results, the other cells use it too (`other_app` makes one to change)."""
        return self._own_app if self._session.subscribes else self._session.reader

    @cached_property
    def _own_app(self) -> celery.Celery:
        return self._session.app(self._session.setup.settings)

    @property
    def tasks(self) -> tasks.Tasks:
        """The tasks of `app`: ``cell.tasks.add.delay(1, 2)``."""
        return tasks.Tasks(self.app)

    def other_app(self, **own: object) -> celery.Celery:
        """Another app with the settings of the matrix, which knows nothing of what `app` did.

        :param own: settings beside the matrix's; a table is merged into the matrix's.
        """
        return self._session.app(_with_own(self._session.setup.settings, own))

    @staticmethod
    def unknown_id() -> str:
        """An id that no task has yet."""
        return str(uuid.uuid4())

    @property
    def worker_name(self) -> str:
        """What the worker is called, as Celery has it (``NAME@HOST``)."""
        return f"{self._session.watch.folder.name}@localhost"

    def control(self, command: str, **arguments: object) -> Any:
        """Give the worker a remote control command and wait for its answer.

        :raises RuntimeError: it did not answer.
        """
        self._session.busy("run", START_WITHIN + 2 * CONTROL_WITHIN)
        poll.until(self._is_ready, START_WITHIN)
        # asynloop (celery/worker/loops.py) says worker_ready before it first looks at its broker, and Redis
        # drops a command that nobody has subscribed to yet
        heard = poll.until(lambda: self._tell("ping", within=PING_WITHIN), CONTROL_WITHIN)
        replies = self._tell(command, within=CONTROL_WITHIN, **arguments) if heard else None
        if not replies:
            raise RuntimeError(f"the worker did not answer {command!a} within {CONTROL_WITHIN:g} s")
        return replies[0][self.worker_name]

    def _tell(self, command: str, within: float, **arguments: object) -> list[dict[str, Any]] | None:
        told = {"arguments": arguments, "destination": [self.worker_name], "limit": 1}
        return self.app.control.broadcast(command, reply=True, timeout=within, **told) or None

    def plant_message(self, body: bytes) -> None:
        """Put something into the worker's queue natively, as somebody does who is not Celery.

        :raises judging.NoNativeReader: the broker offers no way.
        """
        setup = self._session.setup
        self._session.busy("run", START_WITHIN)
        poll.until(self._is_ready, START_WITHIN)  # until then there may be no queue
        home, queue = broker(setup.configuration.broker), str(setup.settings["task_default_queue"])
        try:
            home.put(run_namespace(setup.namespace), queue, setup.servers, body, self.unknown_id())
        except NotImplementedError as error:
            raise judging.NoNativeReader(f"broker {home.name} offers no native way to send") from error

    def _is_ready(self) -> bool:
        self._session.watch.poll()
        return self._session.watch.ready is not None

    def gate(self) -> Gate:
        """A gate for a task to stop at. It is opened at the end of the check, if the body has not done it.

        A body that uses one sends its task after its ``yield``, or has none: a task that stands at a gate
        takes a place in the pool, and the checks of other cells must not wait for this one's.
        """
        folder = self._session.watch.folder / "gates"
        folder.mkdir(exist_ok=True)
        made = Gate(str(folder / uuid.uuid4().hex), self._at_gate)
        self._gates.append(made)
        return made

    def _at_gate(self) -> float:
        """`_worked`, for a client that waits at a gate."""
        self._session.busy("run", REACHED_WITHIN)
        self._session.watch.poll()
        if not self._session.watch.alive():
            raise WorkerTrouble("died", "the worker process ended")
        return self._worked()

    def _worked(self) -> float:
        """When the worker last did something for this cell or another; while it starts, that is now."""
        watch = self._session.watch
        starting = min(time.monotonic(), self._began + START_WITHIN)
        return max(self._began, watch.worked, watch.ready or starting)

    def await_gate(self, gate: Gate, sent: AsyncResult[Any]) -> None:
        """Wait until a task stands at a gate, or has ended without: where a state could not be stored.

        :raises GateNeverReached: neither, in time.
        """
        self._asked.append(str(sent.id))
        gate.reached(unless=lambda: self._has_ended(sent))

    def _has_ended(self, sent: AsyncResult[Any]) -> bool:
        self._session.watch.poll()
        return self._session.watch.trace(str(sent.id)).ended is not None

    def ask(
        self,
        question: Callable[..., object],
        *args: object,
        within: float = SETTLED_WITHIN,
        phase: str = "read",
        **options: object,
    ) -> Reply:
        """Ask Celery something that may raise: the answer, or what was raised.

        :param within: seconds after which the client counts as hung, and is ended.
        :param phase: ``submit``, where what is asked for is a write.
        """
        self._session.busy("read", within)
        began = time.monotonic()
        try:
            value = question(*args, **options)
        except Exception as error:  # noqa: BLE001 - whatever is raised is what is observed
            self.evidence["error"] = evidence.error(error, phase)
            return Reply(None, error, phase, time.monotonic() - began)
        return Reply(value, None, phase, time.monotonic() - began)

    def get(
        self,
        result: AsyncResult[Any] | ResultSet[Any] | Reply,
        *,
        within: float = SETTLED_WITHIN,
        runs: int = 1,
        polls: int | None = None,
        **options: Any,
    ) -> Reply:
        """What ``result.get(**options)`` answers, of a task, a chain, a group or a chord.

        If to send it raised already, that is the answer.

        Waits until the worker has ended the tasks of this result, or did nothing for `within` seconds:
        however slow the machine is, what is still being worked on is waited for.

        :param runs: as of `settle`.
        :param polls: as of `settle`.
        """
        if isinstance(result, Reply):
            if result.error is not None:
                return result
            assert isinstance(result.value, AsyncResult | ResultSet)
            result = result.value
        self.settle(result, within=within, runs=runs, polls=polls)
        parents = _parents(result)
        self._asked += parents
        limit = READ_WITHIN + SETTLED_WITHIN + LOOK_TAKES * len(parents)
        timeout = max(FLOOR, self._session.shows_within(READ_WITHIN))  # 0 would mean for ever
        return self.ask(result.get, timeout=timeout, within=limit, **options)

    def settle(
        self,
        *results: AsyncResult[Any] | ResultSet[Any],
        within: float = SETTLED_WITHIN,
        runs: int = 1,
        polls: int | None = None,
    ) -> bool:
        """Wait until the worker has ended these tasks, or did nothing for `within` seconds.

        :param runs: how often each must have ended, one that is replaced once more.
        :param polls: give up sooner, once the worker has done nothing but ask so often whether the header of
            a chord is complete.
        :returns: whether all have ended.
        :raises WorkerTrouble: the worker is dead.
        """
        self._session.busy("run", START_WITHIN + 6 * within)
        missing = {task for result in results for task in _task_ids(result)}
        self._asked += sorted(missing)

        def settled() -> bool:
            watch = self._session.watch
            alive = watch.look()
            missing.difference_update([t for t in missing if watch.trace(t).runs >= runs])
            if not missing or (polls is not None and watch.polls >= polls):
                return True
            if not alive:
                raise WorkerTrouble("died", "the worker process ended")
            return time.monotonic() - self._worked() > within and not watch.joining()

        poll.until(settled, START_WITHIN + 5 * within)
        return not missing

    def settle_reply(self, result: AsyncResult[Any]) -> None:
        """`settle`, and where replies are messages, give the broker time to put this one into its queue.

        For a body that asks for more than the result, once: ``get`` waits by itself.
        """
        self.settle(result)
        if self._session.backend.reading_consumes:
            poll.until(lambda: self.ask(lambda: result.state).value != states.PENDING, READ_WITHIN)

    def settle_tree(self, root: AsyncResult[Any], size: int, within: float = SETTLED_WITHIN) -> bool:
        """Wait until the worker has ended `size` tasks of a tree, or did nothing for `within` seconds.

        :returns: whether all have ended.
        """
        self._session.busy("run", START_WITHIN + 6 * within)

        def settled() -> bool:
            watch = self._session.watch
            watch.poll()
            ended = [one for one in watch.tasks.values() if one.root == root.id and one.ended is not None]
            if len(ended) >= size:
                return True
            return time.monotonic() - max(self._began, watch.worked) > within

        poll.until(settled, START_WITHIN + 5 * within)
        found = [one for one in self._session.watch.tasks.values() if one.root == root.id]
        return len(found) >= size

    def runs(self, result: AsyncResult[Any]) -> int:
        """How often the worker has run a task."""
        self._session.watch.poll()
        return self._session.watch.trace(str(result.id)).runs

    @property
    def polls(self) -> int:
        """How often Celery has asked in vain for the header of a chord since the worker did anything else."""
        self._session.watch.poll()
        return self._session.watch.polls

    def await_runs(self, result: AsyncResult[Any], count: int) -> None:
        """Wait until the worker has run a task so often, or for so long that it never will."""
        self._session.busy("run", 2 * SETTLED_WITHIN)
        poll.until(lambda: self.runs(result) >= count, SETTLED_WITHIN)

    def let_age(self, sent: AsyncResult[Any], seconds: float) -> None:
        """Let time pass since the worker last wrote of a task: what has to be old cannot be hurried."""
        self._session.busy("run", seconds)
        self._session.watch.poll()
        trace = self._session.watch.trace(str(sent.id))
        old = (trace.wrote or time.monotonic()) + seconds
        poll.until(lambda: time.monotonic() > old, 2 * seconds, longest=seconds)

    def evict(self, sent: Submission | AsyncResult[Any]) -> None:
        """Remove a result natively, as a store does that is full, or an administrator.

        :raises judging.NoNativeReader: the backend offers no way.
        """
        judging.evict(self._session.backend, str(sent.id))

    def end_worker(self) -> None:
        """End the worker as an administrator does, with SIGTERM, and wait until it is gone."""
        self._session.busy("run", WORKER_ENDS_WITHIN)
        os.kill(self._session.watch.pid, signal.SIGTERM)
        poll.until(lambda: not self._session.watch.alive(), WORKER_ENDS_WITHIN)

    def pool_size(self) -> int:
        """Processes that the worker's main process has started and that live."""
        import psutil

        return sum(runs(child.pid) for child in psutil.Process(self._session.watch.pid).children())

    def await_pool_size(self, wanted: Callable[[int], bool], within: float = POOL_RESIZED_WITHIN) -> int:
        """Wait until the number of pool processes is as wanted, or give up: that number."""
        self._session.busy("run", START_WITHIN + within)
        poll.until(self._is_ready, START_WITHIN)
        poll.until(lambda: wanted(self.pool_size()), within, longest=0.1)
        return self.pool_size()

    def write_error(self, sent: Submission | AsyncResult[Any]) -> str:
        """What the backend's last write of a result raised, or nothing."""
        return self._write_error(str(sent.id))

    def _write_error(self, task_id: str) -> str:
        self._session.watch.poll()
        trace = self._session.watch.trace(task_id)
        if trace.write_error is None or trace.wrote is not None:
            return ""
        return f"the write raised {trace.write_error['type']}: {trace.write_error['message']}"

    def await_state(
        self, sent: Submission | AsyncResult[Any], *wanted: str, within: float = SETTLED_WITHIN
    ) -> Reply:
        """Ask for a task's state until it is one of `wanted`, or the worker did nothing for `within` seconds.

        :returns: the task's meta.


        For states of which the worker says nothing: of a task that was revoked, or whose process was killed.
        """
        result = self._known(sent).result
        self._asked.append(str(result.id))
        within = self._session.shows_within(within)
        longest = START_WITHIN + 5 * within
        self._session.busy("read", longest + READ_WITHIN)

        def arrived() -> bool:
            watch = self._session.watch
            watch.poll()
            alive = watch.alive()  # asked first: what it stored before it died counts
            if self.ask(lambda: result.state).value in wanted or not alive:
                return True
            return time.monotonic() - self._worked() > within

        poll.until(arrived, longest, longest=0.1)
        return self.ask(self.meta, result)

    def elsewhere(self, function: Callable[..., object], *args: object, patch: str = "") -> Reply:
        """Call ``function(app, *args)`` in a process of its own, on an app with the same settings.

        :param function: at the top of an importable module.
        :param patch: ``gevent`` or ``eventlet``: what patches that process before anything is imported.
        :raises ServiceUnavailable: it is not installed.
        """
        if patch:
            need(patch, f"celery-roundtrip[{patch}]")
        where = f"{function.__module__}:{function.__name__}"
        setup = str(self._session.watch.folder / "setup.json")
        self._session.busy("read", ELSEWHERE_WITHIN)
        began = time.monotonic()
        raised, value = elsewhere.ask(patch, setup, where, args, ELSEWHERE_WITHIN)
        seconds = time.monotonic() - began
        if raised:
            self.evidence["error"] = evidence.error(value, "read")
            return Reply(None, value, "read", seconds)
        return Reply(value, None, "read", seconds)

    def in_threads(self, *questions: Callable[[], object], within: float = SETTLED_WITHIN) -> list[Reply]:
        """Ask several things at once, each in a thread of its own: their answers, in order."""
        self._session.busy("read", within)
        replies: list[Reply | None] = [None] * len(questions)

        def run(number: int) -> None:
            began = time.monotonic()
            try:
                value, error = questions[number](), None
            except Exception as raised:  # noqa: BLE001 - whatever is raised is what is observed
                value, error = None, raised
            replies[number] = Reply(value, error, "read", time.monotonic() - began)

        threads = [
            threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(questions))
        ]
        end = time.monotonic() + within
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        hung = Reply(None, celery.exceptions.TimeoutError("the thread did not end"), "read", within)
        return [reply or hung for reply in replies]

    @contextmanager
    def uncollected(self) -> Iterator[None]:
        """Have the garbage collector wait: what it would close lives on, as it may in any program."""
        gc.disable()
        try:
            yield
        finally:
            gc.enable()

    def close(self) -> None:
        """Open the gates that are still shut, and let go of what only this cell used."""
        for gate in self._gates:
            gate.open()
        if "_own_app" in self.__dict__:
            self._own_app.close()

    # -- look

    def meta(self, sent: Submission | AsyncResult[Any]) -> dict[str, Any]:
        """What the caller's result object says of the task."""
        result = self._known(sent).result
        return {
            "status": result.state,
            "result": result.result,
            "traceback": result.traceback,
            "date_done": result.date_done,
        }

    def at_rest(self, sent: Submission | AsyncResult[Any]) -> Stored | None:
        """The stored form, read with the store's own client.

        Where reading consumes, that of a twin: the same task, submitted anew and never read. Not if its
        result was refused: so would be the twin's, and where that ends the worker, nobody would answer.

        :raises judging.NoNativeReader: the backend offers none.
        """
        submission = self._known(sent)
        if self._session.backend.reading_consumes and self._trace(submission).refusal:
            return None
        return judging.look_at_rest(self._session.backend, self._at_rest_id(submission))

    def _known(self, sent: Submission | AsyncResult[Any]) -> Submission:
        """The record of what was sent; a result of the cell's own app is taken into it."""
        if isinstance(sent, Submission):
            return sent
        for one in self.submissions:
            if one.id == sent.id:
                return one
        made = Submission(sent, self._began, "", ())  # not sent.name: that reads the store
        self.submissions.append(made)
        self._session.submitted.append(made.id)
        return made

    def _at_rest_id(self, submission: Submission) -> str:
        if not self._session.backend.reading_consumes:
            return submission.id
        if not submission.task:
            raise judging.NoNativeReader("reading consumes, and only what cell.submit sent can be sent again")
        if submission.id not in self._twins:
            task = tasks.named(self._session.twin, submission.task)
            twin = str(task.apply_async(submission.args).id)
            self._session.submitted.append(twin)
            self._session.busy("run", START_WITHIN + SILENT_FOR + self.runs_within)
            self._session.wait_ended(twin, self.runs_within)
            self._twins[submission.id] = twin
        return self._twins[submission.id]

    def show(self, stored: Stored | None) -> None:
        """Put the stored form into the evidence."""
        if stored is not None:
            judging.show_stored(self.evidence, self._session.setup, stored)

    def search(self, field: str, wanted: object) -> str:
        """What the store finds by a query of its own, as one text that holds the tasks' ids.

        :param field: ``status``, ``date_done``, ``number`` or ``word``: see `Backend.search`.
        :raises judging.NoNativeReader: it has no query language.
        """
        return " ".join(judging.query(self._session.backend, "search", field, wanted))

    def tally(self) -> dict[str, int]:
        """How many results there are of each status, counted by the store. Raises like `search`."""
        return dict(judging.query(self._session.backend, "tally"))

    def places_of(self, sent: Submission | AsyncResult[Any] | GroupResult) -> list[str]:
        """Places in the namespace whose name holds the id of the task or group.

        :raises judging.NoNativeReader: the backend cannot list its namespace.
        """
        if self._session.backend.reading_consumes:
            raise judging.NoNativeReader("reading consumes: replies are on a queue, not in a place")
        return [place for place in judging.inventory(self._session.backend) if str(sent.id) in place]

    def codec_at_rest(self, stored: Stored | None) -> tuple[str | None, bool]:
        """The codec found by looking at the bytes, and whether they are smaller than what they hold."""
        if stored is None:
            return None, False
        found = identify(stored.raw)
        return found.codec, found.payload is not None and len(stored.raw) < len(found.payload)

    def left_behind(self, submission: Submission) -> list[str]:
        """Places in the namespace that belong to no task that was sent, or doubly to this one."""
        places = judging.inventory(self._session.backend)
        self._session.watch.poll()  # what other cells' tasks have written meanwhile is theirs
        known = {*self._session.submitted, *self._session.watch.tasks}
        known.update(trace.group for trace in self._session.watch.tasks.values() if trace.group)
        own = [place for place in places if self._at_rest_id(submission) in place]
        known.add(judging.PLANTED)
        foreign = [place for place in places if not any(task in place for task in known)]
        return own[1:] + foreign

    def worker_log(self, needle: str) -> list[str]:
        """The lines of the worker's log from the first on that holds `needle`; none, if none does."""
        return self._session.watch.log(needle)

    def note(self, sentence: str) -> None:
        """Add a sentence to the evidence."""
        self.evidence.setdefault("notes", []).append(evidence.line(sentence))

    def observed(self, **flags: bool) -> None:
        """What was seen of capabilities that Celery declares of the backend: flag -> whether it has it.

        The report holds it against the declaration. To be called only where the store was really seen to
        have it or not: a result that never came says nothing.
        """
        self.facts(observed=flags)

    def facts(self, **facts: object) -> None:
        """Add observed facts to the evidence."""
        self.evidence.setdefault("facts", {}).update(
            {name: evidence.jsonable(fact) for name, fact in facts.items()}
        )

    @staticmethod
    def built(name: str) -> object:
        """The value of that name, as the caller would build it."""
        return corpus.value(name).build()

    def is_recent(self, date_done: object) -> bool:
        """Whether a stored ``date_done`` (text or datetime; naive means UTC) lies within this cell's time."""
        done = parse_date(date_done)
        if done is None:
            return False
        aware = done if done.tzinfo else done.replace(tzinfo=UTC)
        return abs((datetime.now(UTC) - aware).total_seconds()) < RECENT

    # -- observe

    def compare(self, received: Received) -> Observation:
        """The observation of a value cell: passes only if the oracle gave the same."""
        sent = self.value.build()
        return judging.value(self._case(received), sent, self._oracle())

    def compare_failure(self, received: Received, raised: BaseException) -> Observation:
        """The observation of a failure cell: holds if the caller gets the very exception that was raised."""
        return judging.failure(self._case(received), raised)

    def compare_generated(self, name: str, submissions: list[Submission]) -> Observation:
        """The observation of generated values: the first that deviates, shrunk, or that none does."""
        made = self._session.generated(name)
        for value, submission in zip(made, submissions, strict=True):
            seen = self._judged(value, submission)
            if not seen.holds:
                break
        else:
            return Observation(Verdict.EXACT, None, True, f"{len(made)} values", None, {})
        if seen.verdict is Verdict.LOST:
            # to shrink it would take a deadline for every value that is tried
            self.facts(seed=self._session.seed, generated_by=name)
            return seen
        simplest = generated.shrink(name, self._session.seed, self._deviates)
        self.evidence.clear()
        shown = value if simplest is None else simplest
        again = self._submit_value(shown)
        seen = self._judged(shown, again)
        self.facts(seed=self._session.seed, generated_by=name, shrunk_from=value)
        return seen

    def _deviates(self, value: object) -> bool:
        return not self._judged(value, self._submit_value(value)).holds

    def _judged(self, value: object, submission: Submission) -> Observation:
        oracle = expect(value, self.serializer, self.compression)
        received = self.receive(submission)
        return judging.value(self._case(received, submission), value, oracle)

    def promise(
        self,
        held: bool,
        received: Received | Reply | None,
        *,
        otherwise: Verdict,
        detail: str = "",
        blame: Blame | None = None,
        after: Answer = Answer.RETURNED,
    ) -> Observation:
        """The observation of any other cell.

        :param held: whether the scenario's promise held.
        :param received: what came of its task, or what Celery answered (verdict and blame come from what was
            raised: by the write of what it should tell, else by the reading); None where no result was asked
            for, then `blame` counts.
        :param otherwise: the verdict if it did not, unless the result never came: that has its own.
        :param blame: where the scenario itself knows; else it is found by narrowing down.
        :param after: how the task is to end; one that ends otherwise proves nothing.
        """
        if received is None:
            return judging.seen_directly(held, otherwise, detail, blame, self.evidence)
        if isinstance(received, Reply):
            if not held and (refusal := self._refusal()):
                return judging.seen_directly(False, Verdict.REFUSED, refusal, None, self.evidence)
            backend = self._session.backend
            return judging.reply(backend, received, held, otherwise, detail, blame, self.evidence)
        return judging.promise(self._case(received), held, otherwise, detail, blame, after)

    def same(self, received: Received, wanted: object) -> Observation:
        """The observation of a cell whose task must return `wanted`; blame by narrowing down."""
        got = received.value if received.answer is Answer.RETURNED else None
        found = compare(wanted, got)
        held = received.answer is Answer.RETURNED and found.verdict is Verdict.EXACT
        detail = "" if held or found.first is None else f"{found.first.kind} differs at {found.first.path}"
        return self.promise(held, received, otherwise=found.verdict, detail=detail)

    def equals(self, reply: Reply, wanted: object, *, blame: Blame | None = None) -> Observation:
        """The observation of a cell whose answer must equal `wanted`, and types all the way down."""
        if reply.error is not None:
            return self.promise(False, reply, otherwise=Verdict.UNREADABLE, blame=blame)
        seen = judging.equals(reply, wanted, blame, self.evidence)
        if not seen.holds and (refusal := self._refusal()):
            return judging.seen_directly(False, Verdict.REFUSED, refusal, None, self.evidence)
        return seen

    def _refusal(self) -> str:
        """What the last write raised of a task that this cell asked about, or nothing."""
        return next(filter(None, map(self._write_error, self._asked)), "")

    def _case(self, received: Received, submission: Submission | None = None) -> judging.Case:
        return judging.Case(
            backend=self._session.backend,
            setup=self._session.setup,
            watch=self._session.watch,
            received=received,
            look=lambda: self.at_rest(self._submission(received)),
            submitted_at=(submission or self._submission(received)).at,
            evidence=self.evidence,
        )

    def _submission(self, received: Received) -> Submission:
        return next(one for one in self.submissions if one.id == received.task_id)

    def late_answer(self) -> dict[str, Any] | None:
        """What is there now, for the submission that had no answer by its deadline."""
        submission = self.unanswered
        assert submission is not None
        meta = self._read_anew(submission)
        if meta.get("status") not in states.READY_STATES:
            return None
        ended = self._trace(submission).ended or submission.at
        return {
            "after": round(time.monotonic() - ended, 3),
            "received": evidence.shown(meta.get("result")),
            "is_sent": self._is_sent(meta.get("result")),
        }

    def _is_sent(self, result: object) -> bool | None:
        if Axis.VALUE not in self.axes:
            return None
        oracle = self._oracle()
        return isinstance(oracle, Returned) and compare(oracle.value, result).verdict is Verdict.EXACT


def _task_ids(result: AsyncResult[Any] | ResultSet[Any]) -> list[str]:
    """The tasks that must end before a result is whole: those of a group, nested ones too, or the task."""
    if isinstance(result, ResultSet):
        return [task for one in result.results for task in _task_ids(one)]
    return [str(result.id)]


def _with_own(settings: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Settings with some of a scenario's own: a table is merged into the present one."""
    made = dict(settings)
    for name, setting in own.items():
        present = made.get(name)
        both = isinstance(present, dict) and isinstance(setting, dict)
        made[name] = {**present, **setting} if both else setting  # type: ignore[dict-item]
    return made


def _parents(result: AsyncResult[Any] | ResultSet[Any]) -> list[str]:
    """The tasks that stand before a result: those of a chord's header, the earlier ones of a chain."""
    parent = getattr(result, "parent", None)
    return [] if parent is None else [*_task_ids(parent), *_parents(parent)]


def _is_poison(oracle: Returned | Refused) -> bool:
    """Whether reading raises whatever the store: written without complaint, refused when loaded."""
    return isinstance(oracle, Refused) and oracle.phase == "load"


def parse_date(text: object) -> datetime | None:
    """A stored ``date_done``, which serializers keep as text or as a datetime."""
    if isinstance(text, datetime):
        return text
    if isinstance(text, str):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return None


def escaped(cell: Cell, error: BaseException) -> Observation:
    """The observation of a cell whose body raised: the check failed, nobody else is to blame."""
    cell.evidence["error"] = evidence.error(error, "check")
    where = traceback.extract_tb(error.__traceback__)[-1]
    detail = f"the check raised {type(error).__name__} in {where.name}: {error}"
    return Observation(
        Verdict.INDETERMINATE, Blame.HARNESS, False, evidence.line(detail), None, cell.evidence
    )
