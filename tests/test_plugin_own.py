"""--settings: the user's own Celery configuration is asked as one more worker configuration."""

from __future__ import annotations

import itertools
import sys
from urllib.parse import urlsplit

import matrix_run
import pytest
from servers import serving

from harness import matrix, own, processes, questions, services
from harness.errors import RoundtripError
from harness.matrix import MarkExpression, Selection
from harness.registry import Registry
from harness.verdict import Axis

CONFIGURATION = """
from datetime import timedelta
broker_url = "amqp://me:broker-s3cret@mq.example/prod"
result_backend = "redis://127.0.0.1:{port}/3"
result_serializer = "pickle"
result_compression = "{compression}"
result_expires = timedelta(hours=3)
result_accept_content = ["pickle"]
result_backend_transport_options = {{"global_keyprefix": "prod-", "retry_policy": {{"timeout": 5.0}}}}
worker_concurrency = 8
"""
numbers = itertools.count(1)


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """Writes a configuration under a module name that no other test has: the file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(services, "_plugged", {})

    def write(text: str = CONFIGURATION, port: int = 6379, compression: str = "zlib"):
        file = tmp_path / f"celeryconfig{next(numbers)}.py"
        file.write_text(text.format(port=port, compression=compression))
        return file

    return write


def read(given: object, folder) -> own.Own:
    registry = Registry()
    registry.add_own(str(given), folder)
    assert registry.own is not None
    return registry.own


def test_what_holds_what_is_overruled_and_what_is_not_used(configured, tmp_path):
    made = read(configured(), tmp_path)
    assert (made.name, made.base) == ("redis-own", "redis")
    assert made.pins == {Axis.SERIALIZER: "pickle", Axis.COMPRESSION: "zlib"}
    assert made.urls == {"redis-own": "redis://127.0.0.1:6379/3"}
    notes = "\n".join(made.notes)
    assert "not used: broker_url (messages travel over the run's own broker" in notes
    assert "not used: worker_concurrency (pool and size are the run's: --pool)" in notes
    assert "overruled: result_backend_transport_options['global_keyprefix'] = 'prod-'" in notes
    assert "s3cret" not in notes
    assert "result_expires" not in notes


def test_a_module_an_app_and_djangos_names(configured, tmp_path):
    plain = configured()
    assert read(plain.stem, tmp_path).pins == read(plain, tmp_path).pins
    app = configured(
        "import celery\nmade = celery.Celery('theirs', set_as_current=False)\n"
        "made.conf.update(result_backend='file:///tmp/x', result_serializer='yaml')\n"
    )
    assert read(f"{app.stem}:made", tmp_path).pins[Axis.SERIALIZER] == "yaml"
    django = configured("CELERY_RESULT_BACKEND = 'file:///tmp/x'\nCELERY_RESULT_EXTENDED = True\n")
    assert read(django, tmp_path).base == "filesystem"
    assert "result_extended" in read(django, tmp_path).settings


def test_kombus_other_names_of_a_codec(configured, tmp_path):
    assert read(configured(compression="bzip"), tmp_path).pins[Axis.COMPRESSION] == "bzip2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("result_serializer = 'json'", "it sets no result_backend"),
        ("result_backend = 'disabled://'", "it sets no result_backend"),
        (
            "result_backend = 'nope://x'",
            r"no backend here says that it takes nope://; say which one is meant",
        ),
        ("result_backend = 'rpc://'", r"several backends here take rpc://; say which one is meant, of rpc-"),
        ("result_backend = 'file:///x'\nresult_serializer = 'mine'", "result_serializer is 'mine'"),
        ("result_backend = 'file:///x'\nresult_compression = 'mine'", "result_compression is 'mine'"),
        ("result_backend = file", "fails on import: NameError"),
    ],
)
def test_what_cannot_be_asked_is_said(configured, tmp_path, text, expected):
    with pytest.raises(RoundtripError, match=expected):
        read(configured(text), tmp_path)
    with pytest.raises(RoundtripError, match="name a module that can be imported from here"):
        read("no.such.module", tmp_path)


def test_the_backend_may_be_named(configured, tmp_path):
    file = configured("result_backend = 'rpc://'")
    assert read(f"rpc-redis={file}", tmp_path).name == "rpc-redis-own"


def test_a_database_url_names_the_server_and_the_run_keeps_to_its_own_place(configured, tmp_path):
    made = read(
        configured("result_backend = 'db+postgresql+psycopg2://me:pw-s3cret@db.example/prod'"), tmp_path
    )
    assert made.name == "postgresql-own"
    assert made.urls == {"postgresql-own": "postgresql://me:pw-s3cret@db.example/prod"}
    notes = "\n".join(made.notes)
    assert "overruled: result_backend = 'db+postgresql+psycopg2://me:***@db.example/prod'" in notes


def cells(registry: Registry, expression: str) -> list[matrix.Cell]:
    selection = Selection(MarkExpression(expression), broker_of=registry.broker_of, pins=registry.pins)
    return [
        cell
        for scenario in questions.scenarios()
        for cell in matrix.multiply(scenario, registry.names, selection)
    ]


def test_every_question_is_asked_once_where_the_settings_put_it(configured, tmp_path):
    registry = Registry()
    registry.add_own(str(configured()), tmp_path)
    found = cells(registry, "own and not slow")
    assert {(cell.axes[Axis.SERIALIZER], cell.axes[Axis.COMPRESSION]) for cell in found} == {
        ("pickle", "zlib")
    }
    values = [cell.axes[Axis.VALUE] for cell in found if cell.scenario == "test_round_trip"]
    assert len(values) == len(set(values)) > 100
    assert "test_plain" not in {cell.scenario for cell in found}
    assert "test_codec" in {cell.scenario for cell in found}
    scopes = {
        matrix.scope(f"x.py::{c.cell_id}", registry.names, SCENARIOS, pins=registry.pins) for c in found
    }
    assert not [scope for scope in scopes if "json" in scope]
    both = {cell.configuration.backend for cell in cells(registry, "redis and values and not slow")}
    assert both == {"redis", "redis-own"}


SCENARIOS = {scenario.name: scenario for scenario in questions.scenarios()}


def test_a_run_on_the_users_server_leaves_nothing_there(configured, tmp_path):
    import redis

    with serving("redis") as url, redis.Redis(port=urlsplit(url).port, db=3) as client:
        client.set("prod-mine", "1")
        done = matrix_run.run(
            tmp_path,
            *("scenarios", f"--settings={configured(port=urlsplit(url).port)}", "-m", "own", "-n", "2"),
            *("-k", "int_42 or test_where or test_codec or (at_rest and test_lifetime)", "--runtime=local"),
        )
        assert done.returncode == 0, done.stdout
        assert client.keys() == [b"prod-mine"]
    assert "overruled: result_backend_transport_options['global_keyprefix'] = 'prod-'" in done.stdout
    assert "s3cret" not in done.stdout + (tmp_path / "run.jsonl").read_text()
    seen = matrix_run.observations(tmp_path)
    trip = seen["test_round_trip[redis-own-pickle-zlib-int_42]"]
    assert trip.verdict == "exact"
    assert "--settings=" in trip.repro
    left = seen["test_lifetime[redis-own]"].evidence["facts"]
    assert left["result_expires"] == 3 * 3600


def test_a_server_that_does_not_answer_stops_the_run(configured, tmp_path):
    port = processes.free_port()
    done = matrix_run.run(tmp_path, "scenarios", f"--settings={configured(port=port)}", "-m", "own")
    assert done.returncode == 4, done.stdout
    lines = [line for line in done.stdout.splitlines() if "ERROR" in line or "Exit" in line]
    assert len(lines) == 1, done.stdout
    assert "the result_backend in what --settings names" in lines[0]
