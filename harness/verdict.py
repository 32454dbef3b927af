"""What happened to a cell, who is to blame, and what that means for the run.

Strings for verdicts, blames, outcomes and axes live here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Verdict(StrEnum):
    """What happened. The order is for display only, never for passing."""

    EXACT = "exact"
    """Equal, and equal types all the way down; or: the scenario's promise held."""
    COERCED = "coerced"
    """The same content under another type."""
    ALTERED = "altered"
    """The content changed."""
    UNSUPPORTED = "unsupported"
    """An exception that names the feature."""
    IGNORED = "ignored"
    """A setting without effect; a warning is evidence."""
    REFUSED = "refused"
    """An error at write; nothing stored as success."""
    UNREADABLE = "unreadable"
    """Stored as success, reading raises."""
    STALE = "stale"
    """An older state than the last write."""
    LOST = "lost"
    """Write accepted, nothing there by the deadline."""
    HUNG = "hung"
    """No answer by the deadline."""
    EXPOSED = "exposed"
    """A trust boundary was crossed."""
    INDETERMINATE = "indeterminate"
    """The harness cannot tell. Never a pass."""
    NOT_RUN = "not-run"
    """Was not asked: why, and the command that would make it run."""


class Blame(StrEnum):
    """Where a verdict other than ``exact`` comes from, found by narrowing down."""

    SERIALIZER = "serializer"
    COMPRESSION = "compression"
    STORE = "store"
    """The server or file itself: bytes planted natively come back changed."""
    BACKEND = "backend"
    """The Celery result-backend class, whoever ships it."""
    DRIVER = "driver"
    """The client library, where a stack shows it."""
    CELERY = "celery"
    """Everything else of Celery and kombu."""
    WORKER = "worker"
    HARNESS = "harness"


class Outcome(StrEnum):
    """What a verdict means for the run."""

    PASSED = "passed"
    EXPECTED = "expected"
    """A deviation that exactly one expectation describes (pytest: xfailed)."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """``not-run``."""


class Answer(Enum):
    """How one submission ended, as its caller sees it."""

    RETURNED = auto()
    """The task succeeded and its result was read."""
    FAILED = auto()
    """The task is stored as failed, and its exception was read."""
    RAISED = auto()
    """Reading raised."""
    NOTHING = auto()
    """Nothing final was there by the deadline."""


class Axis(StrEnum):
    """One dimension of the matrix."""

    BACKEND = "backend"
    SERIALIZER = "serializer"
    COMPRESSION = "compression"
    BROKER = "broker"
    POOL = "pool"
    VALUE = "value"
    CASE = "case"


@dataclass(frozen=True)
class Observation:
    """What one cell showed: the answer of a client process, before it is judged."""

    verdict: Verdict
    blame: Blame | None = None
    """None where there is nobody to blame (``exact``, ``not-run``)."""
    holds: bool = False
    """Whether the promise held. A value cell: whether what came back is what the oracle returned."""
    detail: str = ""
    """One ASCII sentence for a person."""
    oracle: str | None = None
    """What serializer and codec alone return, in the type-tagged ASCII form of `harness.ascii`."""
    evidence: dict[str, object] | None = None
    """JSON-able facts; the keys are listed in docs/run-log.md."""
    seconds: float = 0.0
    """Time the cell cost: its submission and its check, without the time spent on other cells."""


@dataclass(frozen=True)
class Judgement:
    outcome: Outcome
    reason: str
    """One line for the terminal; empty when the cell passed."""


def judge(
    seen: Observation,
    expected: tuple[str, Verdict, Blame | None] | None,
    required: bool = False,
    if_stale: str = "",
) -> Judgement:
    """Decide what an observation means. The only place where an outcome is decided.

    :param expected: id, verdict and blame of the one expectation that selects the cell.
    :param required: whether ``--require`` names its backend, so that it must have run: unless it is in the
        backend's nature that there is nothing to look at, which no server mends.
    :param if_stale: what to advise where the expectation does not hold.
    """
    if seen.verdict is Verdict.NOT_RUN:
        facts = (seen.evidence or {}).get("facts")
        if required and not (isinstance(facts, dict) and "nothing_to_look_at" in facts):
            return Judgement(Outcome.FAILED, f"required, but not run: {seen.detail}")
        return Judgement(Outcome.SKIPPED, seen.detail)
    shown = f"{seen.verdict}" + (f", blame {seen.blame}" if seen.blame else "")
    if seen.verdict is Verdict.INDETERMINATE:
        return Judgement(Outcome.FAILED, f"{shown}: {seen.detail}")
    if expected is None:
        if seen.holds:
            return Judgement(Outcome.PASSED, "")
        return Judgement(Outcome.FAILED, f"{shown}: {seen.detail}")
    name, verdict, blame = expected
    if not seen.holds and seen.verdict is verdict and seen.blame is blame:
        return Judgement(Outcome.EXPECTED, f"{name}: {shown}: {seen.detail}")
    found = "the promise held" if seen.holds else shown
    wanted = f"{verdict}" + (f", blame {blame}" if blame else "")
    told = f"stale expectation {name} says {wanted}, but {found}: {seen.detail}"
    return Judgement(Outcome.FAILED, f"{told}; {if_stale}" if if_stale else told)
