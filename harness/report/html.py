"""The HTML report: one file that needs nothing else, and that asks no network for anything.

Its content is `harness.report.model.Report`; templates/report.html.j2 lays out what depends on no
click, and assets/report.js builds the rest from the embedded observations.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.diff import MEANINGS, Comparison
from harness.report import charts
from harness.report.model import BLAMES, OUTCOMES, VERDICTS, build, counted, printable
from harness.report.text import evidence_lines
from harness.runlog import LogUnwritable, RunLog

DIFFERENCES = 400
"""Cells of each kind of change that a page of differences shows with their evidence."""


def render_html(log: RunLog) -> str:
    """The report of a run as one self-contained page.

    Its content security policy names the page's own script and style by their hashes and forbids every
    connection, so that text which a store or a value made up cannot run, and cannot fetch.
    """
    style, script = _asset("report.css"), _asset("report.js")
    report = build(log)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            header=log.header,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            data=Markup(embedded(report.data)),
            verdicts=VERDICTS,
            outcomes=OUTCOMES,
            blames=BLAMES,
            sizes=charts.sizes(report.sizes),
            codec_names=charts.codec_names(report.sizes),
            codec_key=charts.key,
            times=charts.times(report.times),
        )
    )


def render_diff(comparison: Comparison) -> str:
    """Two runs side by side, as one self-contained page that needs no script."""
    style = _asset("report.css")
    return (
        _environment()
        .get_template("diff.html.j2")
        .render(
            comparison=comparison,
            changes=MEANINGS,
            style=Markup(style),
            policy=_policy(style),
            verdicts=VERDICTS,
            outcomes=OUTCOMES,
            evidence=evidence_lines,
            limit=DIFFERENCES,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["counted"] = counted
    environment.filters["promise"] = _promise
    environment.filters["command"] = lambda words: shlex.join(words)
    return environment


def _policy(style: str, script: str | None = None) -> str:
    """What the browser may load: the page's own style and script, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'" if script else "script-src 'none'",
            f"style-src '{_digest(style)}'",
            "img-src data:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def write_html(log: RunLog, path: str | os.PathLike[str]) -> Path:
    """Write the report to a file and return its path. Raises `LogUnwritable` where it cannot be written."""
    return write_page(render_html(log), path)


def write_page(page: str, path: str | os.PathLike[str]) -> Path:
    """Write a page, or other text that is made of a run log. Raises `LogUnwritable`."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # newline: the hashes of the policy are those of the bytes, which another line end would change
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as why:
        raise LogUnwritable(path, why, what="report") from why
    return path


def embedded(value: Any) -> str:
    """JSON that can stand in a script element: no character in it ends the element or starts a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finalize(value: Any) -> Any:
    """Whatever text the template prints is made harmless for the page's layout; escaping follows."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _promise(text: str) -> Markup:
    """A promise as docstrings spell it: what stands between double backticks is code."""
    parts = [escape(printable(part)) for part in text.split("``")]
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def _asset(name: str) -> str:
    return (files("harness.report") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
