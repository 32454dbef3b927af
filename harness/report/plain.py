"""The report as JSON-able data: ``roundtrip report --format json``, for whatever reads it next.

Evidence is left out (it stands in the run log, under the same cell ids); everything else is there.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from harness.report.model import Report, Tally, build, size_at_rest
from harness.runlog import RunLog

LEFT_OUT = ("log", "data", "services", "problems")
"""Fields of the model that are the log itself, or stand below under names of their own."""


def render_json(log: RunLog) -> str:
    return json.dumps(plain(build(log)), indent=1, ensure_ascii=True, allow_nan=False)


def plain(report: Report) -> dict[str, Any]:
    """The model, and a line per cell."""
    log = report.log
    return {
        "header": log.header.model_dump(mode="json", by_alias=True),
        "footer": log.footer.model_dump(mode="json") if log.footer else None,
        "incomplete": log.incomplete,
        "counts": {str(outcome): number for outcome, number in log.counts.items()},
        **{
            field.name: _plain(getattr(report, field.name))
            for field in dataclasses.fields(report)
            if field.name not in LEFT_OUT
        },
        "services": [service.model_dump(mode="json") for service in log.services],
        "cells": [
            {
                **seen.model_dump(mode="json", exclude={"kind", "evidence", "oracle", "declared_axes"}),
                "size_at_rest": size_at_rest(seen),
            }
            for seen in log.observations
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Tally):
        return {str(outcome): number for outcome, number in value.parts}
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, dict):
        return {json.dumps(key) if isinstance(key, bool) else str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
