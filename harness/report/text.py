"""The report on a terminal: one cell's evidence, and the grid that ends a run.

All of it is ASCII, and nothing in it is what a terminal would act on.
"""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.report.model import (
    OUTCOMES,
    VERDICTS,
    Tally,
    codec_order,
    printable,
    remedy,
    serializer_order,
)
from harness.runlog import ObservationRecord, RunLog, RunLogError
from harness.verdict import Outcome

WIDTH = 100
"""Columns of the grid, at most."""

_WORDS = {Outcome.FAILED: "FAIL", Outcome.EXPECTED: "exp", Outcome.PASSED: "ok", Outcome.SKIPPED: "not run"}


class UnknownCell(RunLogError):
    """The log has no such cell; the message names the nearest that it has."""

    def __init__(self, log: RunLog, cell_id: str) -> None:
        ids = list(dict.fromkeys(seen.cell_id for seen in log.observations))
        near = difflib.get_close_matches(cell_id, ids, n=3, cutoff=0.5)
        near = near or [known for known in ids if cell_id in known][:3]
        hint = f"nearest: {', '.join(near)}" if near else "list them with: roundtrip report --format json"
        asked = ascii_only(cell_id)
        super().__init__(log.path, f"the run log {log.path} has no cell {asked!r}; {ascii_only(hint)}")
        self.nearest = near


def explain(log: RunLog, cell_id: str) -> str:
    """All evidence of one cell, for a terminal; a cell that was judged twice is explained twice.

    Raises `UnknownCell`.
    """
    found = [seen for seen in log.observations if seen.cell_id == cell_id]
    if not found:
        raise UnknownCell(log, cell_id)
    return "\n\n".join("\n".join(_explain(log, seen)) for seen in found)


def summary_grid(observations: Iterable[tuple[Mapping[str, str], Outcome]]) -> list[str]:
    """Lines of the grid backend and serializer by compression, at most `WIDTH` columns wide.

    Takes (cell, outcome) pairs, so that a run can end with it without reading its own log. An entry names the
    worst outcome and how many of the cells had it; codecs that do not fit beside each other follow below.
    """
    tallies: dict[tuple[str, str], dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for cell, outcome in observations:
        row = (cell.get("backend", "?"), cell.get("serializer", "?"))
        tallies[row][cell.get("compression", "?")].add(outcome)
    rows = sorted(tallies, key=lambda row: (row[0], serializer_order(row[1])))
    codecs = sorted({codec for found in tallies.values() for codec in found}, key=codec_order)
    columns = [[_short("/".join(row), 32) for row in rows]]
    columns[0].insert(0, "backend/serializer")
    for codec in codecs:
        entries = [_entry(tallies[row][codec]) if codec in tallies[row] else "-" for row in rows]
        columns.append([_short(codec, 32), *entries])
    return [line for block in _blocks(columns) for line in block] if rows else []


def ascii_only(text: object) -> str:
    """The text in ASCII, with everything that a terminal would act on spelled out."""
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")


def _entry(tally: Tally) -> str:
    worst = tally.worst
    number = tally.counts[worst]
    return f"{number} {_WORDS[worst]}" + (f" of {tally.total}" if number < tally.total else "")


def _blocks(columns: list[list[str]]) -> Iterator[list[str]]:
    """The columns beside each other, in as many blocks as the width needs; each starts with the row names."""
    widths = [max(map(len, column)) for column in columns]
    start = 1
    while start < len(columns):
        end, used = start, widths[0]
        while end < len(columns) and (end == start or used + 2 + widths[end] <= WIDTH):
            used += 2 + widths[end]
            end += 1
        shown = [0, *range(start, end)]
        if start > 1:
            yield [""]
        yield [
            "  ".join(columns[i][line].ljust(widths[i]) for i in shown).rstrip()
            for line in range(len(columns[0]))
        ]
        start = end


def _short(text: str, limit: int) -> str:
    text = ascii_only(text)
    return text if len(text) <= limit else f"{text[: limit - 2]}.."


def _explain(log: RunLog, seen: ObservationRecord) -> Iterator[str]:
    blame = f", blame {seen.blame}" if seen.blame else ""
    yield ascii_only(seen.cell_id)
    yield f"  {_WORDS[seen.outcome]}: {seen.verdict}{blame}"
    yield f"  ({VERDICTS[seen.verdict].text} {OUTCOMES[seen.outcome].text})"
    for name in ("detail", "reason", "expectation"):
        if text := getattr(seen, name):
            yield f"  {name}: {ascii_only(text)}"
    yield f"  cell: {ascii_only(', '.join(f'{axis} {point}' for axis, point in seen.cell.items()))}"
    yield f"  took: {seen.seconds:.3f} s"
    rest = dict(seen.evidence)
    yield from _part("sent", rest.pop("sent", None))
    yield from _part("oracle (serializer and codec alone)", seen.oracle)
    yield from _part("received", rest.pop("received", None))
    yield from _part("first difference", rest.pop("difference", None))
    at_rest = rest.pop("at_rest", None)
    if isinstance(at_rest, Mapping):
        dump = at_rest.get("hex")
        yield from _part("at rest", {key: value for key, value in at_rest.items() if key != "hex"})
        if isinstance(dump, str):
            yield from (f"    {line}" for line in hex_dump(dump))
            if at_rest.get("cut"):
                yield "    (cut: the stored form is longer)"
    else:
        yield from _part("at rest", at_rest)
    for key, part in rest.items():
        yield from _part(key.replace("_", " "), part)
    if seen.outcome is Outcome.SKIPPED and (command := remedy(seen, log.services)):
        yield from _part("makes it run", command)
    yield from _part("node id", seen.nodeid)
    yield from _part("run this cell alone", seen.repro)


def evidence_lines(log: RunLog, seen: ObservationRecord) -> list[str]:
    """What backs the verdict of one cell: all of `explain` but its names."""
    return list(_explain(log, seen))[1:]


def _part(title: str, value: Any) -> Iterator[str]:
    """A titled part of the evidence; nothing for nothing."""
    if value is None or value == "" or value == [] or value == {}:
        return
    yield f"  {ascii_only(title)}:"
    yield from (f"    {line}" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            lines = list(_lines(item))
            if len(lines) == 1:
                yield f"{ascii_only(key)}: {lines[0]}"
            else:
                yield f"{ascii_only(key)}:"
                yield from (f"  {line}" for line in lines)
    elif isinstance(value, list):
        for item in value:
            yield ascii_only(json.dumps(item) if isinstance(item, dict | list) else item)
    elif isinstance(value, str):
        yield from map(ascii_only, value.split("\n"))
    else:
        yield ascii_only(json.dumps(value))


def hex_dump(digits: str) -> list[str]:
    """Lines of 16 bytes: offset, bytes, and the ASCII characters among them.

    Digits that are no bytes are returned as they are: evidence is shown, not judged.
    """
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return [ascii_only(digits)]
    lines = []
    for offset in range(0, len(raw), 16):
        chunk = raw[offset : offset + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)
        lines.append(f"{offset:04x}  {chunk.hex(' '):<47}  {shown}")
    return lines
