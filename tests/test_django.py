"""Django's result stores: Django stays in workers and clients; each configuration has its own."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import matrix_run
import pytest
from servers import serving

from harness import runlog
from harness.backend import Namespace
from harness.registry import Registry
from harness.services import Server

NAMES = [name for name in Registry().names if name.startswith("django-")]
SERVERS = {
    "redis": Server("redis", "external", "redis://:s3cret@127.0.0.1:1/0", "Redis", "7", owned=False),
    "postgresql": Server(
        "postgresql", "external", "postgresql://me:s3cret@127.0.0.1:1/mine", "PostgreSQL", "18", owned=False
    ),
}


def backend(name: str, folder: Path, configuration: str = "one"):
    namespace = Namespace(f"roundtrip-run-{configuration}", folder, "roundtrip-run")
    return Registry().load(name)(namespace, SERVERS)


def in_django(made, code: str) -> str:
    """What a process prints that has the environment of a worker or client of this backend."""
    environment = {**os.environ, **made.environment(), "PYTHONPATH": str(matrix_run.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=matrix_run.HANGS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ASK = """
from pathlib import Path
from harness.backend import Namespace
from harness.registry import Registry
made = Registry().load({name!r})(Namespace("roundtrip-run-one", Path({folder!r}), "roundtrip-run"), {{}})
made.prepare()
"""


def test_pytest_never_sets_django_up(tmp_path):
    """Settings in pytest would put Django's fixup into its Celery apps; asked at the end of a run.

    kombu (kombu/utils/json.py) imports django.utils.functional wherever Django is installed.
    """
    (tmp_path / "tells.py").write_text(
        "import os, sys\n"
        "def pytest_unconfigure():\n"
        "    wanted = ('django.conf', 'django.apps', 'django.db', 'django.core', 'django_celery_results')\n"
        "    print('DJANGO', [one for one in wanted if one in sys.modules], sorted(\n"
        "        name for name in os.environ if 'DJANGO' in name))\n"
    )
    done = matrix_run.run(
        tmp_path,
        *("-p", "tells", "-s", "-m", "django-db-sqlite and json and zlib", "-k", "int_42", "--runtime=local"),
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout
    assert "DJANGO [] []" in done.stdout
    assert [one.verdict for one in matrix_run.observations(tmp_path).values()] == ["exact"]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_process_is_told(tmp_path, name):
    made = backend(name, tmp_path)
    environment = made.environment()
    assert environment["DJANGO_SETTINGS_MODULE"] == "backends._django_settings"
    file = Path(environment["ROUNDTRIP_DJANGO"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "s3cret" not in str(environment)
    assert set(json.loads(file.read_text())) == {"DATABASES", "CACHES"}


def test_configurations_do_not_share_a_cache(tmp_path):
    for name in ("django-cache-memory", "django-cache-redis", "django-cache-file"):
        (tmp_path / name / "two").mkdir(parents=True)
        one = backend(name, tmp_path / name, "one").cache()
        other = backend(name, tmp_path / name / "two", "two").cache()
        assert one != other


def test_two_processes_migrate_at_the_same_time(tmp_path):
    made = backend("django-db-sqlite", tmp_path)
    environment = {**os.environ, **made.environment(), "PYTHONPATH": str(matrix_run.ROOT)}
    command = [sys.executable, "-c", ASK.format(name="django-db-sqlite", folder=str(tmp_path))]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=matrix_run.HANGS)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert made.run("select count(*) from django_celery_results_taskresult") == [(0,)]
    assert made.run("select count(*) from django_migrations")[0][0] >= 14


@pytest.mark.parametrize("raw", [b'{"a": 1}', b"\x80\x05N.", b"\x00", "\u20ac\n".encode(), b""])
@pytest.mark.parametrize("name", ["django-db-sqlite", "django-cache-file"])
def test_what_is_planted_lies_there(tmp_path, name, raw):
    made = backend(name, tmp_path)
    in_django(made, ASK.format(name=name, folder=str(tmp_path)))
    assert made.at_rest("some-id") is None
    for _ in range(2):  # what is there already is replaced
        made.plant("some-id", raw)
        stored = made.at_rest("some-id")
        assert stored is not None
        assert stored.raw == raw
    assert ["some-id" in place for place in made.inventory()] == [True]


def test_memory_is_another_one_in_another_process(tmp_path):
    made = backend("django-cache-memory", tmp_path)
    code = ASK.format(name="django-cache-memory", folder=str(tmp_path)) + (
        "from django.core.cache import cache\n"
        "made.plant('some-id', b'raw')\n"
        "print(made.at_rest('some-id'))\n"
        "cache.set(made.key('some-id'), b'raw')\n"
        "print(made.at_rest('some-id').raw)\n"
    )
    assert in_django(made, code).splitlines() == ["None", "b'raw'"]


def test_base64_is_undone_and_shown(tmp_path):
    done = matrix_run.run(
        tmp_path, "scenarios/test_at_rest.py::test_serializer[django-db-sqlite-msgpack-uncompressed]"
    )
    assert done.returncode == 0, done.stdout
    (seen,) = matrix_run.observations(tmp_path).values()
    at_rest = seen.evidence["at_rest"]
    assert at_rest["columns"]["content_encoding"] == "binary"
    assert at_rest["columns"]["result"].startswith("base64, ")


def test_inline_says_what_to_do(tmp_path):
    select = ("-m", "django-db-sqlite and json and zlib", "-k", "int_42", "--runtime=local", "-rs")
    done = matrix_run.run(tmp_path, *select, "--client=inline")
    assert done.returncode == 5, done.stdout
    assert "leave out --client inline" in done.stdout


def test_a_foreign_redis_keeps_what_is_not_the_runs(tmp_path):
    import redis

    with serving("redis") as url, redis.Redis.from_url(url) as client:
        client.mset({"mine": "1", ":1:celery-task-meta-mine": "2", "roundtrip-else:1:x": "3"})
        before = sorted(client.keys())
        done = matrix_run.run(
            tmp_path,
            *("-m", "django-cache-redis and pickle and zlib", "-k", "int_42 or where"),
            *("--service", f"redis={url}", "--broker=filesystem"),
        )
        assert done.returncode == 0, done.stdout
        assert sorted(client.keys()) == before


def test_a_foreign_postgresql_keeps_what_is_not_the_runs(tmp_path):
    import psycopg

    with serving("postgresql") as url, psycopg.connect(url, autocommit=True) as connection:
        for schema in ("public", "roundtrip_else"):
            connection.execute(f"create schema if not exists {schema}".encode())
            connection.execute(f"create table {schema}.django_celery_results_taskresult (mine int)".encode())
        ask = b"select table_schema, table_name from information_schema.tables order by 1, 2"
        before = connection.execute(ask).fetchall()
        done = matrix_run.run(
            tmp_path,
            *("-m", "django-db-postgresql and pickle and zlib", "-k", "int_42 or where"),
            *("--service", f"postgresql={url}", "--runtime=local", "--broker=filesystem", "--deadline=20"),
        )
        assert done.returncode == 0, done.stdout
        assert connection.execute(ask).fetchall() == before
        schemas = connection.execute(b"select nspname from pg_namespace where nspname like 'roundtrip%'")
        assert schemas.fetchall() == [("roundtrip_else",)]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("", "[] ''"),
        ("alter table django_celery_results_taskresult drop column meta", "['meta'] ''"),
        (
            "delete from django_migrations where id = (select max(id) from django_migrations)",
            "[] 'migrate ends with 1",
        ),
    ],
)
def test_what_migrations_left_out_is_seen(tmp_path, harm, said):
    """What `test_migrations` of the scenarios asks, of a database that lacks something."""
    code = (
        ASK.format(name="django-db-sqlite", folder=str(tmp_path))
        + f"if {harm!r}: made.run({harm!r})\n"
        + "from scenarios.test_django import columns_missing, refusal\n"
        + "print(columns_missing(), repr(refusal('migrate', '--check')))\n"
    )
    assert in_django(backend("django-db-sqlite", tmp_path), code).startswith(said)


def test_what_never_arrives_does_not_cost_a_deadline_each(tmp_path):
    """13 classes of generated values, all lost: they are not shrunk, and one wait is enough."""
    done = matrix_run.run(
        tmp_path,
        *(
            "-m",
            "django-cache-memory and json and uncompressed",
            "-k",
            "generated or int_",
            "--runtime=local",
        ),
        "--deadline=30",
    )
    assert done.returncode == 0, done.stdout
    log = runlog.read(tmp_path / "run.jsonl")
    assert {(one.verdict, one.blame) for one in log.observations} == {("lost", "store")}
    assert sum(one.seconds for one in log.observations) < 20


def test_a_late_failure_is_waited_for(tmp_path):
    """The failure that Celery stores after a success comes after task_postrun: it is always the one seen."""
    done = matrix_run.run(
        tmp_path, "scenarios/test_values.py::test_round_trip[django-db-sqlite-pickle-zlib-int_5000_digits]"
    )
    assert done.returncode == 0, done.stdout
    (seen,) = matrix_run.observations(tmp_path).values()
    assert seen.expectation == "django-db-success-overwritten"
    assert [event["event"] for event in seen.evidence["events"]].count("wrote") == 2
