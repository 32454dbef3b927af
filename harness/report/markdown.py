"""The report as Markdown, for the summary of a CI job: ``roundtrip report --format markdown``.

GitHub refuses a step summary above 1 MiB, whole. So it is bounded, and says what it left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from harness.report.model import (
    OUTCOMES,
    VERDICTS,
    MatrixRow,
    Report,
    Tally,
    build,
    counted,
    printable,
    worst,
)
from harness.runlog import RunLog
from harness.verdict import Outcome

LIMIT = 1_000_000
"""Bytes of the summary, at most: below GitHub's 1 MiB."""
COMMANDS = 20
"""Commands that are shown of failures which belong together."""

_MEANS_SOMETHING = re.compile(r"[^0-9A-Za-z .,;()'\"/+=-]")


def render_markdown(log: RunLog) -> str:
    """Totals, the table, what failed and how to repeat it, what did not run and how to have it run."""
    report = build(log)
    lines: list[str] = []
    size = left = 0
    for block in _blocks(report):
        text = "\n".join(block)
        cost = len(text.encode()) + 1
        # 300: the sentence that says so must fit too
        if size + cost > LIMIT - 300:
            left += 1
            continue
        size += cost
        lines.append(text)
    if left:
        lines.append(f"\n_{left:,} parts were left out, because this summary may have no more than 1 MiB._")
    return "\n".join(lines) + "\n"


def _blocks(report: Report) -> Iterator[list[str]]:
    """The lines, in parts that make sense alone; the most important first."""
    sign = OUTCOMES[report.outcome].glyph
    yield ["## Result stores of Celery", "", f"{sign} **{text(report.sentence)}**"]
    for banner in report.banners:
        yield ["", f"> {text(banner)}"]
    yield from _table(report)
    yield from _failures(report)
    if report.known:
        cells = sum(known.tally.counts[Outcome.EXPECTED] for known in report.known)
        names = ", ".join(code(known.name) for known in report.known)
        yield [
            "",
            "### Known deviations",
            "",
            f"{counted(cells, 'cell')}, by {counted(len(report.known), 'expectation')}: {names}",
        ]
    yield from _not_run(report)
    versions = [f"Python {report.log.header.python}"]
    versions += [f"{name} {version}" for name, version in sorted(report.log.header.packages.items())]
    yield ["", f"<sub>Run {text(report.log.header.run)}: {text(', '.join(versions))}</sub>"]


def _table(report: Report) -> Iterator[list[str]]:
    """Backend by serializer, all codecs together."""
    found: dict[str, dict[str, Counter[Outcome]]] = {}
    for row in report.matrix:
        serializers = found.setdefault(_place(row), {})
        counts = serializers.setdefault(row.serializer, Counter())
        for tally in filter(None, row.tallies):
            counts.update(tally.counts)
    if not found:
        return
    columns = list(dict.fromkeys(row.serializer for row in report.matrix))
    lines = ["", "| backend | " + " | ".join(map(text, columns)) + " |", "|---|" + "---|" * len(columns)]
    for name, serializers in found.items():
        cells = [_tally(serializers[column]) if column in serializers else "" for column in columns]
        lines.append(f"| {text(name)} | " + " | ".join(cells) + " |")
    yield lines
    signs = ", ".join(f"{OUTCOMES[o].glyph} {'not run' if o is Outcome.SKIPPED else o}" for o in OUTCOMES)
    yield ["", f"<sub>{signs}; all codecs together; of the scenarios that vary serializer and codec.</sub>"]


def _place(row: MatrixRow) -> str:
    return f"{row.place.backend} ({row.note})" if row.note else row.place.backend


def _tally(counts: Counter[Outcome]) -> str:
    """The worst outcome and its number, and all cells where there are others."""
    shown = worst(counts)
    number = f"{counts[shown]:,}"
    total = Tally(counts).total
    return f"{OUTCOMES[shown].glyph} {number}" + (f" of {total:,}" if counts[shown] < total else "")


def _failures(report: Report) -> Iterator[list[str]]:
    if not report.failures:
        return
    failed = report.log.counts[Outcome.FAILED]
    yield ["", f"### Failed: {counted(failed, 'cell')}"]
    for found in report.failures:
        blame = f", blame {found.blame}" if found.blame else ""
        title = (
            f"{VERDICTS[found.verdict].glyph} {found.verdict}{blame}: "
            f"{code(found.scenario)} {code(found.point) if found.point else ''}"
        ).strip()
        cells = counted(found.cells, "cell")
        yield [
            "",
            f"<details><summary>{title} &middot; {cells}, {text(', '.join(found.backends))}</summary>",
            "",
            text(found.said),
            "",
            *fenced(found.commands[:COMMANDS]),
            *(
                [f"and {found.cells - COMMANDS:,} more: <code>roundtrip report</code> shows all"]
                if found.cells > COMMANDS
                else []
            ),
            "",
            "</details>",
        ]


def _not_run(report: Report) -> Iterator[list[str]]:
    if not report.not_run:
        return
    yield ["", "### Not run", ""]
    for group in report.not_run:
        cells = counted(group.cells, "cell")
        remedies = "; ".join(code(remedy) for remedy in group.remedies) or "the log names no command for it"
        yield [
            f"- {cells} of {text(', '.join(group.backends))}: {text(group.reason)}. Mend it with: {remedies}"
        ]


def text(value: object) -> str:
    """The text in one line; what Markdown or HTML gives a meaning is spelled as an entity."""
    line = " ".join(printable(value).split())
    return _MEANS_SOMETHING.sub(lambda found: f"&#{ord(found[0])};", line)


def code(value: object) -> str:
    return f"<code>{text(value)}</code>"


def fenced(commands: Iterable[str]) -> list[str]:
    """Commands as a block of code, behind a fence that none of them can end."""
    lines = [" ".join(printable(command).split("\n")) for command in commands]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}sh", *lines, fence]
