"""The ``roundtrip`` command, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import matrix_run
import pytest

from harness import questions, runlog


def roundtrip(*arguments: str, **options):
    return matrix_run.command("-m", "harness.cli", *arguments, **options)


def table(*arguments: str, **options):
    """What it prints as JSON; what it tells of its progress (servers that it fetches) goes elsewhere."""
    done = roundtrip(*arguments, "--json", stderr=subprocess.PIPE, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_doctor_starts_what_it_says_can_be_served(temporary):
    found = table("doctor")
    redis = next(one for one in found["services"] if one["name"] == "redis")
    assert redis["ok"]
    assert "ready in" in redis["how"]
    assert {one["name"] for one in found["backends"] if one["ok"]} >= {"redis", "sqlite", "filesystem"}
    assert not list(temporary.glob("roundtrip-*"))


def test_doctor_names_the_package_that_a_probe_lacks(tmp_path):
    """boto3 would bring botocore, which is what the probe of S3 imports."""
    missing = ("pymemcache", "boto3", "botocore")
    # to import them must fail, too
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({missing}))\n")
    found = table("doctor", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    rows = {row["name"]: row for row in found["services"]}
    assert rows["memcached"]["how"] == "the package pymemcache is missing"
    assert rows["memcached"]["remedy"] == "pip install 'celery-roundtrip[memcached]'"
    assert rows["s3"]["how"] == "the package boto3 is missing"
    assert rows["s3"]["remedy"] == "pip install 'celery-roundtrip[s3]'"
    assert rows["redis"]["ok"]


def test_doctor_names_the_mending_command(tmp_path):
    environment = {**matrix_run.hiding(tmp_path, "sqlalchemy", "yaml"), "PATH": "/nowhere"}
    found = table("doctor", env=environment)
    missing = {
        one["name"]: one["remedy"] for part in found.values() if isinstance(part, list) for one in part
    }
    assert missing["sqlite"] == "pip install 'celery-roundtrip[sqlite]'"
    assert missing["yaml"] == "pip install 'celery-roundtrip[yaml]'"


def test_list_of_values_gives_a_reason_for_each():
    values = table("list", "--values")
    assert len(values) > 150
    assert all(one["why"] for one in values)
    assert all(one["slow"] for one in values if one["name"] == "size_1mib_text")


def test_list_of_questions_shows_open_ones():
    answered = {one["question"]: one["answered by"] for one in table("list", "--questions")}
    assert answered["v-int"] == ["test_round_trip", "test_round_trip_other_codecs"]
    assert answered["r-codec"] == ["test_codec", "test_other_codec"]
    assert answered["v-generated"] == ["test_generated"]
    assert not any(questions.answered([]).values())


def test_the_page_of_questions_is_current():
    made = questions.markdown(questions.scenarios())
    page = Path(questions.__file__).parent.parent / "docs" / "questions.md"
    assert made == page.read_text(encoding="utf-8"), (
        "roundtrip list --questions --markdown > docs/questions.md"
    )


def test_every_question_of_this_stage_is_answered():
    answered = {one["question"] for one in table("list", "--questions") if one["answered by"] != "OPEN"}
    values = {"none", "int", "float", "str", "bytes", "seq", "dict", "time", "num", "id", "class", "hook"}
    assert answered >= {f"v-{name}" for name in values | {"graph", "impossible", "size", "generated"}}
    assert answered >= {"r-serializer", "r-codec", "r-plain", "r-where", "r-life", "r-message"}
    assert answered >= {"s-success", "s-failure", "f-builtin", "f-custom"}


def test_list_of_cells_is_what_pytest_collects(tmp_path):
    listed = {one["nodeid"] for one in table("list", "--cells", "-m", "redis and json and zlib")}
    done = matrix_run.run(tmp_path, "--collect-only", "-q", "-m", "redis and json and zlib")
    collected = {line for line in done.stdout.splitlines() if "::" in line}
    assert listed == collected


def test_list_of_scenarios_states_every_promise():
    assert all(len(one["promise"]) > 20 for one in table("list", "--scenarios"))


@pytest.mark.parametrize("what", ["--backends", "--scenarios", "--values", "--questions"])
def test_lists_are_readable_without_json(what):
    done = roundtrip("list", what)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_explain_shows_the_evidence_of_a_cell_by_cell_id_and_node_id(tmp_path):
    cell = "test_round_trip[fake-truncates-json-uncompressed-size_1kib_text]"
    node = f"scenarios/test_values.py::{cell}"
    done = matrix_run.run(tmp_path, "--backend", "tests/fakes.py", "--runtime", "local", node)
    assert done.returncode == 1
    log = str(tmp_path / "run.jsonl")
    by_cell, by_node = (roundtrip("explain", name, "--run-log", log) for name in (cell, node))
    assert by_cell.returncode == 0
    assert by_cell.stdout == by_node.stdout
    for expected in ("altered", "backend", "celery-task-meta-", "python -m pytest", "planted"):
        assert expected in by_cell.stdout, expected


def test_the_repro_command_of_a_red_cell_shows_it_again(tmp_path):
    cell = "test_round_trip[fake-truncates-json-uncompressed-size_1kib_text]"
    node = f"scenarios/test_values.py::{cell}"
    done = matrix_run.run(tmp_path, "--backend", "tests/fakes.py", "--runtime", "local", node)
    assert done.returncode == 1
    import shlex

    repro = shlex.split(matrix_run.observations(tmp_path)[cell].repro)
    assert repro[:3] == ["python", "-m", "pytest"]
    again = tmp_path / "again"
    again.mkdir()
    shown = matrix_run.run(again, *repro[3:])
    assert shown.returncode == 1
    assert matrix_run.observations(again)[cell].verdict == "altered"


def test_report_is_made_again_from_a_log(tmp_path):
    matrix_run.run(tmp_path, "-m", "filesystem and json and zlib", "-k", "int_42", "--runtime", "local")
    made = roundtrip("report", "--run-log", str(tmp_path / "run.jsonl"), "-o", str(tmp_path / "again.html"))
    assert made.returncode == 0
    assert (tmp_path / "again.html").read_text() == (tmp_path / "report.html").read_text()


def test_inline_client_gives_the_same_verdicts(tmp_path):
    found = []
    for client in ("process", "inline"):
        folder = tmp_path / client
        folder.mkdir()
        done = matrix_run.run(
            folder,
            *("-m", "sqlite and not slow and yaml and not bzip2", "-k", "dict or tuple or codec"),
            *("--runtime", "local", "--client", client),
        )
        assert done.returncode == 0, done.stdout
        found.append(
            {one.cell_id: (one.verdict, one.blame) for one in matrix_run.observations(folder).values()}
        )
    assert len(found[0]) > 30
    assert found[0] == found[1]


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_give_the_same_verdicts(tmp_path, pool):
    done = matrix_run.run(
        tmp_path,
        *("-m", "(filesystem or redis) and json and uncompressed", "-k", "dict or int or where"),
        *("--runtime", "local", "--pool", pool),
    )
    assert done.returncode == 0, done.stdout
    assert {one.cell["pool"] for one in matrix_run.observations(tmp_path).values()} == {pool}


@pytest.mark.parametrize("broker", ["filesystem", "rabbitmq"])
def test_other_brokers_give_the_same_verdicts(tmp_path, broker):
    done = matrix_run.run(
        tmp_path,
        *("-m", "filesystem and json and uncompressed", "-k", "dict or int or where"),
        *("--runtime=local", f"--broker={broker}"),
    )
    log = runlog.read(tmp_path / "run.jsonl")
    if any(service.problem for service in log.services):
        pytest.skip(f"this machine has no {broker}")
    assert done.returncode == 0, done.stdout
    assert {one.cell["broker"] for one in log.observations} == {broker}
    assert [service.name for service in log.services] == ([] if broker == "filesystem" else [broker])


def test_evidence_at_rest_of_a_consuming_backend_is_a_twin(tmp_path):
    """Looking at the reply queue takes nothing away: the result itself is read as well."""
    done = matrix_run.run(
        tmp_path, "-m", "rpc-redis and json and zlib", "-k", "serializer", "--runtime=local"
    )
    assert done.returncode == 0, done.stdout
    (seen,) = matrix_run.observations(tmp_path).values()
    assert seen.verdict == "exact"
    assert seen.evidence["at_rest"]["serializer"] == "json"
    assert ":broker:" in seen.evidence["at_rest"]["place"]
