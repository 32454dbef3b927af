"""Joins the run logs of one matrix, made by several runs, into one: ``roundtrip merge``.

Order does not matter, and joining joined logs is joining their runs. What is decided here:

- A cell that one run judged and another did not run (`not-run`) is as the one that judged it says.
- A cell that several runs judged alike is kept once, as the latest run has it.
- A cell on which they do not agree (verdict, blame or outcome) is *flaky*: its outcome is ``failed``,
  whatever the outcomes were, and ``evidence.runs`` holds what each of them saw.
- A run that is incomplete stays so: the merged log says which, and that it is therefore cut short.

The errors (all are `RunLogError`): what `harness.runlog.read` raises, `PythonDiffers`, `PackagesDiffer`,
`OutputIsInput`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.runlog import (
    Configuration,
    Header,
    ObservationRecord,
    Part,
    RunLog,
    RunLogError,
    RunLogWriter,
    ScenarioRecord,
    Service,
    read,
)
from harness.verdict import Outcome, Verdict

SEVERITY = (Outcome.FAILED, Outcome.EXPECTED, Outcome.PASSED, Outcome.SKIPPED)
"""What a flaky cell shows: the worst that was seen."""


class PythonDiffers(RunLogError):
    """The logs were made under different versions of Python."""

    def __init__(self, first: RunLog, other: RunLog) -> None:
        super().__init__(
            other.path,
            f"cannot merge: {first.path} ran on Python {first.header.python} and {other.path} on "
            f"{other.header.python}; merge logs of one version, and hold them against each other with: "
            "roundtrip diff",
        )


class PackagesDiffer(RunLogError):
    """The logs were made with different versions of a package."""

    def __init__(self, first: RunLog, other: RunLog, names: Sequence[str]) -> None:
        one, two = first.header.packages, other.header.packages
        told = ", ".join(f"{name} {one[name]} and {two[name]}" for name in names)
        super().__init__(
            other.path,
            f"cannot merge {first.path} and {other.path}: different versions of {told}; "
            "merge logs of the same versions, and hold these against each other with: roundtrip diff",
        )
        self.names = list(names)


class OutputIsInput(RunLogError):
    """The merged log would replace a log that it is made of."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, f"cannot merge into {path}: it is one of the logs to merge; name another -o FILE"
        )


@dataclass(frozen=True)
class Merged:
    """A merged log, before it is written."""

    header: Header
    scenarios: list[ScenarioRecord]
    services: list[Service]
    configurations: list[Configuration]
    observations: list[ObservationRecord]
    cut_short: str | None
    ended: str
    flaky: list[ObservationRecord] = field(default_factory=list)
    """Those of the observations on which the runs do not agree."""

    @property
    def parts(self) -> list[Part]:
        return self.header.parts or []

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as a run log. Raises `LogUnwritable`."""
        counts = dict.fromkeys(Outcome, 0)
        with RunLogWriter(path) as log:
            log.write(self.header)
            for record in (*self.scenarios, *self.services, *self.configurations):
                log.write(record)
            for seen in self.observations:
                counts[seen.outcome] += 1
                log.write(seen.model_dump(mode="json"))
            log.close(counts, self.cut_short, self.ended)


def merge(paths: Iterable[str | os.PathLike[str]], output: str | os.PathLike[str]) -> Merged:
    """Join the logs of `paths` into `output`. Raises the errors of the module's table.

    Nothing is written unless all of them can be read and joined.
    """
    inputs = [Path(path) for path in paths]
    for path in inputs:
        if path.resolve() == Path(output).resolve():
            raise OutputIsInput(path)
    merged = join([read(path) for path in inputs])
    merged.write(output)
    return merged


def join(logs: Iterable[RunLog]) -> Merged:
    """What the logs say together. Raises `PythonDiffers` and `PackagesDiffer`."""
    logs = sorted(logs, key=lambda log: (log.header.started, log.header.run, str(log.path)))
    packages = _packages(logs)
    parts = _parts(logs)
    age = {part.run: number for number, part in enumerate(parts)}
    observations = _cells([_of_run(log, seen) for log in logs for seen in log.observations], age)
    incomplete = [f"run {part.run} is incomplete: {part.incomplete}" for part in parts if part.incomplete]
    return Merged(
        header=_header(logs, parts, packages),
        scenarios=list({one.name: one for log in logs for one in log.scenarios}.values()),
        services=_services(logs),
        configurations=list({_key(one.cell): one for log in logs for one in log.configurations}.values()),
        observations=observations,
        cut_short="; ".join(incomplete) or None,
        ended=max((part.ended for part in parts if part.ended), default=parts[-1].started),
        flaky=[seen for seen in observations if runs_of(seen)],
    )


def runs_of(seen: ObservationRecord) -> list[dict[str, Any]]:
    """What each run saw of a flaky cell; empty for every other cell."""
    found = seen.evidence.get("runs")
    return found if isinstance(found, list) else []


def _packages(logs: Sequence[RunLog]) -> dict[str, str]:
    """All packages. One that a run did not have is no difference: shards need different ones."""
    origin: dict[str, RunLog] = {}
    for log in logs:
        if log.header.python != logs[0].header.python:
            raise PythonDiffers(logs[0], log)
        for name, version in log.header.packages.items():
            first = origin.setdefault(name, log)
            if first.header.packages[name] != version:
                theirs = first.header.packages
                differing = [n for n, v in log.header.packages.items() if n in theirs and theirs[n] != v]
                raise PackagesDiffer(first, log, sorted(differing))
    return {name: origin[name].header.packages[name] for name in sorted(origin)}


def _parts(logs: Iterable[RunLog]) -> list[Part]:
    """The runs, the oldest first; those of merged logs as their headers name them, each once.

    A run that is there twice, once cut off, is complete.
    """
    found: dict[str, Part] = {}
    for log in logs:
        for part in log.header.parts if log.header.parts is not None else [_part(log)]:
            known = found.get(part.run)
            if known is None or (known.incomplete and not part.incomplete):
                found[part.run] = part
    return sorted(found.values(), key=lambda part: (part.started, part.run))


def _part(log: RunLog) -> Part:
    header = log.header
    return Part(
        run=header.run,
        started=header.started,
        ended=log.footer.ended if log.footer else None,
        command=header.command,
        platform=header.platform,
        selection=header.selection,
        seed=header.seed,
        options=header.options,
        counts={str(outcome): number for outcome, number in log.counts.items()},
        incomplete=log.incomplete,
    )


def _header(logs: Sequence[RunLog], parts: Sequence[Part], packages: dict[str, str]) -> Header:
    runs = "\n".join(part.run for part in parts)
    seeds = {part.seed for part in parts}
    selections = sorted({part.selection for part in parts})
    return Header(
        schema=1,
        run="merged-" + hashlib.sha256(runs.encode()).hexdigest()[:12],
        started=parts[0].started,
        command=["roundtrip", "merge", *sorted({str(log.path) for log in logs})],
        platform=" | ".join(sorted({part.platform for part in parts})),
        python=logs[0].header.python,
        packages=packages,
        # a run that selected everything makes the whole one that did
        selection="" if "" in selections else " | ".join(selections),
        seed=seeds.pop() if len(seeds) == 1 else None,
        options=_options(parts),
        parts=list(parts),
    )


def _options(parts: Sequence[Part]) -> dict[str, Any]:
    """The options; where runs differ in one, a text that names all its values."""
    joined: dict[str, Any] = {}
    for name in sorted({name for part in parts for name in part.options}):
        values = {_key(part.options.get(name)): part.options.get(name) for part in parts}
        joined[name] = next(iter(values.values())) if len(values) == 1 else " | ".join(sorted(values))
    return joined


def _services(logs: Iterable[RunLog]) -> list[Service]:
    """What answered, once for each product, version and image, however often and fast it started."""
    found: dict[str, Service] = {}
    for log in logs:
        # of two records of one service in a run the later holds all of the earlier
        for service in {(one.name, one.product, one.version): one for one in log.services}.values():
            found.setdefault(_key(service.model_dump(exclude={"ready_seconds", "url"})), service)
    return list(found.values())


def _of_run(log: RunLog, seen: ObservationRecord) -> ObservationRecord:
    return seen if seen.run else seen.model_copy(update={"run": log.header.run})


def _cells(observations: Iterable[ObservationRecord], age: dict[str, int]) -> list[ObservationRecord]:
    """Every cell once, in an order that does not depend on who came first.

    The id of a cell does not name broker and pool, which are options of a run: with another one it is
    another cell.
    """
    cells: dict[tuple[str, str], list[ObservationRecord]] = defaultdict(list)
    for seen in observations:
        cells[seen.cell_id, _key(seen.cell)] += _apart(seen)
    return [_agreed(found, age) for _, found in sorted(cells.items())]


_OWN = ("run", "verdict", "blame", "holds", "detail", "outcome", "reason", "expectation", "oracle", "seconds")
"""What one run says of a cell; its `evidence` stands beside it."""


def _apart(seen: ObservationRecord) -> list[ObservationRecord]:
    """What the single runs said of a cell that a merge has found flaky."""
    return [
        ObservationRecord.model_validate({**seen.model_dump(mode="json"), **told}) for told in runs_of(seen)
    ] or [seen]


def _agreed(found: Sequence[ObservationRecord], age: dict[str, int]) -> ObservationRecord:
    judged = [seen for seen in found if seen.verdict is not Verdict.NOT_RUN]
    if not judged:  # one run may have required it: then it failed
        return min(found, key=lambda seen: (SEVERITY.index(seen.outcome), -age.get(seen.run or "", 0)))
    # a run that is there twice (a log and its copy, a shard and the merged log) has one say
    runs = {(seen.run, seen.verdict, seen.blame, seen.outcome): seen for seen in judged}
    told = sorted(runs.values(), key=lambda seen: (age.get(seen.run or "", 0), seen.outcome, seen.verdict))
    if len({(seen.verdict, seen.blame, seen.outcome) for seen in told}) == 1:
        return told[-1]
    worst = min(told, key=lambda seen: (SEVERITY.index(seen.outcome), -list(Verdict).index(seen.verdict)))
    said = "; ".join(f"run {seen.run}: {_said(seen)}" for seen in told)
    return worst.model_copy(
        update={
            "outcome": Outcome.FAILED,
            "holds": False,
            "reason": f"flaky: {said}",
            "evidence": {
                **worst.evidence,
                "runs": [
                    {**seen.model_dump(mode="json", include=set(_OWN)), "evidence": seen.evidence}
                    for seen in told
                ],
            },
        }
    )


def _said(seen: ObservationRecord) -> str:
    return f"{seen.verdict}{f', blame {seen.blame}' if seen.blame else ''} ({seen.outcome})"


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)
