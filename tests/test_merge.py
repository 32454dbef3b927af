"""Joining run logs: the order does not matter, and what they do not agree on is not smoothed over."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import merge, runlog
from harness.merge import OutputIsInput, PackagesDiffer, PythonDiffers, runs_of
from harness.report.html import render_html
from harness.report.text import explain
from harness.runlog import LogMissing, RunLog, RunLogWriter
from harness.verdict import Blame, Outcome, Verdict
from tests import sample_log

Record = dict[str, Any]
Alter = Callable[[Record], Record | None]
"""What a record becomes in another log; None leaves it out."""

CELL = "test_lifetime[redis-seconds]"


def _same(record: Record) -> Record:
    return record


def few() -> list[Record]:
    """The sample's records, without most of its values: they are written often here."""
    records: list[Record] = []
    for record in sample_log.records():
        cell = record.get("cell", {})
        plain = cell.get("serializer") == "json" and cell.get("compression") == "uncompressed"
        if record["kind"] != "observation" or plain:
            records.append(record)
    return records


FEW = few()


def shard(
    path: Path,
    run: str,
    alter: Alter = _same,
    *,
    header: Mapping[str, Any] | None = None,
    cut_short: str | None = None,
    footer: bool = True,
) -> Path:
    """A run log: the sample's records, altered, under the name of another run."""
    counts = dict.fromkeys(Outcome, 0)
    with RunLogWriter(path) as log:
        for record in FEW:
            if record["kind"] == "header":
                log.write({**record, "run": run, **(header or {})})
            elif found := alter(record):
                log.write(found)
                if found["kind"] == "observation":
                    counts[Outcome(found["outcome"])] += 1
        if footer:
            log.close(counts, cut_short, "2026-03-01T10:05:00+00:00")
    return path


def of_backends(*names: str) -> Alter:
    """The observations of some backends only, as a CI job of these would find them."""

    def alter(record: Record) -> Record | None:
        return record if record["kind"] != "observation" or record["cell"]["backend"] in names else None

    return alter


def with_verdict(verdict: Verdict, outcome: Outcome, blame: Blame | None = None, detail: str = "") -> Alter:
    """One cell as another run may have judged it."""

    def alter(record: Record) -> Record:
        if record.get("cell_id") != CELL:
            return record
        told = {"verdict": verdict, "outcome": outcome, "blame": blame, "detail": detail}
        return {**record, **told, "evidence": {"notes": [f"seen as {verdict}"]}}

    return alter


def merged(tmp_path: Path, *paths: Path) -> RunLog:
    merge.merge(paths, tmp_path / "merged.jsonl")
    return runlog.read(tmp_path / "merged.jsonl")


def cell(log: RunLog, cell_id: str = CELL) -> runlog.ObservationRecord:
    (found,) = (seen for seen in log.observations if seen.cell_id == cell_id)
    return found


def bytes_by_order(tmp_path: Path, paths: Iterable[Path]) -> set[bytes]:
    """The merged logs of every order of the paths."""
    found = set()
    for order in itertools.permutations(paths):
        merge.merge(order, tmp_path / "merged.jsonl")
        found.add((tmp_path / "merged.jsonl").read_bytes())
    return found


def test_shards_make_the_whole_run_again(tmp_path: Path) -> None:
    backends = [*sample_log.BACKENDS, "cassandra"]
    shards = [shard(tmp_path / f"{name}.jsonl", f"run-{name}", of_backends(name)) for name in backends]
    log = merged(tmp_path, *shards)
    whole = runlog.read(shard(tmp_path / "whole.jsonl", "whole"))
    told = {seen.cell_id: seen.model_dump(exclude={"run"}) for seen in log.observations}
    assert told == {seen.cell_id: seen.model_dump(exclude={"run"}) for seen in whole.observations}
    assert {seen.cell["backend"]: seen.run for seen in log.observations} == {
        name: f"run-{name}" for name in backends
    }
    assert log.complete
    assert log.footer is not None
    assert log.footer.counts == {str(outcome): number for outcome, number in whole.counts.items()}
    assert [part.run for part in log.header.parts or ()] == sorted(f"run-{name}" for name in backends)
    assert [service.name for service in log.services] == [service.name for service in whole.services]
    assert log.scenarios == whole.scenarios
    assert log.configurations == whole.configurations


def test_the_order_of_the_logs_does_not_matter(tmp_path: Path) -> None:
    """Overlapping ones, flaky ones, one without footer, a copy, and one that is merged itself."""
    one = shard(tmp_path / "one.jsonl", "one", of_backends("redis", "rpc"))
    two = shard(tmp_path / "two.jsonl", "two", with_verdict(Verdict.LOST, Outcome.FAILED, Blame.STORE))
    three = shard(tmp_path / "three.jsonl", "three", of_backends("redis"), footer=False)
    copy = shard(tmp_path / "copy.jsonl", "one", of_backends("redis", "rpc"), footer=False)
    both = tmp_path / "both.jsonl"
    merge.merge([two, one], both)
    assert len(bytes_by_order(tmp_path, [one, two, three, copy])) == 1
    assert len(bytes_by_order(tmp_path, [both, three, one])) == 1
    assert len(bytes_by_order(tmp_path, [both, three, two])) == 1


def test_joining_joined_logs_is_joining_their_runs(tmp_path: Path) -> None:
    verdicts = (Verdict.EXACT, Verdict.LOST, Verdict.STALE)
    outcomes = (Outcome.PASSED, Outcome.FAILED, Outcome.FAILED)
    paths = [
        shard(tmp_path / f"{v}.jsonl", v, with_verdict(v, o)) for v, o in zip(verdicts, outcomes, strict=True)
    ]
    at_once = cell(merged(tmp_path, *paths))
    merge.merge(paths[:2], tmp_path / "two.jsonl")
    stepwise = cell(merged(tmp_path, tmp_path / "two.jsonl", paths[2]))
    assert stepwise == at_once
    assert [told["run"] for told in runs_of(stepwise)] == sorted(verdicts)
    again = merged(tmp_path, tmp_path / "two.jsonl", paths[0])
    assert len(again.header.parts or ()) == 2, "a run that is there twice is one part"
    assert len(runs_of(cell(again))) == 2, "and has one say"


def test_a_cell_with_two_verdicts_is_flaky_and_keeps_what_each_run_saw(tmp_path: Path) -> None:
    one = shard(tmp_path / "one.jsonl", "one")
    lost = with_verdict(Verdict.LOST, Outcome.FAILED, Blame.STORE, "nothing was there")
    log = merged(tmp_path, one, shard(tmp_path / "two.jsonl", "two", lost))
    seen = cell(log)
    assert (seen.verdict, seen.blame, seen.outcome) == (Verdict.LOST, Blame.STORE, Outcome.FAILED)
    assert seen.reason == "flaky: run one: exact (passed); run two: lost, blame store (failed)"
    first, second = runs_of(seen)
    assert (first["run"], first["verdict"], first["outcome"]) == ("one", "exact", "passed")
    assert (second["detail"], second["evidence"]) == ("nothing was there", {"notes": ["seen as lost"]})
    assert first["evidence"]["facts"]["left"] == 86400
    assert [one.cell_id for one in log.observations if runs_of(one)] == [CELL]
    assert "flaky: run one: exact (passed)" in explain(log, CELL)
    page = render_html(log)
    assert "1 cell is flaky" in page
    assert "2 runs joined" in page
    section = page.partition("Runs that are joined here")[2]
    assert "<code>one</code>" in section
    assert "<code>two</code>" in section


@pytest.mark.parametrize(
    "other",
    [
        with_verdict(Verdict.EXACT, Outcome.EXPECTED),  # the outcome differs: an expectation came between
        with_verdict(Verdict.COERCED, Outcome.PASSED, Blame.SERIALIZER),  # two verdicts that both passed
        with_verdict(Verdict.EXACT, Outcome.PASSED, Blame.SERIALIZER),
    ],
)
def test_whatever_the_runs_do_not_agree_on_makes_a_cell_flaky(tmp_path: Path, other: Alter) -> None:
    log = merged(tmp_path, shard(tmp_path / "1.jsonl", "1"), shard(tmp_path / "2.jsonl", "2", other))
    assert cell(log).outcome is Outcome.FAILED
    assert len(runs_of(cell(log))) == 2


def test_who_ran_a_cell_knows_more_than_who_did_not(tmp_path: Path) -> None:
    absent = with_verdict(Verdict.NOT_RUN, Outcome.SKIPPED, detail="no server")
    one, two = shard(tmp_path / "1.jsonl", "1"), shard(tmp_path / "2.jsonl", "2", absent)
    assert cell(merged(tmp_path, one, two)).verdict is Verdict.EXACT
    assert not runs_of(cell(merged(tmp_path, two, one)))


def test_a_cell_that_no_run_ran_but_one_required_failed(tmp_path: Path) -> None:
    absent = shard(tmp_path / "1.jsonl", "1", with_verdict(Verdict.NOT_RUN, Outcome.SKIPPED))
    required = shard(tmp_path / "2.jsonl", "2", with_verdict(Verdict.NOT_RUN, Outcome.FAILED))
    seen = cell(merged(tmp_path, absent, required))
    assert (seen.verdict, seen.outcome, runs_of(seen)) == (Verdict.NOT_RUN, Outcome.FAILED, [])


def test_with_another_broker_it_is_another_cell(tmp_path: Path) -> None:
    def on_rabbitmq(record: Record) -> Record:
        if record["kind"] != "observation":
            return record
        lost = {"verdict": Verdict.LOST, "outcome": Outcome.FAILED}
        return {**record, **lost, "cell": {**record["cell"], "broker": "rabbitmq"}}

    one, two = shard(tmp_path / "1.jsonl", "1"), shard(tmp_path / "2.jsonl", "2", on_rabbitmq)
    log = merged(tmp_path, one, two)
    assert len(log.observations) == 2 * len(runlog.read(one).observations)
    assert not any(map(runs_of, log.observations))


def test_incomplete_runs_are_named(tmp_path: Path) -> None:
    whole = shard(tmp_path / "1.jsonl", "whole")
    killed = shard(tmp_path / "2.jsonl", "killed", of_backends("redis"), footer=False)
    with killed.open("ab") as file:
        file.write(b'{"kind": "obs')
    stopped = shard(tmp_path / "3.jsonl", "stopped", of_backends("rpc"), cut_short="Ctrl-C")
    log = merged(tmp_path, whole, killed, stopped)
    assert {part.run: part.incomplete for part in log.header.parts or ()} == {
        "whole": None,
        "killed": "its log has no footer, and its last line was cut off",
        "stopped": "cut short: Ctrl-C",
    }
    assert not log.complete
    assert log.footer is not None
    assert "run killed is incomplete: its log has no footer" in str(log.footer.cut_short)
    merge.merge([log.path, whole], tmp_path / "more.jsonl")
    assert not runlog.read(tmp_path / "more.jsonl").complete, "what is missing is still missing"


def test_what_differs_between_the_runs_is_in_the_header(tmp_path: Path) -> None:
    one = shard(tmp_path / "1.jsonl", "1", header={"seed": 1, "selection": "redis", "platform": "Linux"})
    two = shard(
        tmp_path / "2.jsonl",
        "2",
        header={"seed": 2, "selection": "rpc", "platform": "macOS", "options": {"pool": "solo"}},
    )
    header = merged(tmp_path, one, two).header
    assert (header.seed, header.selection, header.platform) == (None, "redis | rpc", "Linux | macOS")
    assert header.options["pool"] == '"prefork" | "solo"'
    assert [(part.seed, part.selection) for part in header.parts or ()] == [(1, "redis"), (2, "rpc")]


def test_a_package_that_one_run_did_not_need_is_no_difference(tmp_path: Path) -> None:
    one = shard(tmp_path / "1.jsonl", "1", header={"packages": {"celery": "5.7", "redis": "6"}})
    two = shard(tmp_path / "2.jsonl", "2", header={"packages": {"celery": "5.7", "pymongo": "4"}})
    found = merged(tmp_path, one, two).header.packages
    assert found == {"celery": "5.7", "pymongo": "4", "redis": "6"}


def test_other_versions_of_a_package_are_refused_by_name(tmp_path: Path) -> None:
    one = shard(tmp_path / "1.jsonl", "1", header={"packages": {"celery": "5.6", "kombu": "5", "vine": "1"}})
    two = shard(tmp_path / "2.jsonl", "2", header={"packages": {"celery": "5.7", "kombu": "6", "vine": "1"}})
    with pytest.raises(PackagesDiffer, match=r"different versions of celery 5\.6 and 5\.7, kombu 5 and 6;"):
        merge.merge([one, two], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_other_versions_of_python_are_refused(tmp_path: Path) -> None:
    one, two = (
        shard(tmp_path / f"{version}.jsonl", version, header={"python": version})
        for version in ("3.11.7", "3.12.1")
    )
    with pytest.raises(PythonDiffers, match=r"3\.11\.7\.jsonl ran on Python 3\.11\.7 .* on 3\.12\.1"):
        merge.merge([one, two], tmp_path / "out.jsonl")


def test_a_log_is_not_merged_into_itself(tmp_path: Path) -> None:
    one = shard(tmp_path / "1.jsonl", "1")
    before = one.read_bytes()
    with pytest.raises(OutputIsInput, match="name another -o FILE"):
        merge.merge([one], tmp_path / "." / "1.jsonl")
    assert one.read_bytes() == before


def test_a_log_that_cannot_be_read_stops_the_merge(tmp_path: Path) -> None:
    with pytest.raises(LogMissing):
        merge.merge([shard(tmp_path / "1.jsonl", "1"), tmp_path / "none.jsonl"], tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_one_log_merged_alone_says_what_it_said(tmp_path: Path) -> None:
    path = shard(tmp_path / "1.jsonl", "1")
    log = merged(tmp_path, path)
    told = json.loads(path.read_text().splitlines()[-1])
    assert log.footer is not None
    assert (log.footer.counts, log.footer.ended) == (told["counts"], told["ended"])
