"""What a run prints: a line per finished worker configuration, the grid, and where log and report are."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RoundtripError
from harness.matrix import DEFAULTS
from harness.run import Controller, Options
from harness.verdict import Axis, Outcome

WORDS = {
    Outcome.PASSED: "ok",
    Outcome.EXPECTED: "expected",
    Outcome.FAILED: "FAILED",
    Outcome.SKIPPED: "not run",
}
REWRITE_EVERY = 0.1
"""Seconds between two updates of the live line."""


class Progress:
    """Prints while the run goes on, and finishes log and report once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tally: dict[str, Counter[str]] = {}
        self._shown_at = 0.0
        self._cells = 0
        self._finished = False
        self._closing: list[str] = []

    def begin(self, cells: bool) -> None:
        """Silence pytest's line per file, where lines per configuration take its place."""
        if cells and not self._quiet():
            self._terminal.showfspath = False

    def show(self, record: dict[str, Any]) -> None:
        """Take in a record that was just written to the run log."""
        if record["kind"] == "scenario":
            return
        cell = record["cell"]
        name = " ".join(cell[axis] for axis in ("backend", "serializer", "compression"))
        if cell.get("worker"):
            name = f"{cell['backend']} worker {cell['worker']}"
        elif cell["pool"] != DEFAULTS[Axis.POOL]:
            name += f" {cell['pool']}"
        if record["kind"] == "observation":
            self._cells += 1
            self._tally.setdefault(name, Counter())[record["outcome"]] += 1
            self._live(name)
        else:
            counts = self._tally.get(name, Counter())
            told = _told(counts)
            ready = record["worker_ready_seconds"]
            start = f"worker {ready:.1f} s, " if ready is not None else ""
            self._line(f"{name:<32} {told}  ({start}cells {record['seconds']:.1f} s)")

    def say(self, text: str) -> None:
        """Show what the run waits for, however quiet it is."""
        if self._terminal is not None:
            self._terminal.ensure_newline()
            self._terminal.write_line(text)

    def summary(self, terminal: Any, controller: Controller, slow_left_out: bool) -> None:
        """The grid, at the end of pytest's own summary."""
        from harness.report.text import summary_grid

        if not controller.has_log:
            return
        terminal.section("celery-roundtrip")
        for line in summary_grid(controller.pairs):
            terminal.line(line)
        if controller.others:
            terminal.line(f"other questions: {_told(controller.others)}")
        own = controller.options.own
        if own is not None:
            terminal.line(f"{own.name}: {own.given}, at {', '.join(own.pins.values())}")
            for note in own.notes:
                terminal.line(f"  {note}")
        if slow_left_out:
            terminal.line("slow cells were left out: --slow asks them too")
        for line in self._closing:
            terminal.line(line)

    def finish(self, controller: Controller, cut_short: str | None, options: Options) -> None:
        """End the run's processes, close the run log and write the report. Once."""
        if self._finished:
            return
        self._finished = True
        red = controller.counts[Outcome.FAILED] > 0
        kept = controller.close(cut_short, options.keep and red)
        self._closing += [*controller.endings, *controller.warnings]
        if kept:
            self._closing.append(f"kept stores and logs: {kept}")
        if controller.has_log:
            self._closing.append(f"run log: {_shown(options.run_log)}")
        if controller.counts:
            self._report(options)

    def _report(self, options: Options) -> None:
        from harness import runlog
        from harness.report.html import write_html

        try:
            write_html(runlog.read(options.run_log), options.report)
        except (runlog.RunLogError, RoundtripError, OSError) as error:
            self._closing.append(f"no report: {error}")
        else:
            self._closing.append(f"report:  {_shown(options.report)}")

    @property
    def _terminal(self) -> Any:
        return self._config.pluginmanager.get_plugin("terminalreporter")

    def _quiet(self) -> bool:
        return self._terminal is None or self._config.option.verbose != 0

    def _line(self, text: str) -> None:
        if not self._quiet():
            if self._terminal.isatty:
                self._terminal.rewrite("", erase=True)
            self._terminal.ensure_newline()
            self._terminal.write_line(text)

    def _live(self, name: str) -> None:
        now = time.monotonic()
        if self._quiet() or not self._terminal.isatty or now - self._shown_at < REWRITE_EVERY:
            return
        self._shown_at = now
        done = sum(self._tally[name].values())
        self._terminal.rewrite(f"{name}: {done} cells, {self._cells} in all", erase=True)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[one]} {WORDS[one]}" for one in Outcome if counts[one])


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
