"""Holds one run against another, cell by cell: ``roundtrip diff``.

| class | in the first run | in the second |
|---|---|---|
| broken | passed, or deviated as expected | failed |
| fixed | failed | passed, or deviated as expected |
| changed | either | the same side of failed, with another verdict, blame or outcome |
| appeared | not asked, or not run | judged |
| vanished | judged | not asked, or not run |

The errors (all are `RunLogError`): what `harness.runlog.read` raises, `NothingInCommon`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.runlog import ObservationRecord, RunLog, RunLogError
from harness.verdict import Axis, Outcome, Verdict


class NothingInCommon(RunLogError):
    """The two runs judged no cell both: whatever they say, it is not of the same thing."""

    def __init__(self, first: RunLog, second: RunLog) -> None:
        super().__init__(
            second.path,
            f"cannot compare {first.path} and {second.path}: no cell was judged in both; "
            "run both with the same selection (-m, node ids)",
        )


class Change(StrEnum):
    """What became of a cell from one run to the other; in the order in which they are told."""

    BROKEN = "broken"
    FIXED = "fixed"
    CHANGED = "changed"
    APPEARED = "appeared"
    VANISHED = "vanished"


MEANINGS = {
    Change.BROKEN: "Passed, or deviated as expected; fails now.",
    Change.FIXED: "Failed; passes now, or deviates as expected.",
    Change.CHANGED: "Neither broken nor fixed, but verdict, blame or outcome is another.",
    Change.APPEARED: "Judged in the second run only.",
    Change.VANISHED: "Judged in the first run only: not selected in the second, or not run.",
}


@dataclass(frozen=True)
class Difference:
    """One cell that is not the same in both runs."""

    change: Change
    name: str
    """The cell's id; with broker and pool where a run has several cells of that id."""
    before: ObservationRecord | None
    after: ObservationRecord | None

    @property
    def known(self) -> ObservationRecord:
        """The cell, as the second run has it if it has."""
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True)
class Comparison:
    first: RunLog
    second: RunLog
    differences: list[Difference]
    """By change, then by name."""
    same: int
    """Number of cells that are the same in both."""
    versions: dict[str, tuple[str | None, str | None]]
    """What was not of the same version: Python, packages, server products; None where it was not there."""

    @property
    def counts(self) -> dict[Change, int]:
        found = Counter(one.change for one in self.differences)
        return {change: found[change] for change in Change}

    def of(self, change: Change) -> list[Difference]:
        return [one for one in self.differences if one.change is change]


def compare(first: RunLog, second: RunLog) -> Comparison:
    """What changed from the first run to the second. Raises `NothingInCommon`."""
    names = _names(first, second)
    before, after = ({_name(seen, names): seen for seen in log.observations} for log in (first, second))
    common = before.keys() & after.keys()
    if not any(_judged(before[name]) and _judged(after[name]) for name in common):
        raise NothingInCommon(first, second)
    found = []
    same = 0
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        change = _change(one, other)
        if change is None:
            same += 1
        else:
            found.append(Difference(change, name, one, other))
    order = list(Change)
    found.sort(key=lambda one: (order.index(one.change), one.name))
    return Comparison(first, second, found, same, _versions(first, second))


def plain(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON-able data: everything but the evidence, which stands in the logs."""
    return {
        "first": _run(comparison.first),
        "second": _run(comparison.second),
        "versions": {name: list(pair) for name, pair in comparison.versions.items()},
        "counts": {"same": comparison.same, **comparison.counts},
        **{
            change: [
                {
                    "cell": one.name,
                    "scenario": one.known.scenario,
                    "axes": one.known.cell,
                    "before": _said(one.before),
                    "after": _said(one.after),
                    "repro": one.known.repro,
                }
                for one in comparison.of(change)
            ]
            for change in Change
        },
    }


def _run(log: RunLog) -> dict[str, Any]:
    return {
        "path": str(log.path),
        "run": log.header.run,
        "started": log.header.started,
        "python": log.header.python,
        "incomplete": log.incomplete,
        "counts": {str(outcome): number for outcome, number in log.counts.items()},
    }


def _said(seen: ObservationRecord | None) -> dict[str, Any] | None:
    names = {"verdict", "blame", "outcome", "detail", "reason", "expectation"}
    return None if seen is None else seen.model_dump(mode="json", include=names)


def _names(first: RunLog, second: RunLog) -> set[str]:
    """The ids that name several cells of a log: a merged log holds runs with several brokers and pools."""
    twice: set[str] = set()
    for log in (first, second):
        cells: dict[str, Mapping[str, str]] = {}
        for seen in log.observations:
            if cells.setdefault(seen.cell_id, seen.cell) != seen.cell:
                twice.add(seen.cell_id)
    return twice


def _name(seen: ObservationRecord, twice: set[str]) -> str:
    if seen.cell_id not in twice:
        return seen.cell_id
    broker, pool = (seen.cell.get(axis, "") for axis in (Axis.BROKER, Axis.POOL))
    return f"{seen.cell_id} (broker {broker}, pool {pool})"


def _judged(seen: ObservationRecord | None) -> bool:
    """Whether the cell ran. One that was required and did not run failed, and is judged."""
    return seen is not None and seen.outcome is not Outcome.SKIPPED


def _change(before: ObservationRecord | None, after: ObservationRecord | None) -> Change | None:
    if before is None or after is None or not (_judged(before) and _judged(after)):
        if _judged(before):
            return Change.VANISHED
        return Change.APPEARED if _judged(after) else None
    bad = [seen.outcome is Outcome.FAILED for seen in (before, after)]
    if bad == [False, True]:
        return Change.BROKEN
    if bad == [True, False]:
        return Change.FIXED
    alike = (before.verdict, before.blame, before.outcome) == (after.verdict, after.blame, after.outcome)
    return None if alike else Change.CHANGED


def _versions(first: RunLog, second: RunLog) -> dict[str, tuple[str | None, str | None]]:
    one, other = _all_versions(first), _all_versions(second)
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    }


def _all_versions(log: RunLog) -> dict[str, str]:
    found = {"Python": log.header.python, **log.header.packages}
    for service in log.services:
        if not service.problem:
            product = f"{service.product or 'unknown product'} {service.version or ''}".strip()
            found[f"service {service.name}"] = product
    return found


def as_text(comparison: Comparison, limit: int = 40) -> list[str]:
    """The comparison for a terminal: ASCII, at most `limit` cells of each change."""
    from harness.report.text import ascii_only

    lines = []
    for title, log in (("first", comparison.first), ("second", comparison.second)):
        lines.append(f"{title + ':':8}{log.path}: run {log.header.run}, started {log.header.started}")
    for name, versions in comparison.versions.items():
        lines.append(f"  {name}: {' -> '.join(version or 'not there' for version in versions)}")
    for change in Change:
        found = comparison.of(change)
        if found:
            lines += ["", f"{change}: {len(found)}  ({MEANINGS[change]})"]
        for one in found[:limit]:
            lines.append(f"  {one.name}")
            lines.append(f"      {_shown(one.before)} -> {_shown(one.after)}")
            if one.change is Change.BROKEN and one.after:
                lines.append(f"      {one.after.repro}")
        if len(found) > limit:
            lines.append(f"  ... {len(found) - limit} more: --json lists all")
    told = ", ".join(f"{number} {change}" for change, number in comparison.counts.items())
    lines += ["", f"{comparison.same} cells are the same; {told}"]
    return [ascii_only(line) for line in lines]


def _shown(seen: ObservationRecord | None) -> str:
    if seen is None:
        return "not asked"
    if seen.verdict is Verdict.NOT_RUN:
        return f"not run ({seen.detail})" if seen.detail else "not run"
    blame = f", blame {seen.blame}" if seen.blame else ""
    return f"{seen.outcome}: {seen.verdict}{blame}" + (f": {seen.detail}" if seen.detail else "")


def render_json(comparison: Comparison) -> str:
    return json.dumps(plain(comparison), indent=1)
