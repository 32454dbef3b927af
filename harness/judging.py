"""From what a caller received to an observation: verdict, and blame by narrowing down.

The steps of `narrow`, each a look and no judgement:

1. the worker logged no write                                  -> ``worker``
2. bytes at rest are right: they decode to the oracle's value   -> ``backend``, or ``driver`` if the stack
   of the error ends there
3. plant the right bytes natively, read them natively: changed -> ``store``, intact -> ``backend``
"""

from __future__ import annotations

import re
import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import celery.exceptions
from celery.backends.base import Backend as CeleryBackend
from celery.exceptions import WorkerLostError
from kombu.serialization import dumps

from harness import evidence
from harness.backend import Backend, Stored
from harness.contract import BrokenPromise, ask, broken, checked_places, checked_stored, raised_by_itself
from harness.fidelity import Comparison, compare
from harness.identify import decode, identify
from harness.oracle import Refused, Returned, expect, expect_failure
from harness.verdict import Answer, Blame, Observation, Verdict
from harness.worker import Setup, TaskTrace, WorkerWatch

NAMES_A_LACK = re.compile(
    r"\b(does not|doesn't|do not|not) (support|implement)|\bunknown result backend", re.IGNORECASE
)
"""What an exception says that names a feature as missing."""
PLANTED = "planted-"
"""What the ids of natively planted results begin with."""


@dataclass(frozen=True)
class Received:
    """What the caller got for one submission.

    :param value: the result, for RETURNED.
    :param error: the exception, for FAILED (the stored one) and RAISED (the one that reading raised).
    :param state: what the store says of the task.
    """

    answer: Answer
    state: str
    trace: TaskTrace
    task_id: str
    value: object = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Reply:
    """What Celery answered to something that was asked as a user asks it.

    :param error: what was raised instead of an answer.
    :param phase: ``submit`` or ``read``.
    :param seconds: how long it took.
    """

    value: object = None
    error: BaseException | None = None
    phase: str = "read"
    seconds: float = 0.0

    @property
    def timed_out(self) -> bool:
        """Whether Celery said that nothing was there by the deadline."""
        return isinstance(self.error, celery.exceptions.TimeoutError)


@dataclass
class Case:
    """All that a verdict is drawn from."""

    backend: Backend
    setup: Setup
    watch: WorkerWatch
    received: Received
    look: Callable[[], Stored | None]
    """Reads the result's stored form natively; raises like `look_at_rest`."""
    submitted_at: float
    evidence: dict[str, Any]


class NoNativeReader(Exception):
    """The backend offers no native reader: evidence at rest is missing."""


class AtRestCrash(Exception):
    """A native reader or planter raised: the check failed, not the store."""


def value(case: Case, sent: object, oracle: Returned | Refused) -> Observation:
    """Judge a value cell: it holds only if what came back is what serializer and codec alone return."""
    received = case.received
    if _worker_lost(received):
        return _lost_worker(case)
    if received.answer is Answer.RETURNED:
        return _returned(case, sent, oracle)
    if isinstance(oracle, Refused) and _same_refusal(received, oracle):
        verdict = Verdict.REFUSED if received.answer is Answer.FAILED else Verdict.UNREADABLE
        detail = f"{oracle.blame} raises {oracle.error_type} at {oracle.phase}: {oracle.message}"
        case.evidence["sent"] = evidence.shown(sent)
        return Observation(verdict, oracle.blame, True, evidence.line(detail), _oracle(oracle), case.evidence)
    verdict, detail = _no_value(received)
    if verdict is Verdict.INDETERMINATE:
        return _observe(case, verdict, Blame.HARNESS, detail, oracle)
    case.evidence["sent"] = evidence.shown(sent)
    if received.answer is Answer.FAILED and isinstance(oracle, Refused) and _retold(case, sent):
        # without any store, Celery's own preparation of exceptions gives the same
        return _observe(case, verdict, Blame.CELERY, detail, oracle)
    return _narrowed(case, verdict, detail, oracle)


def _retold(case: Case, sent: object) -> bool:
    """Whether the caller got what Celery alone makes of the exception that the serializer raises."""
    try:
        dumps(sent, serializer=case.setup.configuration.serializer)  # type: ignore[no-untyped-call]
    except Exception as refusal:  # noqa: BLE001 - a serializer may raise anything
        told = expect_failure(refusal, case.setup.configuration.serializer)
        return isinstance(told, Returned) and _kind(told.value) == _kind(case.received.error)
    return False


def _returned(case: Case, sent: object, oracle: Returned | Refused) -> Observation:
    got = case.received.value
    to_sent = compare(sent, got)
    if isinstance(oracle, Refused):
        case.evidence.update(sent=evidence.shown(sent), received=evidence.shown(got))
        detail = f"came back although {oracle.blame} alone raises {oracle.error_type} at {oracle.phase}"
        return _observe(case, to_sent.verdict, Blame.BACKEND, detail, oracle)
    to_oracle = compare(oracle.value, got)
    if to_oracle.verdict is Verdict.EXACT:
        if to_sent.verdict is Verdict.EXACT:
            return Observation(Verdict.EXACT, None, True, "", None, case.evidence)
        case.evidence.update(sent=evidence.shown(sent), received=evidence.shown(got))
        detail = _show_difference(case, to_sent, "sent")
        return Observation(to_sent.verdict, Blame.SERIALIZER, True, detail, _oracle(oracle), case.evidence)
    case.evidence.update(sent=evidence.shown(sent), received=evidence.shown(got))
    return _narrowed(case, to_sent.verdict, _show_difference(case, to_oracle, "oracle"), oracle)


def failure(case: Case, raised: BaseException) -> Observation:
    """Judge a failure cell: it holds only if the caller gets the exception that the task raised."""
    received = case.received
    if _worker_lost(received):
        return _lost_worker(case)
    case.evidence["sent"] = evidence.shown(raised)
    oracle = expect_failure(raised, case.setup.configuration.serializer)
    if received.answer is not Answer.FAILED:
        verdict, detail = _no_value(received)
        if received.answer is Answer.NOTHING and received.trace.write_error:
            # whether its error has been stored in its place by now, by the main process, does not matter
            detail = f"the write raised {received.trace.write_error['type']}; the caller gets nothing yet"
            verdict = Verdict.REFUSED
        if received.answer is Answer.RETURNED:
            verdict, detail = Verdict.ALTERED, "the task raised, but its result is stored as a success"
        return _narrowed(case, verdict, detail, oracle)
    case.evidence["received"] = evidence.shown(received.error)
    to_sent = compare(raised, received.error)
    if to_sent.verdict is not Verdict.EXACT and received.trace.write_error:
        # what came is the error of that write, which the worker's main process stores in its place, later
        detail = f"the write of the failure was refused, the caller gets {_kind(received.error)}"
        return _narrowed(case, Verdict.REFUSED, detail, oracle)
    if to_sent.verdict is Verdict.EXACT:
        return Observation(Verdict.EXACT, None, True, "", None, case.evidence)
    detail = _show_difference(case, to_sent, "sent")
    # not compare(): Celery makes classes anew, one object per reading
    if isinstance(oracle, Returned) and evidence.shown(oracle.value) == case.evidence["received"]:
        # without any store, Celery's own preparation of exceptions gives the same
        return _observe(case, to_sent.verdict, Blame.CELERY, detail, oracle)
    return _narrowed(case, to_sent.verdict, detail, oracle)


def promise(
    case: Case, held: bool, otherwise: Verdict, detail: str, blame: Blame | None, after: Answer
) -> Observation:
    """Judge any other cell: it holds if its promise held, and its task ended as it was to end."""
    if _worker_lost(case.received):
        return _lost_worker(case)
    if case.received.answer is Answer.FAILED and after is Answer.RETURNED:
        verdict, why = _no_value(case.received)
        if verdict is Verdict.INDETERMINATE:
            return _observe(case, verdict, Blame.HARNESS, why, None)
        return _narrowed(case, verdict, why, None)
    if case.received.answer is Answer.RETURNED and after is Answer.FAILED:
        return _narrowed(case, Verdict.ALTERED, "the task raised, but is stored as a success", None)
    if held:
        return Observation(Verdict.EXACT, None, True, evidence.line(detail), None, case.evidence)
    if case.received.answer in (Answer.NOTHING, Answer.RAISED):
        verdict, why = _no_value(case.received)
        return _narrowed(case, verdict, why, None)
    if blame is not None:
        return _observe(case, otherwise, blame, detail, None)
    return _narrowed(case, otherwise, detail, None)


def seen_directly(
    held: bool, otherwise: Verdict, detail: str, blame: Blame | None, shown: dict[str, Any]
) -> Observation:
    """Judge a cell that asks for no result: there is nothing to narrow down."""
    if held:
        return Observation(Verdict.EXACT, None, True, evidence.line(detail), None, shown)
    return Observation(otherwise, blame or Blame.BACKEND, False, evidence.line(detail), None, shown)


def reply(
    backend: Backend,
    given: Reply,
    held: bool,
    otherwise: Verdict,
    detail: str,
    blame: Blame | None,
    shown: dict[str, Any],
) -> Observation:
    """Judge a cell by what Celery answered; what it raised says what happened, and whose it is."""
    if held:
        return Observation(Verdict.EXACT, None, True, evidence.line(detail), None, shown)
    if given.error is None:
        return Observation(otherwise, blame or Blame.BACKEND, False, evidence.line(detail), None, shown)
    verdict = _verdict_of(given)
    if blame is None:
        blame = Blame.BACKEND if given.timed_out else blame_of(given.error, backend)
    what = "nothing by the deadline" if given.timed_out else f"raises {_kind(given.error)}: {given.error}"
    told = "; ".join(filter(None, (what, detail)))
    return Observation(verdict, blame, False, evidence.line(told), None, shown)


def equals(given: Reply, wanted: object, blame: Blame | None, shown: dict[str, Any]) -> Observation:
    """Judge a cell whose answer must be equal to `wanted`, and of equal types all the way down."""
    found = compare(wanted, given.value)
    if found.verdict is Verdict.EXACT:
        return Observation(Verdict.EXACT, None, True, "", None, shown)
    shown.update(sent=evidence.shown(wanted), received=evidence.shown(given.value))
    first = found.first
    assert first is not None  # it is None for exact alone
    detail = f"{first.kind} differs at {first.path}: {first.sent} became {first.received}"
    return Observation(found.verdict, blame or Blame.BACKEND, False, evidence.line(detail), None, shown)


def _verdict_of(given: Reply) -> Verdict:
    if given.timed_out:
        return Verdict.LOST
    if isinstance(given.error, NotImplementedError) or NAMES_A_LACK.search(str(given.error)):
        return Verdict.UNSUPPORTED
    return Verdict.REFUSED if given.phase == "submit" else Verdict.UNREADABLE


def blame_of(error: BaseException, backend: Backend) -> Blame:
    """Whose an exception is: that of the innermost of its frames that belongs to Celery or to a driver."""
    drivers = _drivers(error, backend)
    for frame in reversed([frame for frame, _ in traceback.walk_tb(error.__traceback__)]):
        file = frame.f_code.co_filename
        if any(f"/site-packages/{name}/" in file for name in drivers):
            return Blame.DRIVER
        if "/celery/backends/" in file or isinstance(frame.f_locals.get("self"), CeleryBackend):
            return Blame.BACKEND
        if "/celery/" in file or "/kombu/" in file:
            return Blame.CELERY
    return Blame.BACKEND


def _drivers(error: BaseException, backend: Backend) -> set[str]:
    """The packages that a backend needs, without those that define the result-backend class itself."""
    met = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    classes = {base for one in met if isinstance(one, CeleryBackend) for base in type(one).__mro__}
    own = {each.__module__.partition(".")[0] for each in classes}
    return {name.partition(".")[0] for name in backend.packages} - own - {"celery", "kombu"}


def look_at_rest(backend: Backend, task_id: str) -> Stored | None:
    """Read natively.

    :raises NoNativeReader: the backend offers no reader.
    :raises AtRestCrash: the reader raised.
    """
    try:
        return checked_stored(backend, ask(backend, "at_rest", task_id))
    except BrokenPromise as error:
        if isinstance(error.__cause__, NotImplementedError):
            raise NoNativeReader(f"{backend.name} offers no native reader") from error
        raise AtRestCrash(str(error)) from (error.__cause__ or error)


def evict(backend: Backend, task_id: str) -> None:
    """Remove a result natively. Raises like `look_at_rest`."""
    try:
        backend.evict(task_id)
    except NotImplementedError as error:
        raise NoNativeReader(f"{backend.name} offers no native way to remove a result") from error
    except Exception as error:
        raise AtRestCrash(f"evict of {backend.name} raised {type(error).__name__}: {error}") from error


def query(backend: Backend, method: str, *args: object) -> Any:
    """Ask the store in its own query language. Raises like `look_at_rest`."""
    try:
        return getattr(backend, method)(*args)
    except NotImplementedError as error:
        raise NoNativeReader(f"{backend.name} has no query language") from error
    except Exception as error:
        raise AtRestCrash(f"{method} of {backend.name} raised {type(error).__name__}: {error}") from error


def inventory(backend: Backend) -> Sequence[str]:
    """List the namespace natively. Raises like `look_at_rest`."""
    try:
        return checked_places(backend, ask(backend, "inventory"))
    except BrokenPromise as error:
        if isinstance(error.__cause__, NotImplementedError):
            raise NoNativeReader(f"{backend.name} cannot list its namespace") from error
        raise AtRestCrash(str(error)) from (error.__cause__ or error)


def show_stored(shown_in: dict[str, Any], setup: Setup, stored: Stored) -> object:
    """Put the stored form into evidence; what it decodes to, or None where it does not."""
    found = identify(stored.raw)
    serializer = setup.configuration.serializer
    decoded: object = None
    shown = "does not decode"
    if found.payload is not None:
        try:
            decoded = decode(found.payload, serializer)
            shown = evidence.shown(decoded)
        except Exception as error:  # noqa: BLE001 - the store's bytes may hold anything
            shown = f"does not decode as {serializer}: {evidence.line(str(error))}"
    shown_in["at_rest"] = evidence.at_rest(stored, found.serializer, found.codec, shown)
    return decoded


def _result_at_rest(case: Case, stored: Stored) -> object:
    decoded = show_stored(case.evidence, case.setup, stored)
    if case.backend.stores_meta:
        return decoded.get("result") if isinstance(decoded, dict) else None
    return decoded


def _narrowed(case: Case, verdict: Verdict, detail: str, oracle: Returned | Refused | None) -> Observation:
    try:
        blame = _narrow(case, oracle)
    except NoNativeReader as error:
        case.evidence.setdefault("notes", []).append(f"blame not narrowed down: {error}")
        blame = Blame.BACKEND
    except AtRestCrash as error:
        case.evidence["error"] = evidence.error(error.__cause__ or error, "at rest")
        return _observe(case, Verdict.INDETERMINATE, Blame.HARNESS, f"{error} (was: {verdict})", oracle)
    return _observe(case, verdict, blame, detail, oracle)


def _narrow(case: Case, oracle: Returned | Refused | None) -> Blame:
    trace = case.received.trace
    if trace.writing is None and trace.write_error is None:
        return Blame.WORKER
    stored = case.look()
    if stored is not None:
        found = _result_at_rest(case, stored)
        if isinstance(oracle, Returned) and compare(oracle.value, found).verdict is Verdict.EXACT:
            return _reader_or_driver(case)
    return _plant(case, oracle)


def _plant(case: Case, oracle: Returned | Refused | None) -> Blame:
    right = _right_bytes(case, oracle)
    task_id = f"{PLANTED}{uuid.uuid4()}"
    shown: dict[str, object] = {"size": len(right), "intact": False, "read_back": None, "error": None}
    case.evidence["planted"] = shown
    try:
        case.backend.plant(task_id, right)
    except NotImplementedError as error:
        del case.evidence["planted"]
        raise NoNativeReader(f"{case.backend.name} offers no native planter") from error
    except Exception as error:
        if raised_by_itself(case.backend, error):
            del case.evidence["planted"]
            raise AtRestCrash(str(broken(case.backend, "plant", error))) from error
        # whatever comes from further down: a store may refuse in any way
        shown["error"] = evidence.line(f"{type(error).__name__}: {error}")
        return Blame.STORE
    back = look_at_rest(case.backend, task_id)
    shown["intact"] = back is not None and back.raw == right
    shown["read_back"] = back.raw[:64].hex() if back is not None else None
    return Blame.BACKEND if shown["intact"] else Blame.STORE


def _right_bytes(case: Case, oracle: Returned | Refused | None) -> bytes:
    """What the backend should have handed to the store, as far as serializer and codec decide it."""
    configuration = case.setup.configuration
    if isinstance(oracle, Returned) and not case.backend.stores_meta:
        return oracle.payload
    if isinstance(oracle, Returned) and isinstance(oracle.value, BaseException):
        return oracle.payload  # `expect_failure` makes the whole meta
    result = oracle.value if isinstance(oracle, Returned) else "planted"
    meta: dict[str, object] = {
        "status": "SUCCESS",
        "result": result,
        "traceback": None,
        "children": [],
        "date_done": None,
    }
    made = expect(meta, configuration.serializer, configuration.compression)
    return made.payload if isinstance(made, Returned) else b"planted"


def _reader_or_driver(case: Case) -> Blame:
    error = case.received.error
    if case.received.answer is Answer.RAISED and error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        drivers = _drivers(error, case.backend)
        if frames and any(f"/site-packages/{name}/" in frames[-1].filename for name in drivers):
            return Blame.DRIVER
    return Blame.BACKEND


def _no_value(received: Received) -> tuple[Verdict, str]:
    """Verdict and detail where no result came back."""
    trace, error = received.trace, received.error
    if received.answer is Answer.RAISED and trace.refusal:
        why = f"{trace.refusal['type']}: {trace.refusal['message']}"
        return Verdict.REFUSED, f"the write raised {why}; so does reading: {_kind(error)}"
    if received.answer is Answer.RAISED:
        return Verdict.UNREADABLE, f"stored, but reading raises {_kind(error)}: {error}"
    if received.answer is Answer.FAILED:
        if trace.wrote_success:
            return Verdict.ALTERED, f"stored as a success, then as a failure: the caller gets {_kind(error)}"
        if trace.write_error is None:
            return Verdict.INDETERMINATE, f"the task itself raised {_kind(error)}: {error}"
        return Verdict.REFUSED, f"the write was refused, the caller gets {_kind(error)}: {error}"
    if trace.refusal:
        why = f"{trace.refusal['type']}: {trace.refusal['message']}"
        return Verdict.REFUSED, f"the write raised {why}; the caller gets nothing by the deadline"
    if received.state not in ("PENDING", "unknown"):
        return Verdict.STALE, f"the store still says {received.state} after the last write"
    return Verdict.LOST, "nothing there by the deadline"


def _observe(
    case: Case, verdict: Verdict, blame: Blame, detail: str, oracle: Returned | Refused | None
) -> Observation:
    """An observation that does not hold, with all the evidence there is."""
    received = case.received
    case.evidence["events"] = evidence.events(received.trace, case.submitted_at)
    log = case.watch.log(received.task_id)
    if not log and received.trace.write_error:
        # Celery logs what escapes a task's trace without the task's id
        log = case.watch.log(received.trace.write_error["message"])
    if log:
        case.evidence["worker_log"] = [evidence.line(text) for text in log]
    if received.error is not None and "error" not in case.evidence:
        phase = "read" if received.answer is Answer.RAISED else "write"
        case.evidence["error"] = evidence.error(received.error, phase)
    return Observation(verdict, blame, False, evidence.line(detail), _oracle(oracle), case.evidence)


def _worker_lost(received: Received) -> bool:
    if received.answer is Answer.NOTHING:
        return received.trace.gone and received.trace.wrote is None
    return received.answer is Answer.FAILED and isinstance(received.error, WorkerLostError)


def _lost_worker(case: Case) -> Observation:
    why = case.received.error or "nothing was stored for it by the deadline"
    detail = f"a process of the worker died: {why}"
    return _observe(case, Verdict.INDETERMINATE, Blame.WORKER, detail, None)


def _same_refusal(received: Received, oracle: Refused) -> bool:
    """Whether the caller got the class that the oracle raised, at the phase at which it raised."""
    if _kind(received.error) != oracle.error_type:
        return False
    if oracle.phase == "dump":
        return received.answer is Answer.FAILED and received.trace.write_error is not None
    return received.answer is Answer.RAISED


def _show_difference(case: Case, comparison: Comparison, against: str) -> str:
    first = comparison.first
    assert first is not None  # it is None for exact alone
    case.evidence["difference"] = {
        "against": against,
        "path": first.path,
        "kind": str(first.kind),
        "sent": first.sent,
        "received": first.received,
    }
    return evidence.line(f"{first.kind} differs at {first.path}: {first.sent} became {first.received}")


def _oracle(oracle: Returned | Refused | None) -> str | None:
    if oracle is None:
        return None
    if isinstance(oracle, Refused):
        return evidence.line(f"raises {oracle.error_type} at {oracle.phase}: {oracle.message}")
    return evidence.shown(oracle.value)


def _kind(error: object) -> str:
    """The full name of an exception's class."""
    return f"{type(error).__module__}.{type(error).__qualname__}"
