"""A synthetic run log that obeys docs/run-log.md: every verdict, blame, outcome and evidence key occurs.

What it says about the stores is made up. `python tests/sample_log.py PATH [CELLS]` writes one to look at.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.runlog import RunLogWriter
from harness.verdict import Blame, Outcome, Verdict

BACKENDS = ("django-db", "memcached", "postgresql", "redis", "rpc")
SERIALIZERS = ("json", "pickle", "yaml", "msgpack")
CODECS = ("uncompressed", "zlib", "bzip2")
HOSTILE = "</script><img src=x onerror=alert(1)>"
"""Text that ends a script element and runs its own, where it is not escaped."""
NULS = "before\x00after \x1b[31mred\x1b[0m \u202egnirts"
"""Characters that act on a terminal or a page."""
DRIVER = "pip install 'celery-roundtrip[cassandra]'"
"""The command that a cell which did not run names."""
LONG = "long" * 2500
"""One line of 10,000 characters."""

_VALUES = {
    "none": "None", "true": "True", "empty-dict": "{}", "empty-list": "[]", "int-2-31": "2147483648",
    "int-2-53": "9007199254740993", "int-2-63": "9223372036854775808", "int-2-64": "18446744073709551616",
    "int-digits": "int:<4000 digits>", "float-nan": "float:nan", "float-inf": "float:inf",
    "float-minus-zero": "float:-0.0", "float-17": "0.30000000000000004", "str-ascii": "'hello'",
    "str-accents": "'caf\\u00e9'", "str-emoji": "'\\U0001f600'", "str-nul": repr(NULS),
    "str-markup": repr(HOSTILE), "str-surrogate": "'\\ud800'", "str-long": repr(LONG),
    "bytes-ascii": "b'abc'", "bytes-binary": "b'\\xff\\x00'", "tuple": "(1, 2)", "set": "set:{1, 2}",
    "frozenset": "frozenset:{1}", "deque": "deque:[1, 2]", "dict-int-keys": "{1: 'a'}",
    "dict-tuple-keys": "{(1, 2): 'a'}", "datetime-naive": "datetime:2024-02-29T12:00:00",
    "datetime-utc": "datetime:2024-02-29T12:00:00+00:00", "date": "date:2024-02-29",
    "timedelta": "timedelta:1s",
    "decimal": "Decimal:1.10", "complex": "complex:(1+2j)", "uuid": "UUID:12345678", "path": "Path:/tmp",
    "enum": "Colour.RED", "namedtuple": "Point(x=1, y=2)", "self-reference": "list:<self>",
    "lambda": "function:<lambda>", "size-1-mib": "str:<1048576 characters>",
}  # fmt: skip
VALUES = tuple(_VALUES)

DOCS = "https://docs.celeryq.dev/en/stable/userguide/configuration.html"
CLAIM = 'The notes: "msgpack is more compact than JSON".'


def _scenario(name: str, family: str, promise: str, axes: str, *answers: str) -> dict[str, Any]:
    return {
        "kind": "scenario",
        "name": name,
        "family": family,
        "promise": promise,
        "links": [DOCS, "javascript:alert(1)"],
        "axes": axes.split(),
        "answers": list(answers),
    }


_GRID = "backend serializer compression"
SCENARIOS = (
    _scenario("test_round_trip", "values", "A result comes back whole.", f"{_GRID} value", "v-*"),
    _scenario("test_stored_as_configured", "at_rest", "Codec and serializer are used.", _GRID, "r-codec"),
    _scenario("test_lifetime", "at_rest", f"It expires. {HOSTILE}", "backend case", "r-life"),
    _scenario("test_unserializable_argument", "failures", "The caller is told.", "backend", "f-argument"),
    _scenario("test_msgpack_is_compact", "notes", CLAIM, "backend", "n-msgpack"),
)

_COERCED = {"tuple": "[1, 2]", "namedtuple": "[1, 2]", "date": "'2024-02-29'", "uuid": "'12345678'"}
_UNUSUAL: dict[tuple[str, str], tuple[Verdict, Blame, bool]] = {
    # (backend, value): what the backend makes of it, and whether an expectation knows
    ("redis", "str-markup"): (Verdict.ALTERED, Blame.STORE, False),
    ("redis", "size-1-mib"): (Verdict.STALE, Blame.BACKEND, False),
    ("rpc", "float-nan"): (Verdict.LOST, Blame.WORKER, True),
    ("rpc", "size-1-mib"): (Verdict.HUNG, Blame.CELERY, True),
    ("memcached", "size-1-mib"): (Verdict.REFUSED, Blame.STORE, True),
    ("memcached", "str-nul"): (Verdict.UNREADABLE, Blame.DRIVER, True),
    ("postgresql", "str-nul"): (Verdict.REFUSED, Blame.DRIVER, True),
    ("postgresql", "str-surrogate"): (Verdict.INDETERMINATE, Blame.HARNESS, False),
    ("django-db", "bytes-binary"): (Verdict.UNREADABLE, Blame.BACKEND, True),
    ("django-db", "lambda"): (Verdict.EXPOSED, Blame.BACKEND, False),
    ("django-db", "int-digits"): (Verdict.UNSUPPORTED, Blame.BACKEND, True),
}
_SIZES = {"uncompressed": 1100, "zlib": 320, "bzip2": 410}
_TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "client.py", line 1, in read\n'
    "    return backend.get_result(task_id)\n"
    f"kombu.exceptions.DecodeError: cannot decode {HOSTILE}\n"
)


def records(cells: int | None = None) -> Iterator[dict[str, Any]]:
    """Header, services, configurations and observations; about 2,600 cells, or at least `cells`."""
    yield {
        "kind": "header",
        "schema": 1,
        "run": "sample-run",
        "started": "2026-03-01T10:00:00+00:00",
        "command": ["pytest", "-m", "redis or rpc", "--run-log", "run.jsonl"],
        "platform": f"Linux x86_64 {HOSTILE}",
        "python": "3.11.7",
        "packages": {"celery": "5.6.0", "kombu": "5.6.1", "redis": "6.4.0", "psycopg": "3.2.9"},
        "selection": "redis or rpc",
        "seed": 7,
        "options": {
            "runtime": "auto",
            "broker": "redis",
            "pool": "prefork",
            "client": "process",
            "require": [],
        },
    }
    yield from SCENARIOS
    yield _service(
        "redis", product="Valkey", version="8.1.0", runtime="local", url="redis://127.0.0.1:6399/0"
    )
    yield _service("postgres", product="PostgreSQL", version="15.6", runtime="docker", image="postgres:15.6")
    yield _service(
        "memcached",
        product="memcached",
        version="1.6.18",
        runtime="docker",
        standin=True,
        image="standin/memcached",
    )
    yield _service("cassandra", problem="no image and no local form", remedy="docker pull cassandra:5.0")
    for backend in BACKENDS:
        for serializer in SERIALIZERS:
            for codec in CODECS:
                yield _configuration(_point(backend, serializer, codec))
    yield from _observations(cells)


def write(path: Path, *, cells: int | None = None, footer: bool = True, cut_short: str | None = None) -> Path:
    """Write the sample and return its path; without `footer` it is the log of a run that was killed."""
    counts = dict.fromkeys(Outcome, 0)
    with RunLogWriter(path) as log:
        for record in records(cells):
            log.write(record)
            if record["kind"] == "observation":
                counts[Outcome(record["outcome"])] += 1
        if footer:
            log.close(counts, cut_short)
    return path


def _observations(cells: int | None) -> Iterator[dict[str, Any]]:
    rounds = (
        1 if cells is None else 1 + cells // (len(BACKENDS) * len(SERIALIZERS) * len(CODECS) * len(VALUES))
    )
    for turn in range(rounds):
        for backend in BACKENDS:
            for serializer in SERIALIZERS:
                for codec in CODECS:
                    for value in VALUES:
                        yield _value(backend, serializer, codec, value, f"-{turn}" if turn else "")
    for backend in BACKENDS:
        for serializer in SERIALIZERS:
            for codec in CODECS:
                yield _stored(backend, serializer, codec)
        for case in ("seconds", "zero", "none", "thirty-days"):
            yield _lifetime(backend, case)
        yield _argument(backend)
        yield _claim(backend)
    for serializer in SERIALIZERS:
        yield _absent(serializer)


def _point(backend: str, serializer: str = "json", codec: str = "uncompressed") -> dict[str, str]:
    return {
        "backend": backend,
        "serializer": serializer,
        "compression": codec,
        "broker": "redis",
        "pool": "prefork",
    }


def _service(name: str, **told: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("runtime", "url", "product", "version", "image", "digest", "problem", "remedy", "ended")
    )
    ready = None if told.get("problem") else 1.25
    return {
        "kind": "service",
        "name": name,
        **empty,
        "standin": False,
        "kept": False,
        "ready_seconds": ready,
        **told,
    }


def _configuration(cell: dict[str, str]) -> dict[str, Any]:
    ignored = cell["backend"] == "rpc" and cell["compression"] != "uncompressed"
    return {
        "kind": "configuration",
        "cell": cell,
        "declared": {
            "supports_native_join": cell["backend"] == "redis",
            "supports_autoexpire": cell["backend"] != "django-db",
            "persistent": True,
        },
        "settings": {"result_serializer": cell["serializer"], "result_compression": cell["compression"]},
        "worker_ready_seconds": 1.5,
        "seconds": 4.2,
        "cells": len(VALUES) + 1,
        "warnings": [f"result_compression has no effect here {HOSTILE}"] if ignored else [],
    }


def _observation(
    scenario: str, cell: dict[str, str], axes: list[str], verdict: Verdict, outcome: Outcome, **told: Any
) -> dict[str, Any]:
    cell_id = f"{scenario}[{'-'.join(cell[axis] for axis in axes)}]"
    nodeid = f"scenarios/test_sample.py::{cell_id}"
    return {
        "kind": "observation",
        "cell_id": cell_id,
        "scenario": scenario,
        "cell": cell,
        "declared_axes": axes,
        "verdict": verdict,
        "blame": None,
        "holds": outcome is Outcome.PASSED,
        "detail": "",
        "oracle": None,
        "evidence": {},
        "seconds": zlib.crc32(cell_id.encode()) % 900 / 1e5,
        "outcome": outcome,
        "reason": "",
        "expectation": None,
        "nodeid": nodeid,
        "repro": f"python -m pytest '{nodeid}' --runtime auto --seed 7",
        **told,
    }


def _value(backend: str, serializer: str, codec: str, value: str, suffix: str) -> dict[str, Any]:
    cell = {**_point(backend, serializer, codec), "value": value + suffix}
    axes = ["backend", "serializer", "compression", "value"]
    sent = _VALUES[value]
    if found := _UNUSUAL.get((backend, value)):
        return _deviation(cell, axes, value, sent, *found)
    if serializer != "pickle" and value in _COERCED:
        received = _COERCED[value]
        return _observation(
            "test_round_trip", cell, axes, Verdict.COERCED, Outcome.PASSED,
            blame=Blame.SERIALIZER, detail="the serializer alone returns another type", oracle=received,
            evidence={
                "sent": sent, "received": received,
                "difference": {"path": "$", "kind": "type", "sent": sent, "received": received},
            },
        )  # fmt: skip
    if serializer == "msgpack" and value == "complex" and codec == "bzip2":
        return _observation(
            "test_round_trip", cell, axes, Verdict.ALTERED, Outcome.FAILED, blame=Blame.COMPRESSION,
            detail="the codec alone returns other bytes", reason="altered, blame compression",
            oracle="complex:(1+2j)", evidence={"sent": sent, "received": "complex:(1+3j)"},
        )  # fmt: skip
    return _observation("test_round_trip", cell, axes, Verdict.EXACT, Outcome.PASSED, oracle=sent)


def _deviation(
    cell: dict[str, str], axes: list[str], value: str, sent: str, verdict: Verdict, blame: Blame, known: bool
) -> dict[str, Any]:
    detail = f"{value} does not come back from {cell['backend']}: {HOSTILE}"
    evidence: dict[str, Any] = {
        "sent": sent,
        "events": [
            {"event": "received", "at": 0.002},
            {"event": "started", "at": 0.0031},
            {"event": "succeeded", "at": 0.0125},
        ],
        "service_log": {"redis": ["* Ready to accept connections", NULS]},
        "worker_log": ["[INFO] Task give received", f"[ERROR] {NULS}", LONG[:2000]],
        "notes": ["A note in a sentence.", HOSTILE],
    }
    if verdict in (Verdict.ALTERED, Verdict.STALE):
        evidence["received"] = sent[:-3] + "???" + sent[-1:]
        evidence["difference"] = {
            "path": "$[0].name",
            "kind": "text",
            "sent": sent,
            "received": evidence["received"],
        }
        evidence["planted"] = {
            "intact": verdict is Verdict.STALE,
            "size": 37,
            "read_back": b"<script>".hex(),
            "error": None,
        }
    if verdict is Verdict.HUNG:
        evidence["stack"] = 'Thread 0x7f (most recent call first):\n  File "redis.py", line 9 in wait'
        evidence["late"] = {"after": 12.5, "received": sent[:200]}
    if verdict not in (Verdict.LOST, Verdict.HUNG, Verdict.ALTERED, Verdict.STALE):
        phase = {Verdict.REFUSED: "write", Verdict.INDETERMINATE: "check"}.get(verdict, "read")
        evidence["error"] = {
            "type": "kombu.exceptions.DecodeError", "message": f"cannot decode {HOSTILE}",
            "traceback": _TRACEBACK, "phase": phase,
        }  # fmt: skip
    if verdict not in (Verdict.LOST, Verdict.REFUSED):
        stored = b'{"result": "</script>\x00\xff", "status": "SUCCESS", "traceback": null}'
        evidence["at_rest"] = {
            "place": f"celery-task-meta-{HOSTILE}", "size": 700, "hex": (stored * 3).hex(), "cut": True,
            "serializer": "json", "codec": None, "decoded": stored.decode("latin-1"), "lifetime": 86399.5,
        }  # fmt: skip
    name = f"{cell['backend']}-{value}"
    shown = f"{verdict}, blame {blame}: {detail}"
    return _observation(
        "test_round_trip", cell, axes, verdict, Outcome.EXPECTED if known else Outcome.FAILED, blame=blame,
        detail=detail, reason=f"{name}: {shown}" if known else shown, oracle=sent, evidence=evidence,
        expectation=name if known else None,
    )  # fmt: skip


def _stored(backend: str, serializer: str, codec: str) -> dict[str, Any]:
    cell, axes = _point(backend, serializer, codec), ["backend", "serializer", "compression"]
    at_rest = {
        "place": "celery-task-meta-1",
        "size": _SIZES[codec] + len(backend) * 9 + len(serializer) * 20,
        "hex": b"\x80\x04\x95stored".hex(), "cut": False,
        "serializer": serializer, "codec": None, "decoded": None, "lifetime": None,
    }  # fmt: skip
    if backend == "rpc" and codec != "uncompressed":
        return _observation(
            "test_stored_as_configured", cell, axes, Verdict.IGNORED, Outcome.EXPECTED, blame=Blame.BACKEND,
            detail=f"nothing is compressed with {codec}", reason="rpc-compression: ignored, blame backend",
            expectation="rpc-compression", evidence={"at_rest": at_rest},
        )  # fmt: skip
    return _observation(
        "test_stored_as_configured", cell, axes, Verdict.EXACT, Outcome.PASSED, evidence={"at_rest": at_rest}
    )


def _lifetime(backend: str, case: str) -> dict[str, Any]:
    cell, axes = {**_point(backend), "case": case}, ["backend", "case"]
    observed = {
        "asked": case,
        "observed": {"supports_autoexpire": backend != "rpc" or case != "none"},
        "left": 86400,
        "nested": {"places": ["a", "b"], "none": None},
        "markup": HOSTILE,
    }
    if backend == "rpc" and case == "none":
        return _observation(
            "test_lifetime", cell, axes, Verdict.IGNORED, Outcome.FAILED, blame=Blame.BACKEND,
            detail="the promise did not hold", reason="ignored, blame backend", evidence={"facts": observed},
        )  # fmt: skip
    return _observation(
        "test_lifetime", cell, axes, Verdict.EXACT, Outcome.PASSED, evidence={"facts": observed}
    )


def _argument(backend: str) -> dict[str, Any]:
    cell, axes = _point(backend), ["backend"]
    if backend == "redis":
        return _observation(
            "test_unserializable_argument", cell, axes, Verdict.EXACT, Outcome.FAILED, holds=True,
            detail="the caller sees the error", expectation="redis-argument",
            reason="stale expectation redis-argument says hung, but the promise held",
        )  # fmt: skip
    return _observation("test_unserializable_argument", cell, axes, Verdict.EXACT, Outcome.PASSED)


def _claim(backend: str) -> dict[str, Any]:
    """A scenario of the family that quotes claims: it holds everywhere but on one backend."""
    held = backend != "memcached"
    return _observation(
        "test_msgpack_is_compact", _point(backend), ["backend"], Verdict.EXACT if held else Verdict.ALTERED,
        Outcome.PASSED if held else Outcome.FAILED, blame=None if held else Blame.SERIALIZER,
        detail="" if held else "it is larger", reason="" if held else "altered, blame serializer",
    )  # fmt: skip


def _absent(serializer: str) -> dict[str, Any]:
    cell = {**_point("cassandra", serializer), "value": "none"}
    axes = ["backend", "serializer", "compression", "value"]
    named = serializer == "json"  # the others leave it to the service of that name to say how
    return _observation(
        "test_round_trip", cell, axes, Verdict.NOT_RUN, Outcome.SKIPPED,
        detail="the driver is not installed" if named else "service cassandra: no image and no local form",
        reason="not run", evidence={"facts": {"remedy": DRIVER}} if named else {},
    )  # fmt: skip


if __name__ == "__main__":
    write(Path(sys.argv[1]), cells=int(sys.argv[2]) if len(sys.argv) > 2 else None)
