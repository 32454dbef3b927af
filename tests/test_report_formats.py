"""The report as Markdown and as JSON, and the page of findings: complete, bounded, and safe to show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matrix_run
import pytest

from harness import findings
from harness.expectations import Expectations, files
from harness.report import markdown, model
from harness.report.markdown import render_markdown
from harness.report.plain import render_json
from harness.runlog import RunLog, read
from harness.verdict import Outcome, Verdict
from tests import sample_log

ROOT = Path(__file__).resolve().parent.parent
KNOWN = {one.id: one for one in Expectations(files()).all}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_log.write(tmp_path_factory.mktemp("formats") / "run.jsonl")


@pytest.fixture(scope="module")
def log(path: Path) -> RunLog:
    return read(path)


def _report(path: Path, *arguments: str) -> str:
    done = matrix_run.command("-m", "harness.cli", "report", "--run-log", str(path), *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_summary_has_totals_a_table_and_what_to_do(log: RunLog) -> None:
    told = render_markdown(log)
    report = model.build(log)
    assert markdown.text(report.sentence) in told
    table = {line.split("|")[1].strip(): line for line in told.splitlines() if line.startswith("| ")}
    assert table["backend"] == "| backend | json | pickle | yaml | msgpack |"
    for row in report.matrix:
        assert row.place.backend in table
    redis = [
        seen.outcome
        for seen in log.observations
        if model.in_matrix(seen) and (seen.cell["backend"], seen.cell["serializer"]) == ("redis", "json")
    ]
    failed = redis.count(Outcome.FAILED)
    assert table["redis"].split("|")[2].strip() == f"\u2717 {failed} of {len(redis)}"
    assert f"### Failed: {log.counts[Outcome.FAILED]} cells" in told
    for seen in log.observations:
        if seen.outcome is Outcome.SKIPPED:
            assert markdown.text(seen.detail) in told
    assert markdown.code(sample_log.DRIVER) in told
    expected = log.counts[Outcome.EXPECTED]
    assert f"{expected} cells, by {len(report.known)} expectations" in told


def test_a_number_of_things() -> None:
    assert [model.counted(number, "cell") for number in (0, 1, 1200)] == ["0 cells", "1 cell", "1,200 cells"]


def test_each_failure_shows_the_command_that_repeats_it(log: RunLog) -> None:
    told = render_markdown(log)
    for found in model.build(log).failures:
        assert "\n".join(("```sh", *found.commands[: markdown.COMMANDS])) in told


def test_nothing_in_the_summary_is_taken_for_markup(log: RunLog) -> None:
    told = render_markdown(log)
    assert "<img" not in told
    assert not re.search(r"<(?!/?(details|summary|code|sub)>)", re.sub(r"```.*?```", "", told, flags=re.S))
    hostile = "a|b `c` *d* _e_ [f](g) <h> @i #1 http://j\nk\x1b"
    assert markdown.text(hostile) == (
        "a&#124;b &#96;c&#96; &#42;d&#42; &#95;e&#95; &#91;f&#93;(g) &#60;h&#62; &#64;i &#35;1 "
        "http&#58;//j k&#92;x1b"
    )
    assert markdown.fenced(["x ``` y"]) == ["````sh", "x ``` y", "````"]


def test_a_huge_summary_is_cut_and_says_so(log: RunLog) -> None:
    failed = next(seen for seen in log.observations if seen.outcome is Outcome.FAILED)
    many = [
        failed.model_copy(update={"cell": {**failed.cell, "value": f"v{n}"}, "detail": "long " * 200})
        for n in range(1500)
    ]
    told = render_markdown(RunLog(log.path, log.header, observations=many))
    assert 900_000 < len(told.encode()) < 1024 * 1024
    assert "parts were left out" in told
    assert "Python 3.11.7" not in told or told.rstrip().endswith("1 MiB._")


def test_an_empty_run_has_a_summary(log: RunLog) -> None:
    assert "No cell was judged." in render_markdown(RunLog(log.path, log.header))


def test_json_is_the_report_and_every_cell(log: RunLog) -> None:
    found = json.loads(render_json(log))
    report = model.build(log)
    assert found["sentence"] == report.sentence
    assert found["counts"] == {str(outcome): number for outcome, number in log.counts.items()}
    assert [cell["cell_id"] for cell in found["cells"]] == [seen.cell_id for seen in log.observations]
    assert [family["name"] for family in found["families"]] == [family.name for family in report.families]
    notes = next(family for family in found["families"] if family["name"] == "notes")
    assert notes["rows"][0]["promise"] == sample_log.CLAIM
    assert {one["flag"] for one in found["capabilities"]} >= {"supports_autoexpire"}
    at_rest = next(cell for cell in found["cells"] if cell["scenario"] == "test_stored_as_configured")
    assert at_rest["size_at_rest"] > 0
    assert sum(len(one["commands"]) for one in found["failures"]) == log.counts[Outcome.FAILED]
    assert {cell["verdict"] for cell in found["cells"]} == set(Verdict)


def test_the_command_prints_or_writes_each_format(path: Path, tmp_path: Path) -> None:
    assert json.loads(_report(path, "--format", "json"))["header"]["run"] == "sample-run"
    assert _report(path, "--format", "markdown").startswith("## Result stores of Celery\n")
    written = tmp_path / "summary.md"
    assert _report(path, "--format", "markdown", "-o", str(written)).strip() == str(written)
    assert written.read_text() == render_markdown(read(path))


def test_the_page_of_findings_is_current() -> None:
    """Make it again with: roundtrip findings -o docs/findings.md"""
    page = ROOT / "docs" / "findings.md"
    assert not findings.outdated(page, findings.page())


def test_a_page_of_findings_that_is_not_current_is_told(tmp_path: Path) -> None:
    page = tmp_path / "findings.md"
    for content, code in (("other", 1), (findings.page(), 0)):
        page.write_text(content)
        done = matrix_run.command("-m", "harness.cli", "findings", "--check", str(page))
        assert done.returncode == code
        assert ("make it again: roundtrip findings -o" in done.stdout) is bool(code)


@pytest.mark.parametrize("by", findings.Grouping)
def test_every_finding_is_told_once_with_what_to_do(by: findings.Grouping) -> None:
    page = findings.page(by=by)
    sections = dict(zip(*[iter(re.split(r"^### (.*)$", page, flags=re.M)[1:])] * 2, strict=True))
    assert sections.keys() == KNOWN.keys()
    for name, expectation in KNOWN.items():
        section = sections[name]
        assert f"python findings/{name}.py URL" in section
        seen, why = map(findings._prose, findings.sentences(expectation.reason))
        assert section.lstrip().startswith(f"{seen}\n")
        assert f"**Why.** {why}\n" in section or not why
        assert f"**Instead.** {findings._prose(' '.join(expectation.workaround.split()))}\n" in section
        assert f"Verdict `{expectation.verdict}`, blame `{expectation.blame}`" in section
        assert all(f"`{version}`" in section for version in expectation.versions)
        assert expectation.link == "none-found" or expectation.link in section
    for heading, number in re.findall(r"^- \[.*\]\(#(.*)\): (\d+)$", page, flags=re.M):
        assert int(number) > 0
        assert heading in {findings._anchor(title) for title in re.findall(r"^## (.*)$", page, flags=re.M)}


def test_the_cell_that_a_finding_names_is_one_that_it_selects() -> None:
    page = findings.page()
    commands = re.findall(r"^python -m pytest '?(scenarios/\S+?)'?$", page, flags=re.M)
    assert len(commands) == len(KNOWN)
    done = matrix_run.command("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *commands)
    assert done.returncode == 0, done.stdout
    assert f"{len(commands)} tests collected" in done.stdout


def test_a_reason_is_cut_behind_what_a_user_sees() -> None:
    assert findings.sentences("It is lost, e.g. here (in get()). kombu's queue\ndrops it. Always.") == (
        "It is lost, e.g. here (in get()).",
        "kombu's queue drops it. Always.",
    )
    assert findings.sentences("One sentence.") == ("One sentence.", "")


def test_signs_of_markdown_in_a_reason_are_text() -> None:
    told = findings._prose("in __init__.py, a_b, `x*y` and *z")
    assert told == r"in \_\_init\_\_.py, a_b, `x*y` and \*z"
