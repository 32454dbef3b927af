"""Turns what was observed into bounded, redacted, JSON-able ASCII: one place, whatever produced it."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from datetime import datetime

from harness.ascii import describe, escape, is_secret, redact
from harness.backend import Stored
from harness.worker import TaskTrace

LINE = 400
TEXT = 4000
HEX = 512
LARGEST = 2**53
"""The largest integer that is written as a number."""
SECRET = 1500
"""Characters beyond a cut within which a credential ends that begins before it: `redact` bounds them."""


def line(text: str) -> str:
    """One bounded ASCII line, without credentials."""
    return escape(_redacted(text, LINE), LINE)


def text(block: str) -> str:
    """A bounded ASCII block, without credentials."""
    return escape(_redacted(block, TEXT), TEXT, newlines=True)


def _redacted(text: str, limit: int) -> str:
    """As long as it was, more or less, and without credentials in its first `limit` characters.

    A message may be a million characters long, of which a few hundred are shown.
    """
    head = redact(text[: limit + SECRET])
    return redact(text) if len(head) < limit else head + text[limit + SECRET :]


def shown(value: object) -> str:
    """A value in the type-tagged ASCII form."""
    return describe(value)


def jsonable(fact: object) -> object:
    """A fact as JSON can hold it: numbers, booleans and None as they are, the rest as text."""
    if fact is None or isinstance(fact, bool):
        return fact
    if isinstance(fact, int):
        # not every reader of JSON has longer ones, and Python refuses to write thousands of digits
        return fact if abs(fact) <= LARGEST else line(shown(fact))
    if isinstance(fact, float):
        return round(fact, 4) if math.isfinite(fact) else str(fact)
    if isinstance(fact, str):
        return line(fact)
    if isinstance(fact, datetime):
        return fact.isoformat()
    if isinstance(fact, Mapping):
        return {line(str(key)): _member(str(key), item) for key, item in list(fact.items())[:50]}
    if isinstance(fact, list | tuple):
        return [jsonable(item) for item in fact[:50]]
    return line(shown(fact))


def _member(name: str, item: object) -> object:
    return "***" if item and is_secret(name) else jsonable(item)


def error(raised: BaseException, phase: str) -> dict[str, object]:
    """An exception with its traceback."""
    lines = traceback.format_exception(raised)
    kind = type(raised)
    return {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "message": line(str(raised)),
        "traceback": text("".join(lines)[-TEXT:]),
        "phase": phase,
    }


def at_rest(stored: Stored, serializer: str | None, codec: str | None, decoded: str) -> dict[str, object]:
    """The stored form for the report."""
    return {
        "place": line(stored.place),
        "size": len(stored.raw),
        "hex": stored.raw[:HEX].hex(),
        "cut": len(stored.raw) > HEX,
        "serializer": serializer,
        "codec": codec,
        "decoded": decoded,
        "lifetime": stored.lifetime,
        "columns": jsonable(stored.columns),
    }


def events(trace: TaskTrace, submitted_at: float) -> list[dict[str, object]]:
    """What the worker said of a task, in seconds since its submission."""
    told = []
    for event in trace.events:
        facts = {name: jsonable(fact) for name, fact in event.items() if name not in ("task", "at")}
        told.append({**facts, "at": round(float(str(event["at"])) - submitted_at, 4)})
    return told
