"""What a run log means to a reader: the report's content, before it becomes HTML.

**The questions** count every observation once, by family, scenario and backend. **The matrix** counts those
of the scenarios that vary serializer and compression once more, by backend, serializer and compression: a
scenario that asks at the default serializer only says nothing about that serializer in particular, and
counting it in the matrix would make one square look larger, and better or worse, than its neighbours.

Nothing here knows the name of a backend, a scenario or a capability: they are what the log says they are.
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
class Answer:
    """What the cells of one scenario say of one backend."""

    tally: Tally
    verdict: Verdict
    """The most frequent of those that show the worst outcome."""
    blame: Blame | None


@dataclass(frozen=True)
class QuestionRow:
    scenario: str
    promise: str
    """The scenario's own sentence; empty if the log does not tell."""
    links: list[str]
    answers: list[str]
    """Ids of the questions that it answers."""
    backends: list[Answer | None]
    """One for each backend of the report; None where nothing was asked."""

    @property
    def worst(self) -> Outcome:
        return worst(Counter(answer.tally.worst for answer in self.backends if answer))


@dataclass(frozen=True)
class Family:
    """The scenarios of one file."""

    name: str
    title: str
    rows: list[QuestionRow]

    @property
    def tally(self) -> Tally:
        found: Counter[Outcome] = Counter()
        for row in self.rows:
            for answer in row.backends:
                found += answer.tally.counts if answer else Counter()
        return Tally(found)


@dataclass(frozen=True)
class Declaration:
    """What Celery declares of one backend's capability, held against what was seen."""

    declared: list[Any]
    """What its instances say; more than one where they do not agree."""
    seen: dict[bool, int]
    """Cells that saw the capability, and that saw its absence."""

    @property
    def agrees(self) -> bool | None:
        """Whether everything that was seen is as declared; None where nothing can be held against it."""
        found = [value for value in (True, False) if self.seen.get(value)]
        if not found or not self.declared:
            return None
        return [bool(value) for value in self.declared] == found


@dataclass(frozen=True)
class Capability:
    flag: str
    backends: list[Declaration]
    """One for each backend of the report."""

    @property
    def asked(self) -> bool:
        """Whether a scenario of this run looked."""
        return any(found.seen for found in self.backends)


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
    commands: list[str]
    """Each repeats one of them."""


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
class Measured:
    """A number that cells of one kind have in common, for a chart."""

    backend: str
    serializer: str
    compression: str
    cells: int
    low: float
    """The least, or the 10th percentile."""
    middle: float
    """The median."""
    high: float


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
    families: list[Family]
    capabilities: list[Capability]
    sizes: list[Measured]
    times: list[Measured]
    failures: list[Failure]
    known: list[Known]
    not_run: list[NotRun]
    has_values: bool
    data: dict[str, Any]
    """The observations, table-encoded for the page's script: `_encode`."""


def worst(counts: Mapping[Outcome, int]) -> Outcome:
    """The outcome that stands for many cells: failed before expected before passed before not run."""
    return next((outcome for outcome in OUTCOMES if counts.get(outcome)), Outcome.SKIPPED)


def counted(number: int, thing: str) -> str:
    """A number of things, for a person: ``1 cell``, ``1,200 cells``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def sentence(counts: Mapping[Outcome, int]) -> str:
    """The run in one sentence: ``12 cells: 8 passed, 2 expected deviations, 1 failed, 1 not run``."""
    total = sum(counts.values())
    if not total:
        return "No cell was judged."
    expected = counts.get(Outcome.EXPECTED, 0)
    return (
        f"{counted(total, 'cell')}: {counts.get(Outcome.PASSED, 0):,} passed, "
        f"{counted(expected, 'expected deviation')}, "
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
        # of two records of one service the later holds all of the earlier; runs that were merged may have had
        # several of one name
        services=list({(s.name, s.product, s.version, s.image): s for s in log.services}.values()),
        problems=[service for service in log.services if service.problem],
        codecs=codecs,
        backends=backends,
        matrix=_matrix(log.observations, codecs),
        families=_families(log, backends),
        capabilities=_capabilities(log, backends),
        sizes=_sizes(log.observations),
        times=_times(log.observations),
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
    if flaky := sum("runs" in seen.evidence for seen in log.observations):
        banners.append(
            f"{counted(flaky, 'cell')} {'is' if flaky == 1 else 'are'} flaky, and failed for that: "
            "the runs that are joined here do not agree on the verdict."
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


TITLES = {
    "values": "Values: does it come back whole?",
    "at_rest": "At rest: is it stored as configured?",
    "state": "State and metadata",
    "failures": "Failures that travel",
    "reading": "Reading",
    "lifetime": "Lifetime",
    "identity": "Identity",
    "canvas": "Groups, chains, chords",
    "pools": "Workers and pools",
    "notes": "The notes' own claims",
    "django": "Django",
}
"""Titles of the families, in the order of the report; one that is not here stands behind them."""


def _families(log: RunLog, backends: list[str]) -> list[Family]:
    """The scenarios by family, each with its promise and what became of it on every backend."""
    told = {one.name: one for one in log.scenarios}
    cells: dict[str, dict[str, list[ObservationRecord]]] = defaultdict(lambda: defaultdict(list))
    rows: dict[str, list[QuestionRow]] = defaultdict(list)
    for seen in log.observations:
        cells[seen.scenario][seen.cell.get("backend", "")].append(seen)
    for name, found in sorted(cells.items()):
        record = told.get(name)
        family = record.family if record else _family_of(next(iter(found.values()))[0].nodeid)
        answers = [_answer(found[backend]) if backend in found else None for backend in backends]
        rows[family].append(
            QuestionRow(
                scenario=name,
                promise=record.promise if record else "",
                links=[link for link in record.links if link.startswith("https://")] if record else [],
                answers=record.answers if record else [],
                backends=answers,
            )
        )
    order = list(TITLES)
    names = sorted(rows, key=lambda name: (order.index(name) if name in TITLES else len(order), name))
    return [
        Family(name, TITLES.get(name, name.replace("_", " ").capitalize() or "Other"), rows[name])
        for name in names
    ]


def _family_of(nodeid: str) -> str:
    """The family by the file's name, for logs that say nothing of their scenarios."""
    return nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py").removeprefix("test_")


def _answer(found: list[ObservationRecord]) -> Answer:
    tally = Tally(Counter(seen.outcome for seen in found))
    said = Counter((seen.verdict, seen.blame) for seen in found if seen.outcome is tally.worst)
    verdict, blame = max(said, key=lambda one: (said[one], list(Verdict).index(one[0]), str(one[1])))
    return Answer(tally, verdict, blame)


def observed(seen: ObservationRecord) -> dict[str, bool]:
    """The capabilities that a scenario saw, or saw missing, in one cell: `harness.cell.Cell.observed`."""
    facts = seen.evidence.get("facts")
    found = facts.get("observed") if isinstance(facts, dict) else None
    return {flag: bool(value) for flag, value in found.items()} if isinstance(found, dict) else {}


def _capabilities(log: RunLog, backends: list[str]) -> list[Capability]:
    """Every flag that a worker configuration declares or a cell observed."""
    declared: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    seen: dict[str, dict[str, Counter[bool]]] = defaultdict(lambda: defaultdict(Counter))
    for configuration in log.configurations:
        for flag, value in configuration.declared.items():
            values = declared[flag][configuration.cell.get("backend", "")]
            if value is not None and value not in values:
                values.append(value)
    for one in log.observations:
        for flag, value in observed(one).items():
            seen[flag][one.cell.get("backend", "")][value] += 1
    return [
        Capability(
            flag,
            [
                Declaration(sorted(declared[flag][name], key=str, reverse=True), dict(seen[flag][name]))
                for name in backends
            ],
        )
        for flag in sorted(declared.keys() | seen.keys(), key=lambda flag: (flag not in seen, flag))
    ]


def size_at_rest(seen: ObservationRecord) -> int | None:
    """Bytes of the stored form, where the cell kept them."""
    at_rest = seen.evidence.get("at_rest")
    size = at_rest.get("size") if isinstance(at_rest, dict) else None
    return size if isinstance(size, int) else None


def _sizes(observations: Iterable[ObservationRecord]) -> list[Measured]:
    """Bytes at rest by backend, serializer and codec.

    Only of scenarios that vary these and neither value nor case: they store one thing everywhere, so that
    its sizes can be compared.
    """
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for seen in observations:
        size = size_at_rest(seen)
        if size is not None and in_matrix(seen) and not {"value", "case"} & seen.cell.keys():
            cell = seen.cell
            found[cell["backend"], cell["serializer"], cell["compression"]].append(size)
    return [_measured(place, numbers, 0.0) for place, numbers in sorted(found.items())]


def _times(observations: Iterable[ObservationRecord]) -> list[Measured]:
    """Seconds that cells of the matrix cost, by backend, from the 10th to the 90th percentile.

    Cells that failed or did not run are left out: they cost their deadline, or nothing.
    """
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for seen in observations:
        if seen.outcome in (Outcome.PASSED, Outcome.EXPECTED) and in_matrix(seen) and seen.seconds > 0:
            found[seen.cell["backend"], "", ""].append(seen.seconds)
    return [_measured(place, numbers, 0.1) for place, numbers in sorted(found.items())]


def _measured(place: tuple[str, str, str], numbers: list[float], cut: float) -> Measured:
    numbers.sort()
    last = len(numbers) - 1
    low, middle, high = (numbers[round(last * part)] for part in (cut, 0.5, 1 - cut))
    return Measured(*place, cells=len(numbers), low=low, middle=middle, high=high)


def _failures(observations: Iterable[ObservationRecord]) -> list[Failure]:
    alike: dict[tuple[str, str, Verdict, Blame | None], list[ObservationRecord]] = defaultdict(list)
    for seen in observations:
        if seen.outcome is Outcome.FAILED:
            point = seen.cell.get("value", seen.cell.get("case", ""))
            alike[seen.scenario, point, seen.verdict, seen.blame].append(seen)
    failures = []
    for (scenario, point, verdict, blame), found in alike.items():
        backends = sorted({seen.cell.get("backend", "") for seen in found})
        commands = [seen.repro for seen in found]
        failures.append(
            Failure(scenario, point, verdict, blame, backends, len(found), said(found[0]), commands)
        )
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
        "promises": {
            printable(one.name): one.promise.replace("``", "") for one in log.scenarios if one.promise
        },
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
