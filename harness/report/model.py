"""What a run log means to a reader: the report's content, before it becomes HTML.

Every observation is counted in exactly one of two tables. **The matrix** holds the scenarios that vary
serializer and compression, by backend, serializer and compression. **The questions** are all other scenarios,
by backend: a scenario that asks at the default serializer only says nothing about that serializer in
particular, and counting it in the matrix would make one square look larger, and better or worse, than its
neighbours.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.runlog import ObservationRecord, RunLog, Service
from harness.verdict import Axis, Blame, Outcome, Verdict


class Meaning(NamedTuple):
    """How a verdict, a blame or an outcome is shown and explained, everywhere."""

    glyph: str
    text: str


VERDICTS: dict[Verdict, Meaning] = {
    Verdict.EXACT: Meaning("=", "Equal, and equal types all the way down; or the scenario's promise held."),
    Verdict.COERCED: Meaning("\u21c4", "The same content under another type."),
    Verdict.ALTERED: Meaning("\u2260", "The content changed."),
    Verdict.UNSUPPORTED: Meaning("\u2298", "An exception that names the feature."),
    Verdict.IGNORED: Meaning("\u25cb", "A setting without effect; a warning is evidence."),
    Verdict.REFUSED: Meaning("\u22a3", "An error at write that the caller sees; nothing stored as success."),
    Verdict.UNREADABLE: Meaning("\u22a0", "Stored as success, and reading it raises."),
    Verdict.STALE: Meaning("\u21b6", "An older state than the last write."),
    Verdict.LOST: Meaning("\u2205", "The write was accepted, and nothing was there by the deadline."),
    Verdict.HUNG: Meaning("\u221e", "No answer by the deadline."),
    Verdict.EXPOSED: Meaning("!", "A trust boundary was crossed."),
    Verdict.INDETERMINATE: Meaning("?", "The harness cannot tell. Never a pass."),
    Verdict.NOT_RUN: Meaning("\u2013", "Was not asked: why, and the command that would make it run."),
}

BLAMES: dict[Blame, Meaning] = {
    Blame.SERIALIZER: Meaning(
        "", "The serializer alone, without any store, returns something else than was sent."
    ),
    Blame.COMPRESSION: Meaning(
        "", "The codec alone, without any store, returns something else than was sent."
    ),
    Blame.STORE: Meaning("", "The server or file itself: bytes planted natively come back changed."),
    Blame.BACKEND: Meaning("", "The Celery result-backend class, whoever ships it."),
    Blame.DRIVER: Meaning("", "The client library, where a stack shows it."),
    Blame.CELERY: Meaning("", "Everything else of Celery and kombu."),
    Blame.WORKER: Meaning("", "The worker: no write of the result was logged."),
    Blame.HARNESS: Meaning("", "The check itself failed; it says nothing about the store."),
}

OUTCOMES: dict[Outcome, Meaning] = {
    Outcome.FAILED: Meaning(
        "\u2717", "A deviation that no expectation describes, or an expectation gone stale."
    ),
    Outcome.EXPECTED: Meaning("\u2248", "A known deviation, written down in exactly one expectation."),
    Outcome.PASSED: Meaning(
        "\u2713", "What came back is what the serializer alone returns, or the promise held."
    ),
    Outcome.SKIPPED: Meaning("\u2013", "Was not asked: why, and the command that would make it run."),
}
"""In the order of severity: the first that occurs among some cells is shown for all of them."""

_SERIALIZERS = ("json", "pickle", "yaml", "msgpack")
_CODECS = ("uncompressed", "zlib", "bzip2", "gzip", "lzma", "brotli", "zstd")


@dataclass
class Tally:
    """Cells by outcome, somewhere."""

    counts: Counter[Outcome] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.counts[outcome] += 1

    @property
    def worst(self) -> Outcome:
        """The outcome that is shown: failed before expected before passed before not run."""
        return worst(self.counts)

    @property
    def parts(self) -> list[tuple[Outcome, int]]:
        """What occurs, the worst first."""
        return [(outcome, self.counts[outcome]) for outcome in OUTCOMES if self.counts[outcome]]

    @property
    def total(self) -> int:
        return self.counts.total()


class Place(NamedTuple):
    """A row group of the matrix: a backend, with the broker and pool that its workers used."""

    backend: str
    broker: str
    pool: str


@dataclass(frozen=True)
class MatrixRow:
    place: Place
    note: str
    """Broker and pool, where the backend was asked with several of them; else empty."""
    serializer: str
    tallies: list[Tally | None]
    """One for each codec of the report; None where nothing was selected."""
    first: bool
    """Whether this is the first row of its place."""
    span: int
    """Number of rows that the place has."""


@dataclass(frozen=True)
class QuestionRow:
    scenario: str
    tallies: list[Tally | None]
    """One for each backend of the report."""


@dataclass(frozen=True)
class Failure:
    """Failed cells of one scenario that share value or case, verdict and blame: most likely one cause."""

    scenario: str
    point: str
    """The value or the case; empty where the scenario has neither."""
    verdict: Verdict
    blame: Blame | None
    backends: list[str]
    cells: int
    said: str
    """What the first of them says."""


@dataclass(frozen=True)
class Known:
    """A known deviation: what one expectation selected."""

    name: str
    tally: Tally
    verdicts: list[Verdict]
    backends: list[str]
    detail: str
    """What the first of its cells says."""


@dataclass(frozen=True)
class NotRun:
    """Cells that were not asked, for one reason."""

    reason: str
    remedies: list[str]
    """Commands that make them run; empty if the log names none."""
    cells: int
    backends: list[str]


@dataclass(frozen=True)
class Report:
    title: str
    sentence: str
    """The verdict of the run, in one sentence."""
    outcome: Outcome
    banners: list[str]
    """What a reader must know before believing a number: incomplete, cut short, contradicting itself."""
    log: RunLog
    services: list[Service]
    problems: list[Service]
    codecs: list[str]
    backends: list[str]
    matrix: list[MatrixRow]
    questions: list[QuestionRow]
    failures: list[Failure]
    known: list[Known]
    not_run: list[NotRun]
    has_values: bool
    data: dict[str, Any]
    """The observations, table-encoded for the page's script: `_encode`."""


def worst(counts: Mapping[Outcome, int]) -> Outcome:
    """The outcome that stands for many cells: failed before expected before passed before not run."""
    return next((outcome for outcome in OUTCOMES if counts.get(outcome)), Outcome.SKIPPED)


def sentence(counts: Mapping[Outcome, int]) -> str:
    """The run in one sentence: ``12 cells: 8 passed, 2 expected deviations, 1 failed, 1 not run``."""
    total = sum(counts.values())
    if not total:
        return "No cell was judged."
    expected = counts.get(Outcome.EXPECTED, 0)
    return (
        f"{total:,} cell{'' if total == 1 else 's'}: {counts.get(Outcome.PASSED, 0):,} passed, "
        f"{expected:,} expected deviation{'' if expected == 1 else 's'}, "
        f"{counts.get(Outcome.FAILED, 0):,} failed, {counts.get(Outcome.SKIPPED, 0):,} not run"
    )


def in_matrix(observation: ObservationRecord) -> bool:
    """Whether the cell's scenario varies what the matrix is made of."""
    return {Axis.BACKEND, Axis.SERIALIZER, Axis.COMPRESSION} <= set(observation.declared_axes)


def serializer_order(name: str) -> tuple[int, str]:
    """Sort key: Celery's own serializers first, in the order of its documentation."""
    return (_SERIALIZERS.index(name) if name in _SERIALIZERS else len(_SERIALIZERS), name)


def codec_order(name: str) -> tuple[int, str]:
    """Sort key: no compression first, then the codecs from the most to the least common."""
    return (_CODECS.index(name) if name in _CODECS else len(_CODECS), name)


def printable(text: object) -> str:
    """The text with control characters and direction marks spelled out, so that none acts on the page."""
    return _ACTING.sub(_spelled, str(text))


_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def build(log: RunLog) -> Report:
    """Everything that the page shows."""
    counts = log.counts
    backends = sorted({seen.cell.get("backend", "") for seen in log.observations})
    codecs = sorted(
        {seen.cell.get("compression", "") for seen in log.observations if in_matrix(seen)}, key=codec_order
    )
    return Report(
        title=f"Result stores of Celery: {log.header.run}",
        sentence=sentence(counts),
        outcome=worst(counts),
        banners=_banners(log),
        log=log,
        # of two records of one service the later holds all of the earlier
        services=list({service.name: service for service in log.services}.values()),
        problems=[service for service in log.services if service.problem],
        codecs=codecs,
        backends=backends,
        matrix=_matrix(log.observations, codecs),
        questions=_questions(log.observations, backends),
        failures=_failures(log.observations),
        known=_known(log.observations),
        not_run=_not_run(log),
        has_values=any("value" in seen.cell for seen in log.observations),
        data=_encode(log),
    )


def _banners(log: RunLog) -> list[str]:
    banners = []
    if log.footer is None:
        last = " Its last line was cut off while it was written." if log.cut else ""
        banners.append(
            "Incomplete run: the log has no footer, so the run was ended from outside. "
            f"What was judged until then is below; what is missing was not judged.{last}"
        )
    else:
        if log.footer.cut_short is not None:
            banners.append(f"The run was cut short: {log.footer.cut_short}")
        told = {outcome: number for outcome, number in log.footer.counts.items() if number}
        found = {str(outcome): number for outcome, number in log.counts.items() if number}
        if told != found:
            banners.append(
                "The log contradicts itself: its footer counts "
                f"{_counted(told)}, and its observations are {_counted(found)}."
            )
    banners += [
        f"{service.name} ended in the middle of the run: {service.ended}. Cells that needed it and had no "
        "answer yet are indeterminate, or were not run."
        for service in log.services
        if service.ended
    ]
    if standins := sorted({service.name for service in log.services if service.standin}):
        banners.append(
            f"Stand-in images served {', '.join(standins)}: "
            "not the images that upstream publishes. What is said about them holds for the stand-ins."
        )
    return banners


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(counts.items())) or "nothing"


def _matrix(observations: Iterable[ObservationRecord], codecs: list[str]) -> list[MatrixRow]:
    tallies: dict[tuple[Place, str], dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for seen in filter(in_matrix, observations):
        cell = seen.cell
        place = Place(cell.get("backend", ""), cell.get("broker", ""), cell.get("pool", ""))
        tallies[place, cell.get("serializer", "")][cell.get("compression", "")].add(seen.outcome)
    keys = sorted(tallies, key=lambda key: (key[0], serializer_order(key[1])))
    spans = Counter(place for place, _ in keys)
    variants = Counter(place.backend for place in spans)
    rows: list[MatrixRow] = []
    for place, serializer in keys:
        found = tallies[place, serializer]
        rows.append(
            MatrixRow(
                place=place,
                note=f"broker {place.broker}, pool {place.pool}" if variants[place.backend] > 1 else "",
                serializer=serializer,
                tallies=[found.get(codec) for codec in codecs],
                first=not rows or rows[-1].place != place,
                span=spans[place],
            )
        )
    return rows


def _questions(observations: Iterable[ObservationRecord], backends: list[str]) -> list[QuestionRow]:
    tallies: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for seen in observations:
        if not in_matrix(seen):
            tallies[seen.scenario][seen.cell.get("backend", "")].add(seen.outcome)
    return [
        QuestionRow(scenario, [found.get(backend) for backend in backends])
        for scenario, found in sorted(tallies.items())
    ]


def _failures(observations: Iterable[ObservationRecord]) -> list[Failure]:
    alike: dict[tuple[str, str, Verdict, Blame | None], list[ObservationRecord]] = defaultdict(list)
    for seen in observations:
        if seen.outcome is Outcome.FAILED:
            point = seen.cell.get("value", seen.cell.get("case", ""))
            alike[seen.scenario, point, seen.verdict, seen.blame].append(seen)
    failures = []
    for (scenario, point, verdict, blame), found in alike.items():
        backends = sorted({seen.cell.get("backend", "") for seen in found})
        failures.append(Failure(scenario, point, verdict, blame, backends, len(found), said(found[0])))
    return failures


def said(seen: ObservationRecord) -> str:
    """What a cell says for itself, in a list: its detail, or that its expectation has gone stale."""
    stale = seen.expectation and seen.outcome is Outcome.FAILED
    return seen.reason if stale else seen.detail or seen.reason


def _known(observations: Iterable[ObservationRecord]) -> list[Known]:
    cells: dict[str, list[ObservationRecord]] = defaultdict(list)
    for seen in observations:
        if seen.expectation:
            cells[seen.expectation].append(seen)
    known = []
    for name, found in sorted(cells.items()):
        tally = Tally(Counter(seen.outcome for seen in found))
        shown = [seen for seen in found if seen.outcome is Outcome.EXPECTED] or found
        known.append(
            Known(
                name=name,
                tally=tally,
                verdicts=sorted({seen.verdict for seen in shown}, key=list(Verdict).index),
                backends=sorted({seen.cell.get("backend", "") for seen in found}),
                detail=shown[0].detail,
            )
        )
    return known


def _not_run(log: RunLog) -> list[NotRun]:
    cells: dict[str, list[ObservationRecord]] = defaultdict(list)
    for seen in log.observations:
        if seen.outcome is Outcome.SKIPPED:
            cells[seen.detail or seen.reason or "no reason was recorded"].append(seen)
    return [
        NotRun(
            reason=reason,
            remedies=list(dict.fromkeys(r for seen in found if (r := remedy(seen, log.services)))),
            cells=len(found),
            backends=sorted({seen.cell.get("backend", "") for seen in found}),
        )
        for reason, found in sorted(cells.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def remedy(seen: ObservationRecord, services: Iterable[Service]) -> str | None:
    """The command that would make a cell run: what its evidence says, else what a missing service that its
    reason names says; None where the log knows none."""
    facts = seen.evidence.get("facts")
    told = facts.get("remedy") if isinstance(facts, dict) else None
    if isinstance(told, str) and told:
        return told
    words = set(re.findall(r"[\w-]+", f"{seen.detail} {seen.reason}"))
    return next(
        (
            s.remedy
            for s in services
            if s.problem and s.remedy and (s.name in words or s.problem in seen.detail)
        ),
        None,
    )


def _texts(seen: ObservationRecord) -> dict[str, str | None]:
    """The texts of a cell that repeat among cells: each is stored once, and a row holds its number."""
    return {
        "scenario": seen.scenario,
        **{axis.value: seen.cell.get(axis) for axis in Axis},
        "verdict": seen.verdict,
        "blame": seen.blame,
        "outcome": seen.outcome,
        "expectation": seen.expectation,
        "detail": seen.detail,
        "reason": seen.reason,
        "oracle": seen.oracle,
    }


_TEXTS = (
    "scenario", *(axis.value for axis in Axis),
    "verdict", "blame", "outcome", "expectation", "detail", "reason", "oracle",
)  # fmt: skip


class _Table:
    """Numbers for things that repeat, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}

    def __call__(self, thing: Any) -> int:
        return self.numbers.setdefault(thing, len(self.numbers))


def _encode(log: RunLog) -> dict[str, Any]:
    """The observations as columns, with everything that repeats stored once.

    30,000 cells with their node ids, commands, oracles and evidence are some 50 MB as objects. Cell ids are
    cut behind the scenario's name, node ids and commands are kept as what surrounds the id in them, and each
    part of an evidence is one of the distinct ones. assets/report.js has the reverse.
    """
    tables = {name: _Table() for name in _TEXTS}
    columns: dict[str, list[int]] = {name: [] for name in _TEXTS}
    around, blobs, keys, axes = _Table(), _Table(), _Table(), _Table()
    ids, nodes, repros, seconds, evidence, flags, declared = [], [], [], [], [], [], []
    for seen in log.observations:
        for name, value in _texts(seen).items():
            columns[name].append(-1 if value is None else tables[name](value))
        cut = seen.cell_id.startswith(f"{seen.scenario}[")
        ids.append(seen.cell_id[len(seen.scenario) :] if cut else f"={seen.cell_id}")
        nodes.append(around(_surroundings(seen.nodeid, seen.cell_id)))
        repros.append(around(_surroundings(seen.repro, seen.nodeid)))
        seconds.append(round(seen.seconds, 4))
        flags.append(int(in_matrix(seen)) | int(seen.holds) << 1)
        declared.append(axes(tuple(seen.declared_axes)))
        found: list[int] = []
        for key, part in seen.evidence.items():
            found += keys(key), blobs(json.dumps(part, separators=(",", ":"), allow_nan=False))
        evidence.append(found or 0)
    configurations = [
        {
            "cell": configuration.cell,
            **{
                name: blobs(json.dumps(part, separators=(",", ":")))
                for name, part in (
                    ("declared", configuration.declared),
                    ("settings", configuration.settings),
                    ("warnings", configuration.warnings),
                )
                if part
            },
        }
        for configuration in log.configurations
    ]
    return {
        "size": len(log.observations),
        "tables": {name: list(table.numbers) for name, table in tables.items()},
        "columns": columns,
        "ids": ids,
        "around": [list(parts) for parts in around.numbers],
        "nodes": nodes,
        "repros": repros,
        "seconds": seconds,
        "flags": flags,
        "axes": [list(names) for names in axes.numbers],
        "declared": declared,
        "evidence": evidence,
        "keys": list(keys.numbers),
        "blobs": [json.loads(text) for text in blobs.numbers],
        "configurations": configurations,
        "verdicts": {name: list(meaning) for name, meaning in VERDICTS.items()},
        "outcomes": {name: list(meaning) for name, meaning in OUTCOMES.items()},
        "blames": {name: meaning.text for name, meaning in BLAMES.items()},
        "serializers": sorted({s.cell.get("serializer", "") for s in log.observations}, key=serializer_order),
        "backends": sorted({s.cell.get("backend", "") for s in log.observations}),
    }


def _surroundings(text: str, inner: str) -> tuple[str, ...]:
    """What stands before and behind `inner` in `text`; the text itself where it is not in there."""
    before, found, after = text.partition(inner)
    return (before, after) if found and inner else (text,)
