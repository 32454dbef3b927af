"""Two runs held against each other: every cell that is not the same falls into exactly one class."""

from __future__ import annotations

import html
import json
from pathlib import Path

import matrix_run
import pytest

from harness import diff, runlog
from harness.diff import Change, Comparison, NothingInCommon, compare
from harness.report.html import render_diff
from harness.verdict import Blame, Outcome, Verdict
from tests import sample_log
from tests.test_merge import CELL, FEW, Alter, Record, of_backends, shard, with_verdict

PASSED = with_verdict(Verdict.EXACT, Outcome.PASSED)
FAILED = with_verdict(Verdict.LOST, Outcome.FAILED, Blame.STORE, f"gone {sample_log.HOSTILE}")
EXPECTED = with_verdict(Verdict.LOST, Outcome.EXPECTED, Blame.STORE)
SKIPPED = with_verdict(Verdict.NOT_RUN, Outcome.SKIPPED, detail="no server")


def absent(record: Record) -> Record | None:
    return None if record.get("cell_id") == CELL else record


def compared(tmp_path: Path, before: Alter, after: Alter) -> Comparison:
    return compare(*logs(tmp_path, before, after))


def logs(tmp_path: Path, before: Alter, after: Alter) -> list[runlog.RunLog]:
    return [
        runlog.read(shard(tmp_path / f"{run}.jsonl", run, alter))
        for run, alter in (("before", before), ("after", after))
    ]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (PASSED, FAILED, Change.BROKEN),
        (EXPECTED, FAILED, Change.BROKEN),
        (FAILED, PASSED, Change.FIXED),
        (FAILED, EXPECTED, Change.FIXED),
        (PASSED, EXPECTED, Change.CHANGED),
        (FAILED, with_verdict(Verdict.LOST, Outcome.FAILED, Blame.BACKEND), Change.CHANGED),
        (FAILED, with_verdict(Verdict.STALE, Outcome.FAILED, Blame.STORE), Change.CHANGED),
        (absent, FAILED, Change.APPEARED),
        (SKIPPED, PASSED, Change.APPEARED),
        (PASSED, absent, Change.VANISHED),
        (FAILED, SKIPPED, Change.VANISHED),
        (FAILED, FAILED, None),
        (SKIPPED, absent, None),
        (SKIPPED, SKIPPED, None),
    ],
)
def test_a_cell_falls_into_one_class(
    tmp_path: Path, before: Alter, after: Alter, change: Change | None
) -> None:
    found = compared(tmp_path, before, after)
    assert [(one.name, one.change) for one in found.differences] == ([(CELL, change)] if change else [])
    assert found.counts == {one: int(one is change) for one in Change}


def test_another_detail_is_no_change(tmp_path: Path) -> None:
    other = with_verdict(Verdict.LOST, Outcome.FAILED, Blame.STORE, "worded otherwise")
    assert not compared(tmp_path, FAILED, other).differences


def test_versions_that_differ_are_named(tmp_path: Path) -> None:
    one = runlog.read(shard(tmp_path / "1.jsonl", "1", header={"packages": {"celery": "5.6", "kombu": "5"}}))
    two = runlog.read(shard(tmp_path / "2.jsonl", "2", header={"packages": {"celery": "5.7", "kombu": "5"}}))
    found = compare(one, two)
    assert found.versions == {"celery": ("5.6", "5.7")}
    assert "  celery: 5.6 -> 5.7" in diff.as_text(found)


def test_runs_without_a_cell_in_common_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(NothingInCommon, match="no cell was judged in both"):
        compared(tmp_path, of_backends("redis"), of_backends("rpc"))


def test_a_cell_that_ran_on_two_brokers_is_two(tmp_path: Path) -> None:
    def both(record: Record) -> Record:
        return record

    one, two = logs(tmp_path, both, both)
    (seen,) = (seen for seen in one.observations if seen.cell_id == CELL)
    other = {"cell": {**seen.cell, "broker": "rabbitmq"}, "outcome": Outcome.FAILED}
    two.observations.append(seen.model_copy(update=other))
    found = compare(one, two)
    assert [(d.change, d.name) for d in found.differences] == [
        (Change.APPEARED, f"{CELL} (broker rabbitmq, pool prefork)")
    ]


def test_the_text_is_ascii_and_repeats_what_is_broken(tmp_path: Path) -> None:
    lines = diff.as_text(compared(tmp_path, PASSED, FAILED))
    assert all(line.isascii() for line in lines)
    told = "\n".join(lines)
    assert f"  {CELL}\n      passed: exact -> failed: lost, blame store: gone " in told
    assert f"python -m pytest 'scenarios/test_sample.py::{CELL}'" in told
    assert lines[-1].endswith("1 broken, 0 fixed, 0 changed, 0 appeared, 0 vanished")


def test_a_long_list_is_cut_and_says_so(tmp_path: Path) -> None:
    lines = diff.as_text(compared(tmp_path, of_backends("redis", "rpc"), of_backends("redis")), limit=3)
    more = [line for line in lines if "more: --json lists all" in line]
    vanished = [one for one in FEW if one["kind"] == "observation" and one["cell"]["backend"] == "rpc"]
    assert more == [f"  ... {len(vanished) - 3} more: --json lists all"]


def test_the_page_shows_both_sides_with_their_evidence(tmp_path: Path) -> None:
    page = render_diff(compared(tmp_path, PASSED, FAILED))
    assert "<script" not in page
    assert sample_log.HOSTILE not in page
    assert "script-src 'none'" in html.unescape(page)
    part = page.partition(f'data-cell="{CELL}"')[2].partition("</details>")[0]
    assert 'data-outcome="passed"' in part.partition('data-outcome="failed"')[0], "the first run on the left"
    assert "seen as exact" in part.partition("seen as lost")[0]
    assert "seen as lost" in part


def test_the_page_of_equal_runs_says_so(tmp_path: Path) -> None:
    page = render_diff(compared(tmp_path, PASSED, PASSED))
    assert "every cell of both runs is the same" in page


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [(PASSED, FAILED, 1), (FAILED, PASSED, 0), (of_backends("redis"), of_backends("rpc"), 2)],
)
def test_the_exit_code_says_whether_something_is_broken(
    tmp_path: Path, before: Alter, after: Alter, code: int
) -> None:
    one, two = (str(log.path) for log in logs(tmp_path, before, after))
    done = matrix_run.command("-m", "harness.cli", "diff", one, two)
    assert done.returncode == code, done.stdout


def test_a_log_that_is_missing_cannot_be_compared(tmp_path: Path) -> None:
    done = matrix_run.command("-m", "harness.cli", "diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.returncode == 2
    assert "there is no run log at" in done.stdout


def test_json_holds_every_difference_and_the_page_is_written(tmp_path: Path) -> None:
    one, two = (str(log.path) for log in logs(tmp_path, PASSED, FAILED))
    page = tmp_path / "diff.html"
    done = matrix_run.command("-m", "harness.cli", "diff", one, two, "--json", "--html", str(page))
    found = json.loads(done.stdout.partition("page: ")[0])
    assert found["counts"]["broken"] == 1
    (broken,) = found["broken"]
    assert (broken["cell"], broken["before"]["verdict"], broken["after"]["blame"]) == (CELL, "exact", "store")
    assert page.read_text().startswith("<!doctype html>")
