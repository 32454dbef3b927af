"""The run log: one JSON object a line, the record from which every report is made.

The steps, and the errors that each can raise (all are `RunLogError`):

| step | errors |
|---|---|
| open a log for writing: `RunLogWriter(path)` | `LogUnwritable` |
| write a record: `RunLogWriter.write` | `RecordRefused` (the record is wrong), `LogUnwritable` (disk) |
| end the run: `RunLogWriter.close` | `RecordRefused`, `LogUnwritable` |
| open a log for reading: `read(path)` | `LogMissing`, `LogUnreadable`, `LogEmpty` |
| read its first line | `NoHeader`, `UnknownSchema` |
| read a later line | `MalformedLine`, `UnknownKind`, `DuplicateHeader`, `RecordAfterFooter` |

A log whose last line was cut off (the writer was killed) is no error: the whole lines are read, and the log
says `cut` and not `complete`. The fields are described in docs/run-log.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.verdict import Blame, Outcome, Verdict

SCHEMA = 1
"""Version of the schema that this module writes, and the only one that it reads."""

Counts = dict[Outcome, int]
"""Number of cells by outcome; every outcome is a key."""


class RunLogError(Exception):
    """A run log cannot be written or read: one line that says what failed, where, why, and what to do."""

    def __init__(self, path: str | os.PathLike[str], message: str) -> None:
        super().__init__(" ".join(message.split()))
        self.path = Path(path)


class LogUnwritable(RunLogError):
    """The file, its folder or the disk does not take the log."""

    def __init__(self, path: str | os.PathLike[str], why: OSError, what: str = "run log") -> None:
        reason = why.strerror or str(why)
        super().__init__(
            path, f"cannot write the {what} {path}: {reason}; make its folder writable or name another file"
        )


class RecordRefused(RunLogError):
    """A record that would make the log unreadable was not written."""

    def __init__(self, path: str | os.PathLike[str], why: str) -> None:
        super().__init__(path, f"refused to write a record to the run log {path}: {why}; correct the record")


class LogMissing(RunLogError):
    """There is no such file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(
            path, f"there is no run log at {path}; check the path, or make one: pytest --run-log {path}"
        )


class LogUnreadable(RunLogError):
    """The file is there, but the system does not let us read it."""

    def __init__(self, path: str | os.PathLike[str], why: OSError) -> None:
        reason = why.strerror or str(why)
        super().__init__(path, f"cannot read the run log {path}: {reason}; name a file that you may read")


class LogEmpty(RunLogError):
    """The file has no bytes: the run ended before its header was written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, f"the run log {path} is empty: nothing was recorded; run the matrix again")


class NoHeader(RunLogError):
    """The first line is not the header of a run log."""

    def __init__(self, path: str | os.PathLike[str], why: str) -> None:
        super().__init__(
            path, f"{path} is not a run log: its first line {why}; name a file that --run-log wrote"
        )


class UnknownSchema(RunLogError):
    """The log was written by another version of this project."""

    def __init__(self, path: str | os.PathLike[str], found: object) -> None:
        super().__init__(
            path,
            f"the run log {path} has schema {found!r}, and this version reads schema {SCHEMA}; "
            "read it with the version of celery-roundtrip that wrote it",
        )


class MalformedLine(RunLogError):
    """A line that is no JSON object, or lacks a field, or has a field of the wrong type."""

    def __init__(self, path: str | os.PathLike[str], number: int, why: str) -> None:
        super().__init__(
            path,
            f"line {number} of the run log {path} is malformed: {why}; "
            "remove the line if the file was edited or joined by hand, else run again",
        )
        self.number = number


class UnknownKind(RunLogError):
    """A record of a kind that this version does not know."""

    def __init__(self, path: str | os.PathLike[str], number: int, kind: object) -> None:
        super().__init__(
            path,
            f"line {number} of the run log {path} has the unknown kind {kind!r}; "
            f"known are {', '.join(_MODELS)}; read it with the version of celery-roundtrip that wrote it",
        )
        self.number = number


class DuplicateHeader(RunLogError):
    """Two logs in one file."""

    def __init__(self, path: str | os.PathLike[str], number: int) -> None:
        super().__init__(
            path,
            f"line {number} of the run log {path} is a second header: two runs are in one file; "
            "split the file there, and join runs with: roundtrip merge",
        )
        self.number = number


class RecordAfterFooter(RunLogError):
    """Something was written to the file after its run had ended."""

    def __init__(self, path: str | os.PathLike[str], number: int) -> None:
        super().__init__(
            path,
            f"line {number} of the run log {path} follows the footer: something wrote to it after its run "
            "had ended; remove the lines after the footer, or run again",
        )
        self.number = number


class Record(BaseModel):
    """What every line has in common. Unknown fields are left out, so that a field can be added."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(Record):
    """One of the runs in a merged log."""

    run: str
    started: str
    ended: str | None = None
    command: list[str] = Field(default_factory=list)
    platform: str = ""
    selection: str = ""
    seed: int | str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    """Cells that it judged, by outcome."""
    incomplete: str | None = None
    """Why it lacks cells that were selected; None if it ended by itself."""


class Header(Record):
    """The first line: what ran, where, with which versions."""

    kind: Literal["header"] = "header"
    version: int = Field(default=SCHEMA, alias="schema")  # BaseModel.schema exists: another name inside
    run: str
    started: str
    """ISO 8601, UTC."""
    command: list[str]
    platform: str
    python: str
    packages: dict[str, str]
    """Distribution name to version."""
    selection: str = ""
    seed: int | str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    parts: list[Part] | None = None
    """The runs that `harness.merge` joined; None in the log of one run."""


class ScenarioRecord(Record):
    """A scenario of which a cell follows: what it promises, so that a report needs no source code."""

    kind: Literal["scenario"] = "scenario"
    name: str
    family: str = ""
    promise: str = ""
    links: list[str] = Field(default_factory=list)
    axes: list[str] = Field(default_factory=list)
    answers: list[str] = Field(default_factory=list)


class Service(Record):
    """A service answered its probe, could not be had (`problem`, `remedy`), or ended in the run (`ended`)."""

    kind: Literal["service"] = "service"
    name: str
    runtime: str | None = None
    url: str | None = None
    product: str | None = None
    """What really answered: Valkey is not Redis."""
    version: str | None = None
    image: str | None = None
    digest: str | None = None
    standin: bool = False
    kept: bool = False
    """Whether ``roundtrip services up`` had started it before the run."""
    ready_seconds: float | None = None
    problem: str | None = None
    remedy: str | None = None
    """A command that would make the service available."""
    ended: str | None = None
    """How it ended in the middle of the run; a second record of that service."""


class Configuration(Record):
    """A worker configuration was finished."""

    kind: Literal["configuration"] = "configuration"
    cell: dict[str, str]
    declared: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    worker_ready_seconds: float | None = None
    seconds: float | None = None
    cells: int = 0
    warnings: list[str] = Field(default_factory=list)


class ObservationRecord(Record):
    """A cell was judged."""

    kind: Literal["observation"] = "observation"
    cell_id: str
    scenario: str
    cell: dict[str, str]
    declared_axes: list[str]
    verdict: Verdict
    blame: Blame | None = None
    holds: bool = False
    detail: str = ""
    oracle: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict)
    seconds: float = 0.0
    outcome: Outcome
    reason: str = ""
    expectation: str | None = None
    nodeid: str
    repro: str
    run: str | None = None
    """In a merged log: the run that judged it."""


class Footer(Record):
    """The last line of a run that ended by itself."""

    kind: Literal["footer"] = "footer"
    ended: str
    """ISO 8601, UTC."""
    counts: dict[str, int]
    cut_short: str | None = None
    """Why the run ended before all selected cells were judged."""


_MODELS: dict[str, type[Record]] = {
    "header": Header,
    "scenario": ScenarioRecord,
    "service": Service,
    "configuration": Configuration,
    "observation": ObservationRecord,
    "footer": Footer,
}

_REQUIRED: dict[str, frozenset[str]] = {
    kind: frozenset(info.alias or name for name, info in model.model_fields.items() if info.is_required())
    for kind, model in _MODELS.items()
}


@dataclass
class RunLog:
    """A run log as read: whole, or as far as it was written."""

    path: Path
    header: Header
    scenarios: list[ScenarioRecord] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    configurations: list[Configuration] = field(default_factory=list)
    observations: list[ObservationRecord] = field(default_factory=list)
    footer: Footer | None = None
    cut: bool = False
    """The last line was cut off, and is not among the records."""

    @property
    def complete(self) -> bool:
        """Whether the run ended by itself: there is a footer, and it was not cut short."""
        return self.incomplete is None

    @property
    def incomplete(self) -> str | None:
        """Why cells may be missing; None if the run ended by itself."""
        if self.footer is None:
            return "its log has no footer" + (", and its last line was cut off" if self.cut else "")
        return f"cut short: {self.footer.cut_short}" if self.footer.cut_short is not None else None

    @property
    def counts(self) -> Counts:
        """Cells by outcome, counted from the observations, not taken from the footer."""
        counts = dict.fromkeys(Outcome, 0)
        for observation in self.observations:
            counts[observation.outcome] += 1
        return counts


class RunLogWriter:
    """Writes one run log, a line at a time, so that a killed run leaves what it had found.

    The file is opened (and an older one of that name replaced) at once: a folder that cannot be written is
    reported before the run and not after it. Leaving the context without `close` leaves a log without a
    footer, which is what an interrupted run is.

    Raises `LogUnwritable`.
    """

    encode: ClassVar = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._started = False
        self._file: BinaryIO | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as why:
            raise LogUnwritable(self.path, why) from why

    def write(self, record: Record | Mapping[str, Any]) -> None:
        """Append one record and flush it.

        A mapping is checked for its kind, its required fields and its verdict and outcome only: a run writes
        tens of thousands, and the reader checks the rest. Raises `RecordRefused` and `LogUnwritable`.
        """
        plain = record.model_dump(by_alias=True) if isinstance(record, Record) else record
        if self._file is None:
            raise RecordRefused(self.path, "the log is closed")
        if problem := _problem(plain, started=self._started):
            raise RecordRefused(self.path, problem)
        try:
            line = self.encode(plain)
        except (TypeError, ValueError, RecursionError) as why:
            raise RecordRefused(self.path, str(why)) from why
        if "\\ud" in line:  # a surrogate pair or, what no UTF-8 file can hold, half of one
            line = self.encode(_without_lone_surrogates(plain))
        try:
            self._file.write(line.encode("ascii") + b"\n")
            self._file.flush()
        except OSError as why:
            raise LogUnwritable(self.path, why) from why
        self._started = True

    def close(
        self,
        counts: Mapping[Outcome, int] | Mapping[str, int],
        cut_short: str | None = None,
        ended: str | None = None,
    ) -> None:
        """Write the footer and close the file. Raises `RecordRefused` and `LogUnwritable`.

        :param ended: when the run ended, if not now.
        """
        ended = ended or datetime.now(UTC).isoformat(timespec="seconds")
        numbers = {str(outcome): number for outcome, number in counts.items()}
        self.write({"kind": "footer", "ended": ended, "counts": numbers, "cut_short": cut_short})
        self._release()

    def _release(self) -> None:
        """Close the file; every line was flushed before, so that there is nothing left to lose."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # the write that failed has been reported already

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._release()


def read(path: str | os.PathLike[str]) -> RunLog:
    """Read a run log, whole or cut off. Raises the `RunLogError` that the module's table names."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise LogMissing(path) from None
    except OSError as why:
        raise LogUnreadable(path, why) from why
    if not raw.strip():
        raise LogEmpty(path)
    lines = raw.split(b"\n")
    ends_whole = lines[-1] == b""
    if ends_whole:
        lines.pop()
    log = RunLog(path, _header(path, lines[0]))
    for number, line in enumerate(lines[1:], 2):
        try:
            found = _parse(line)
        except ValueError as why:
            if number == len(lines) and not ends_whole:
                log.cut = True
                break
            raise MalformedLine(path, number, str(why)) from why
        _add(log, number, found)
    return log


def _header(path: Path, line: bytes) -> Header:
    try:
        found = _parse(line)
    except ValueError as why:
        raise NoHeader(path, f"cannot be read ({why})") from why
    if found.get("kind") != "header":
        raise NoHeader(path, f"has the kind {found.get('kind')!r} and not 'header'")
    if found.get("schema") != SCHEMA:
        raise UnknownSchema(path, found.get("schema"))
    try:
        return Header.model_validate(found)
    except ValidationError as why:
        raise MalformedLine(path, 1, _first_error(why)) from why


def _add(log: RunLog, number: int, found: dict[str, Any]) -> None:
    """Put the record of one line where it belongs."""
    if log.footer is not None:
        raise RecordAfterFooter(log.path, number)
    kind = found.get("kind")
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise UnknownKind(log.path, number, kind)
    if model is Header:
        raise DuplicateHeader(log.path, number)
    try:
        record = model.model_validate(found)
    except ValidationError as why:
        raise MalformedLine(log.path, number, _first_error(why)) from why
    match record:
        case ObservationRecord():
            log.observations.append(record)
        case Configuration():
            log.configurations.append(record)
        case ScenarioRecord():
            log.scenarios.append(record)
        case Service():
            log.services.append(record)
        case Footer():
            log.footer = record


def _parse(line: bytes) -> dict[str, Any]:
    """The object that a line holds. Raises ValueError with the reason."""
    try:
        found = _DECODER.decode(line.decode("utf-8"))
    except RecursionError as why:
        raise ValueError("nested too deeply") from why
    if not isinstance(found, dict):
        # TRY004: to a reader of logs this is one more wrong line, not a wrong argument
        raise ValueError(f"a JSON object was expected, not {type(found).__name__}")  # noqa: TRY004
    return _without_lone_surrogates(found) if b"\\ud" in line or b"\\uD" in line else found


def _first_error(why: ValidationError) -> str:
    first = why.errors(include_url=False, include_input=False)[0]
    return f"field {'.'.join(map(str, first['loc']))}: {first['msg']}"


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_VERDICTS = frozenset(Verdict)
_OUTCOMES = frozenset(Outcome)


def _problem(record: Mapping[str, Any], *, started: bool) -> str | None:
    """Why the record may not be written, or None."""
    kind = record.get("kind")
    required = _REQUIRED.get(kind) if isinstance(kind, str) else None
    if required is None:
        return f"unknown kind {kind!r}"
    if (kind == "header") is started:
        return "a second header" if started else f"a {kind} before the header"
    if not record.keys() >= required:
        return f"a {kind} without {', '.join(sorted(required - record.keys()))}"
    if kind == "observation":
        if record["verdict"] not in _VERDICTS:
            return f"unknown verdict {record['verdict']!r}"
        if record["outcome"] not in _OUTCOMES:
            return f"unknown outcome {record['outcome']!r}"
    if kind == "header" and record.get("schema") != SCHEMA:
        return f"a header with schema {record.get('schema')!r} and not {SCHEMA}"
    return None


def _without_lone_surrogates(value: Any) -> Any:
    """The same value with half surrogate pairs spelled out (``\\ud800``): UTF-8 files cannot hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_lone_surrogates(item) for item in value]
    return value
