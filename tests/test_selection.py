"""Only what is selected is imported, started and run; and the same cells give the same verdicts."""

from __future__ import annotations

import json
import os
from collections import Counter

import matrix_run
import pytest

from harness import runlog
from harness.errors import RoundtripError, UnknownName
from harness.matrix import MarkExpression, Selection, multiply, scope
from harness.questions import scenarios
from harness.registry import Registry

BACKENDS = ("django-db", "filesystem", "redis", "sqlite")
SCENARIOS = {one.name: one for one in scenarios()}
DRIVERS = {
    "redis": {"redis"},
    "sqlite": {"sqlalchemy"},
    "filesystem": set(),
    "memcached": {"pymemcache"},
    "mongodb": {"pymongo"},
    "s3": {"boto3"},
    "postgresql": {"sqlalchemy", "psycopg"},
    "mysql": {"sqlalchemy", "pymysql"},
}
"""What each backend may import beside what its broker needs."""


def cells(expression: str, **ids):
    selection = Selection(MarkExpression(expression), {name: frozenset(texts) for name, texts in ids.items()})
    return [cell for one in scenarios() for cell in multiply(one, BACKENDS, selection)]


@pytest.mark.parametrize(
    ("expression", "decided", "possible"),
    [
        ("redis", {}, True),
        ("redis", {"redis": False}, False),
        ("redis and json", {"redis": True}, True),
        ("redis and json", {"json": False}, False),
        ("not redis", {"redis": True}, False),
        ("not redis", {}, True),
        ("redis or sqlite", {"redis": False}, True),
        ("not (redis or sqlite) and json", {"redis": False, "sqlite": False, "json": True}, True),
        ("not (redis or sqlite) and json", {"sqlite": True}, False),
        ("django-db and not slow", {"django-db": True, "slow": True}, False),
        ("", {}, True),
    ],
)
def test_expression_with_undecided_names(expression, decided, possible):
    assert MarkExpression(expression).possible(decided) is possible


def test_expression_that_does_not_parse():
    with pytest.raises(RoundtripError, match="does not parse"):
        MarkExpression("redis and (")


def test_expression_with_a_misspelt_name():
    with pytest.raises(UnknownName, match="did you mean redis"):
        MarkExpression("reddis and json").check(["redis", "json"])


def test_backends_called_like_a_family_are_selected_by_that_name():
    assert {cell.configuration.backend for cell in cells("django and reading")} == {"django-db"}
    assert not cells("redis and reading and django")


def test_backend_and_axes_are_pruned():
    found = cells("redis and json and zlib")
    assert {cell.configuration.backend for cell in found} == {"redis"}
    assert {cell.configuration.serializer for cell in found} == {"json"}
    assert {cell.configuration.compression for cell in found} == {"zlib"}
    # a scenario that does not vary the compression carries no compression marker
    assert not any(cell.scenario == "test_success" for cell in found)


def test_undeclared_axes_sit_at_their_default_and_carry_no_marker():
    lifetimes = [cell for cell in cells("redis") if cell.scenario == "test_lifetime"]
    assert [cell.configuration.key for cell in lifetimes] == ["redis-json-uncompressed-redis-prefork"]
    assert not [cell for cell in cells("redis and json") if cell.scenario == "test_lifetime"]


def test_codec_question_is_asked_of_codecs_only():
    asked = {cell.configuration.compression for cell in cells("redis") if cell.scenario == "test_codec"}
    assert asked == {"zlib", "bzip2"}


def test_slow_cells_are_few_and_named():
    everything, slow = cells(""), cells("slow")
    assert slow
    assert len(slow) <= len(everything) / 10
    assert all(cell.slow for cell in slow)
    assert len(cells("not slow")) == len(everything) - len(slow)


def test_slow_cells_are_left_out_unless_asked_for(tmp_path):
    def collected(*arguments):
        done = matrix_run.run(tmp_path, "--collect-only", "-q", *arguments)
        return {line for line in done.stdout.splitlines() if "::" in line}

    plain = collected("-m", "redis and json and zlib")
    everything = collected("-m", "redis and json and zlib", "--slow")
    slow = collected("-m", "redis and json and zlib and slow")
    assert slow
    assert plain == everything - slow
    node = sorted(slow)[0]
    assert collected(node) == {node}


def test_typed_ids_are_decoded_by_table():
    found = cells("", test_round_trip=["django-db-json-zlib-int_42"], test_success=["redis-yaml"])
    chosen = [cell for cell in found if cell.scenario in ("test_round_trip", "test_success")]
    assert [cell.cell_id for cell in chosen] == [
        "test_success[redis-yaml]",
        "test_round_trip[django-db-json-zlib-int_42]",
    ]


def test_cell_ids_are_unique():
    ids = [cell.cell_id for cell in cells("")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ("scenarios/test_values.py::test_round_trip[redis-json-zlib-int_42]", "redis-json-zlib-prefork"),
        ("scenarios/test_state.py::test_success[redis-yaml]", "redis-yaml-uncompressed-prefork"),
        ("scenarios/test_at_rest.py::test_lifetime[django-db]", "django-db-json-uncompressed-prefork"),
        ("tests/test_x.py::test_plain[anything]", "tests/test_x.py"),
        ("tests/test_x.py::test_script[redis-chord-marker-left-shows]", "tests/test_x.py"),
        ("tests/test_x.py::test_script[django-db-always-zlib-shows]", "tests/test_x.py"),
        ("tests/test_x.py::test_script[redis]", "tests/test_x.py"),
        ("theirs/test_y.py::test_theirs[redis-yaml-thing]", "theirs/test_y.py"),
    ],
)
def test_scope_of_a_node_id(node_id, expected):
    assert scope(node_id, BACKENDS, SCENARIOS) == expected


def test_scope_agrees_with_the_configuration_of_every_cell():
    for cell in cells(""):
        wanted = cell.configuration
        found = scope(f"scenarios/x.py::{cell.cell_id}", BACKENDS, SCENARIOS)
        parts = (wanted.backend, wanted.serializer, wanted.compression, wanted.pool, wanted.worker)
        assert found == "-".join(filter(None, parts))


@pytest.mark.parametrize("backend", sorted(DRIVERS))
def test_a_backend_imports_no_other_driver_and_starts_no_other_service(tmp_path, backend):
    """pytest itself imports none; workers and clients only their own. Seen from inside each process."""
    spy = tmp_path / "spy"
    spy.mkdir()
    seen = tmp_path / "modules.jsonl"
    (spy / "sitecustomize.py").write_text(
        # clients and workers are ended by SIGKILL: they tell when they import, not when they exit
        "import json, os, sys\n"
        f"WATCHED = {sorted(set().union(*DRIVERS.values()) | {'celery'})!r}\n"
        "def spy(event, arguments):\n"
        "    if event == 'import' and arguments[0] in WATCHED:\n"
        f"        with open({str(seen)!r}, 'a') as file:\n"
        "            file.write(json.dumps([sys.orig_argv, arguments[0]]) + '\\n')\n"
        "sys.addaudithook(spy)\n"
    )
    done = matrix_run.run(
        tmp_path,
        *("-m", f"{backend} and json and zlib", "-k", "int_42 or where", "--runtime", "local"),
        environment={"PYTHONPATH": str(spy)},
    )
    assert done.returncode == 0, done.stdout
    imports = [json.loads(line) for line in seen.read_text().splitlines()]
    by_process: dict[str, set[str]] = {}
    for original, name in imports:
        command = " ".join(original)
        kind = next(
            (one for one in ("harness.client", "harness.app", "supervisor") if one in command), "pytest"
        )
        by_process.setdefault(kind, set()).add(name)
    drivers = set().union(*DRIVERS.values())
    assert not by_process.get("pytest", set()) & drivers
    broker = {"redis"}
    for kind in ("harness.client", "harness.app"):
        assert by_process[kind] & drivers <= DRIVERS[backend] | broker
    started = {service.name for service in runlog.read(tmp_path / "run.jsonl").services}
    assert started == {"redis", *Registry().load(backend).services}


def test_one_pasted_node_id_collects_one_item(tmp_path):
    node = "scenarios/test_values.py::test_round_trip[redis-json-zlib-int_42]"
    done = matrix_run.run(tmp_path, "--collect-only", "-q", node)
    assert node in done.stdout
    assert "1 test collected" in done.stdout


def test_several_node_ids_select_exactly_those(tmp_path):
    nodes = [
        "scenarios/test_values.py::test_round_trip[sqlite-json-zlib-int_42]",
        "scenarios/test_at_rest.py::test_lifetime[filesystem]",
    ]
    done = matrix_run.run(tmp_path, "--runtime", "local", *nodes)
    assert done.returncode == 0, done.stdout
    assert {one.nodeid for one in runlog.read(tmp_path / "run.jsonl").observations} == set(nodes)


def test_keyword_selects_by_value_name(tmp_path):
    done = matrix_run.run(tmp_path, "--collect-only", "-q", "-m", "redis and json and zlib", "-k", "tuple")
    lines = [line for line in done.stdout.splitlines() if "::" in line]
    assert lines
    assert all("tuple" in line for line in lines)


FAKE = ("--backend", "tests/fakes.py", "--runtime", "local")


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_last_failed_runs_exactly_the_failures(tmp_path, parallel):
    selection = (
        "-m",
        "fake-truncates and (values or at_rest) and not (slow or bzip2 or yaml)",
        *FAKE,
        *parallel,
    )
    cache = ("-p", "cacheprovider", "-o", f"cache_dir={tmp_path / 'cache'}")
    first = matrix_run.run(tmp_path, *selection, *cache)
    assert first.returncode == 1, first.stdout
    left = [one for one in runlog.read(tmp_path / "run.jsonl").observations if one.outcome == "failed"]
    failed = {one.nodeid for one in left}
    assert 3 < len(failed) < 200, Counter(one.detail for one in left).most_common(5)
    second = matrix_run.run(tmp_path, *selection, *cache, "--last-failed")
    assert second.returncode == 1, second.stdout
    assert {one.nodeid for one in runlog.read(tmp_path / "run.jsonl").observations} == failed


def verdicts(folder):
    log = runlog.read(folder / "run.jsonl")
    return {one.cell_id: (one.verdict, one.blame, one.outcome) for one in log.observations}


def test_two_processes_give_the_same_verdicts_as_one(tmp_path):
    selection = (
        "-m",
        "(filesystem or sqlite) and (json or msgpack) and (zlib or uncompressed) and (values or at_rest)",
        "--runtime",
        "local",
        "--seed",
        "7",
    )
    found = []
    for name, more in (("one", ()), ("two", ("-n", "2")), ("again", ())):
        folder = tmp_path / name
        folder.mkdir()
        done = matrix_run.run(folder, *selection, *more)
        assert done.returncode == 0, done.stdout
        found.append(verdicts(folder))
    one, two, again = found
    assert len(one) > 1200
    assert one == two
    assert list(one) == list(again)
    assert one == again


@pytest.mark.parametrize(("breaks", "reported"), [("", ["call"]), ("yes", ["call", "teardown"])])
def test_of_setup_and_teardown_only_what_fails_is_reported(tmp_path, breaks, reported):
    (tmp_path / "noting.py").write_text(
        "import os\n"
        "def pytest_runtest_teardown():\n"
        "    if os.environ['BREAKS']: raise RuntimeError('of somebody else')\n"
        "def pytest_runtest_logreport(report):\n"
        "    with open(os.environ['NOTES'], 'a') as notes: print(report.when, file=notes)\n"
    )
    paths = os.pathsep.join((str(tmp_path), str(matrix_run.ROOT)))
    notes = tmp_path / "notes.txt"
    environment = {"PYTHONPATH": paths, "NOTES": str(notes), "BREAKS": breaks}
    cell = "scenarios/test_values.py::test_round_trip[filesystem-json-uncompressed-int_42]"
    done = matrix_run.run(tmp_path, "-p", "noting", "--runtime", "local", cell, environment=environment)
    assert notes.read_text().split() == reported, done.stdout
    assert done.returncode == (1 if breaks else 0)


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_a_run_without_cells_is_left_alone(tmp_path, parallel):
    """The plugin is loaded for the project's own tests too: their exit code is theirs, the last log stays."""
    (tmp_path / "run.jsonl").write_text("the last run\n")
    done = matrix_run.run(tmp_path, "tests/test_verdict.py", *parallel)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "run.jsonl").read_text() == "the last run\n"
    assert not (tmp_path / "report.html").exists()
    assert "celery-roundtrip ==" not in done.stdout
