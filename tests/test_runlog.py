"""The run log: what is written is read back, and each way of being wrong has its own one-line error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import runlog
from harness.runlog import RunLogWriter, read
from harness.verdict import Blame, Outcome, Verdict
from tests import sample_log

HEADER = next(sample_log.records())
OBSERVATION = next(record for record in sample_log.records() if record["kind"] == "observation")


def _lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    log = read(sample_log.write(tmp_path / "run.jsonl"))
    records = list(sample_log.records())
    expected = [record for record in records if record["kind"] == "observation"]
    assert [seen.model_dump(mode="json", exclude={"run"}) for seen in log.observations] == json.loads(
        json.dumps(expected)
    )
    assert [s.model_dump() for s in log.services] == [r for r in records if r["kind"] == "service"]
    assert [c.model_dump() for c in log.configurations] == [
        r for r in records if r["kind"] == "configuration"
    ]
    assert [s.model_dump() for s in log.scenarios] == [r for r in records if r["kind"] == "scenario"]
    assert log.header.model_dump(by_alias=True, exclude={"parts"}) == HEADER
    assert log.complete
    assert not log.cut
    assert log.footer is not None
    assert log.footer.counts == {str(k): v for k, v in log.counts.items()}
    assert sum(log.counts.values()) == len(expected)


def test_the_sample_has_everything_that_a_log_can_have() -> None:
    seen = [record for record in sample_log.records() if record["kind"] == "observation"]
    assert {record["verdict"] for record in seen} == set(Verdict)
    assert {record["blame"] for record in seen} == {*Blame, None}
    assert {record["outcome"] for record in seen} == set(Outcome)
    schema = (Path(__file__).parent.parent / "docs" / "run-log.md").read_text()
    table = schema.partition("Evidence (every key optional)")[2]
    documented = {
        name.strip("` ")
        for row in table.splitlines()
        if row.startswith("| `")
        for name in row.split("|")[1].split(",")
    }
    of_merged_logs = {"runs"}
    assert {key for record in seen for key in record["evidence"]} | of_merged_logs == documented


def test_models_and_mappings_write_the_same_line(tmp_path: Path) -> None:
    with RunLogWriter(tmp_path / "a") as log:
        log.write(HEADER)
        log.write(OBSERVATION)
    with RunLogWriter(tmp_path / "b") as log:
        log.write(runlog.Header.model_validate(HEADER))
        log.write(runlog.ObservationRecord.model_validate(OBSERVATION))
    one, other = ((tmp_path / name).read_bytes().splitlines() for name in "ab")
    for line, fuller in zip(map(json.loads, one), map(json.loads, other), strict=True):
        assert line.items() <= fuller.items()
        assert all(fuller[name] is None for name in fuller.keys() - line.keys())


def test_a_record_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    log = RunLogWriter(tmp_path / "run.jsonl")
    log.write(HEADER)
    log.write(OBSERVATION)
    seen = read(tmp_path / "run.jsonl")
    assert len(seen.observations) == 1
    assert not seen.complete
    assert not seen.cut


def test_a_context_that_is_left_without_close_leaves_an_incomplete_log(tmp_path: Path) -> None:
    with RunLogWriter(tmp_path / "run.jsonl") as log:
        log.write(HEADER)
    assert read(tmp_path / "run.jsonl").footer is None


def test_a_run_that_was_cut_short_is_not_complete(tmp_path: Path) -> None:
    log = read(sample_log.write(tmp_path / "run.jsonl", cut_short="--maxfail reached"))
    assert log.footer is not None
    assert log.footer.cut_short == "--maxfail reached"
    assert not log.complete


def test_the_file_is_ascii_and_half_surrogates_are_spelled_out(tmp_path: Path) -> None:
    with RunLogWriter(tmp_path / "run.jsonl") as log:
        log.write(HEADER)
        log.write({**OBSERVATION, "detail": "\ud800 caf\u00e9 \U0001f600", "evidence": {"notes": ["\udfff"]}})
    (tmp_path / "run.jsonl").read_bytes().decode("ascii")
    seen = read(tmp_path / "run.jsonl").observations[0]
    assert seen.detail == "\\ud800 caf\u00e9 \U0001f600"
    assert seen.evidence == {"notes": ["\\udfff"]}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({**OBSERVATION, "seconds": float("nan")}, "Out of range float"),
        ({**OBSERVATION, "evidence": {"facts": {"x": float("inf")}}}, "Out of range float"),
        ({**OBSERVATION, "evidence": {"facts": object()}}, "not JSON serializable"),
        ({**OBSERVATION, "verdict": "fine"}, "unknown verdict 'fine'"),
        ({**OBSERVATION, "outcome": "fine"}, "unknown outcome 'fine'"),
        ({key: value for key, value in OBSERVATION.items() if key != "repro"}, "without repro"),
        ({"kind": "rumour"}, "unknown kind 'rumour'"),
        (HEADER, "a second header"),
    ],
)
def test_a_record_that_would_spoil_the_log_is_refused_and_the_log_goes_on(
    tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    with RunLogWriter(tmp_path / "run.jsonl") as log:
        log.write(HEADER)
        with pytest.raises(runlog.RecordRefused, match=says):
            log.write(wrong)
        log.write(OBSERVATION)
        log.close({})
    assert len(read(tmp_path / "run.jsonl").observations) == 1


def test_nothing_is_written_before_the_header_or_after_the_footer(tmp_path: Path) -> None:
    log = RunLogWriter(tmp_path / "run.jsonl")
    with pytest.raises(runlog.RecordRefused, match="before the header"):
        log.write(OBSERVATION)
    log.write(HEADER)
    log.close({})
    with pytest.raises(runlog.RecordRefused, match="closed"):
        log.write(OBSERVATION)


def test_a_folder_that_cannot_be_written_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "run.jsonl"  # holds for root too, whom permissions do not stop
    with pytest.raises(runlog.LogUnwritable) as caught:
        RunLogWriter(target)
    assert str(target) in str(caught.value)
    assert "name another file" in str(caught.value)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full (Linux)")
def test_a_full_disk_is_reported() -> None:
    with RunLogWriter("/dev/full") as log, pytest.raises(runlog.LogUnwritable, match="No space left"):
        log.write(HEADER)


FOOTER = {"kind": "footer", "ended": "", "counts": {}}
NAN = {**OBSERVATION, "seconds": float("nan")}

WRONG: dict[str, tuple[bytes, type[runlog.RunLogError], str]] = {
    "empty": (b"", runlog.LogEmpty, "is empty"),
    "blank": (b"\n\n", runlog.LogEmpty, "is empty"),
    "text": (b"hello\n", runlog.NoHeader, "cannot be read"),
    "no-header": (_lines(OBSERVATION), runlog.NoHeader, "'observation'"),
    "cut-header": (_lines(HEADER)[:50], runlog.NoHeader, "cannot be read"),
    "schema": (_lines({**HEADER, "schema": 99}), runlog.UnknownSchema, "schema 99"),
    "header-field": (_lines({**HEADER, "command": "x"}), runlog.MalformedLine, "line 1 .*field command"),
    "broken": (_lines(HEADER) + b'{"kind": \n' + _lines(OBSERVATION), runlog.MalformedLine, "line 2 "),
    "not-utf-8": (_lines(HEADER) + b"\xff\n", runlog.MalformedLine, "line 2 .*utf-8"),
    "nan": (_lines(HEADER, NAN), runlog.MalformedLine, "NaN is not JSON"),
    "array": (_lines(HEADER, []), runlog.MalformedLine, "not list"),
    "field": (_lines(HEADER, {**OBSERVATION, "verdict": 1}), runlog.MalformedLine, "line 2 .*field verdict"),
    "kind": (_lines(HEADER, {"kind": "rumour"}), runlog.UnknownKind, "line 2 .*'rumour'"),
    "two-headers": (_lines(HEADER, OBSERVATION, HEADER), runlog.DuplicateHeader, "line 3 .*roundtrip merge"),
    "after-footer": (_lines(HEADER, FOOTER, OBSERVATION), runlog.RecordAfterFooter, "line 3 "),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_way_of_being_wrong_has_its_own_error(tmp_path: Path, name: str) -> None:
    content, error, says = WRONG[name]
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        read(path)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value), "what to do about it follows the reason"


def test_a_missing_file_and_a_folder_are_no_logs(tmp_path: Path) -> None:
    with pytest.raises(runlog.LogMissing, match="there is no run log at"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(runlog.LogUnreadable, match="directory"):
        read(tmp_path)


@pytest.mark.parametrize("left", [1, 40, 400])
def test_a_log_that_was_cut_within_its_last_line_is_readable(tmp_path: Path, left: int) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(_lines(HEADER, OBSERVATION) + _lines(OBSERVATION)[:left])
    log = read(path)
    assert log.cut
    assert not log.complete
    assert len(log.observations) == 1


def test_a_whole_last_line_counts_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(_lines(HEADER, OBSERVATION).rstrip(b"\n"))
    log = read(path)
    assert not log.cut
    assert len(log.observations) == 1


def test_fields_that_a_later_version_adds_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(_lines({**HEADER, "mood": "good"}, {**OBSERVATION, "mood": "good"}))
    assert len(read(path).observations) == 1


def test_every_error_is_a_run_log_error() -> None:
    errors: list[Callable[..., Exception]] = [error for _, error, _ in WRONG.values()]
    assert all(issubclass(error, runlog.RunLogError) for error in errors if isinstance(error, type))
    assert {error.__name__ for error in runlog.RunLogError.__subclasses__()} >= {e.__name__ for e in errors}
    for error in runlog.RunLogError.__subclasses__():
        if error.__module__ == runlog.__name__:
            assert f"`{error.__name__}`" in str(runlog.__doc__), "the module's table names every error"
