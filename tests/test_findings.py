"""Each expectation has a script of plain Celery that shows it, and the scripts say only what they saw."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import matrix_run
import psutil
import pytest
from servers import serving

from harness import matrix, poll, questions, services
from harness.errors import ServiceUnavailable
from harness.expectations import Expectation, Expectations, files
from harness.matrix import MarkExpression, Selection
from harness.registry import Registry
from harness.services.mariadb import connect
from harness.services.s3 import Endpoint
from harness.verdict import Axis

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {
    script.stem: script for script in sorted((ROOT / "findings").glob("*.py")) if script.name != "frame.py"
}
OF_EACH_KIND = ("exception-cause-lost", "exception-class-wrapped", "django-db-traceback-lost")
"""What the command line means is the frame's affair: a script without worker, one with a worker and one of
Django stand for all."""
ENVIRONMENT = dict(os.environ)
"""As it is now: pytest changes it under the hands of the threads that run scripts."""
KNOWN: dict[str, Expectation] = {one.id: one for one in Expectations(files()).all}

STORES: dict[str, str] = {
    "*": "file://{folder}",
    "filesystem": "file://{folder}",
    "sqlite": "db+sqlite:///{folder}/results.sqlite",
    "rpc-*": "filesystem://",
    "rpc-redis": "{redis}",
    "rpc-rabbitmq": "{rabbitmq}",
    "redis": "{redis}",
    "!redis": "file://{folder}",
    "postgresql": "db+{postgresql}",
    "!django-*": "file://{folder}",
    "!django-cache-*": "file://{folder}",
    "!django-cache-memory": "file://{folder}",
    "django-db-*": "sqlite:///{folder}/results.sqlite",
    "django-cache-file": "file://{folder}",
    "django-cache-redis": "{redis}",
    "django-cache-memory": "locmem://{folder}",
    "cassandra": "{cassandra}/finding",
    "elasticsearch": "{elasticsearch}/finding",
    "django-db-postgresql": "{postgresql}",
    "django-db-sqlite": "sqlite:///{folder}/results.sqlite",
    "memcached": "cache+{memcached}",
    "mongodb": "{mongodb}",
    "s3": "{s3}finding",
    "mysql": "db+{mariadb}finding",
    "broker rabbitmq": "{rabbitmq}",
}
"""Backend that an expectation names first, or its broker -> URL of a store; for rpc that is the broker, for
Django's caches and databases what the script makes settings of."""


@dataclass(frozen=True)
class Ended:
    code: int
    said: str
    seconds: float
    left: list[str]
    """What it left in the temporary folder that it was given, and processes that still use that."""


@dataclass(frozen=True)
class Asked:
    """One script with one argument list."""

    id: str
    kind: str


def _store(asked: Asked) -> str:
    known = KNOWN[asked.id]
    return STORES.get(known.backend[0] if known.broker == ("*",) else f"broker {known.broker[0]}", "")


def _arguments(asked: Asked, folder: Path, servers: Mapping[str, str]) -> list[str]:
    store = _store(asked)
    assert store, f"{asked.id}: say in STORES which URL shows it here"
    url = store.format(folder=folder, **servers)
    return {
        "shows": [url],
        "worked-around": [url, "--workaround"],
        "none": [],
        "two": [url, url],
        "no-url": ["redis"],
        "nonsense": ["nonsense://somewhere"],
        "unreachable": ["redis://127.0.0.1:1/0"],
    }[asked.kind]


def _command(asked: Asked, folder: Path, servers: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    for name in ("store", "tmp"):
        (folder / name).mkdir(parents=True)
    command = [sys.executable, str(SCRIPTS[asked.id]), *_arguments(asked, folder / "store", servers)]
    return command, {**ENVIRONMENT, "TMPDIR": str(folder / "tmp")}


def _left(folder: Path) -> list[str]:
    left = [str(path) for path in (folder / "tmp").iterdir()]
    for process in psutil.process_iter():
        try:
            if process.environ().get("FINDING_FOLDER", "").startswith(str(folder)):
                left.append(f"process {process.pid}")
        except psutil.Error:
            pass  # it ended, or belongs to somebody else
    return left


def _run(asked: Asked, folder: Path, servers: Mapping[str, str]) -> Ended:
    command, environment = _command(asked, folder, servers)
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=70,  # findings/README.md says that a script gives up after 60
        check=False,
    )
    return Ended(done.returncode, done.stdout, time.monotonic() - began, _left(folder))


def _needed(asked: Asked) -> str | None:
    """The service that a script needs, if any."""
    return next((name for name in services.known() if f"{{{name}}}" in _store(asked)), None)


CELERY_NAMES = {
    "elasticsearch": ("http://", "elasticsearch://"),
    "mariadb": ("mysql://", "mysql+pymysql://"),
    "postgresql": ("postgresql://", "postgresql+psycopg://"),
}
"""How the URL of a service begins, and how Celery wants it."""


@contextmanager
def _served(name: str) -> Iterator[str]:
    """A server as scripts want it: its URL, as Celery names it.

    :raises ServiceUnavailable: this machine cannot serve it.
    """
    with serving(name) as url:
        if name == "cassandra":
            _make_keyspace(url)
        if name == "mariadb":
            with connect(url) as connection, connection.cursor() as cursor:
                cursor.execute("create database finding")
        if name == "s3":
            Endpoint.of(url).client().create_bucket(Bucket="finding")
        yield url.replace(*CELERY_NAMES.get(name, ("", "")))


def _make_keyspace(url: str) -> None:
    from harness.services.cassandra import session

    with session(url) as connected:
        connected.execute(
            "create keyspace finding with replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Asked], Ended]]:
    """Everything that the selected tests ask, run side by side; those whose server is missing are skipped."""
    folder = tmp_path_factory.mktemp("findings")
    selected = [
        item.callspec.params["asked"]
        for item in request.session.items
        if item.path == request.path and "asked" in getattr(item, "callspec", _NoCall).params
    ]
    missing: dict[str, str] = {}
    with ExitStack() as running, ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        servers: dict[str, str] = {}
        for name in sorted({needed for asked in selected if (needed := _needed(asked))}):
            try:
                servers[name] = running.enter_context(_served(name))
            except ServiceUnavailable as error:
                missing[name] = str(error)
        jobs: dict[Asked, Future[Ended]] = {
            asked: pool.submit(_run, asked, folder / asked.id / asked.kind, servers)
            for asked in selected
            if _needed(asked) not in missing
        }

        def result(asked: Asked) -> Ended:
            if asked not in jobs:
                pytest.skip(missing[str(_needed(asked))])
            return jobs[asked].result()

        yield result


class _NoCall:
    params: dict[str, object] = {}


def asking(ids: Iterable[str], *kinds: str) -> pytest.MarkDecorator:
    asked = [Asked(id, kind) for id in ids for kind in kinds]
    return pytest.mark.parametrize("asked", asked, ids=lambda one: f"{one.id}-{one.kind}")


@asking(SCRIPTS, "shows")
def test_a_script_shows_its_deviation(asked: Asked, ended: Callable[[Asked], Ended]) -> None:
    seen = ended(asked)
    assert seen.code == 0, seen.said
    assert seen.said.startswith("it shows: ")
    assert seen.said.count("\n") == 1
    assert seen.left == []


@asking(SCRIPTS, "worked-around")
def test_with_the_workaround_it_no_longer_shows(asked: Asked, ended: Callable[[Asked], Ended]) -> None:
    seen = ended(asked)
    assert seen.code == 1, seen.said
    assert seen.said.startswith("it does not show: ")
    assert seen.left == []


@asking(OF_EACH_KIND, "none", "two", "no-url")
def test_wrong_usage_is_one_line(asked: Asked, ended: Callable[[Asked], Ended]) -> None:
    seen = ended(asked)
    usage = f"usage: python {asked.id}.py RESULT_BACKEND_URL [--workaround]\n"
    assert (seen.code, seen.said) == (2, usage)


@asking(OF_EACH_KIND, "nonsense", "unreachable")
def test_a_store_that_is_not_there_teaches_nothing(asked: Asked, ended: Callable[[Asked], Ended]) -> None:
    seen = ended(asked)
    assert seen.code == 2, seen.said
    assert seen.said.startswith("cannot tell: ")
    assert seen.said.count("\n") == 1
    assert seen.seconds < 30
    assert seen.left == []


def test_a_script_that_is_ended_takes_its_worker_along(tmp_path: Path) -> None:
    command, environment = _command(Asked("exception-class-wrapped", "shows"), tmp_path / "run", {})
    script = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert poll.until(lambda: psutil.Process(script.pid).children() or None, timeout=matrix_run.HANGS)
        script.send_signal(signal.SIGTERM)
        said, _ = script.communicate(timeout=20)
    finally:
        script.kill()
    assert script.returncode == 2
    assert said.startswith("cannot tell: ended from outside")
    assert _left(tmp_path / "run") == []


def test_scripts_on_one_broker_share_no_queue(tmp_path: Path) -> None:
    seen = []
    asked = "import {name}; print(list({name}.app.amqp.queues))"
    for name in ("one", "other"):
        script = tmp_path / f"{name}.py"
        script.write_text(
            "import subprocess, sys\n"
            "from frame import finding_app\n"
            "app = finding_app('rpc://', 'memory://')\n"
            "if __name__ == '__main__':\n"
            f"    subprocess.run([sys.executable, '-c', {asked.format(name=name)!r}])\n"
        )
        for more in ([], ["--workaround"]):
            command = [sys.executable, str(script), "memory://", *more]
            environment = {
                **ENVIRONMENT,
                "PYTHONPATH": os.pathsep.join((str(ROOT / "findings"), str(tmp_path))),
            }
            seen.append(subprocess.check_output(command, env=environment, text=True))
    assert len(set(seen)) == 4, seen


def test_every_expectation_has_a_script_and_every_script_an_expectation() -> None:
    assert set(SCRIPTS) == set(KNOWN)


@pytest.mark.parametrize("id", SCRIPTS)
def test_a_script_is_plain_celery(id: str) -> None:
    tree = ast.parse(SCRIPTS[id].read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert "frame" in foreign <= {"celery", "kombu", "django", "django_celery_results", "sqlalchemy", "frame"}


@pytest.mark.parametrize("id", KNOWN)
def test_an_expectation_selects_cells_of_the_matrix(id: str) -> None:
    for selector in KNOWN[id].selectors:
        assert any(selector.names(cell) for cell in _matrix()), selector


def test_no_cell_of_the_matrix_has_two_expectations() -> None:
    expectations = Expectations(files())
    for cell in _matrix():
        expectations.of(cell, {})


_cells: list[matrix.Cell] = []


def _matrix() -> list[matrix.Cell]:
    if not _cells:
        registry = Registry()
        for broker in ("redis", "rabbitmq"):  # expectations tell these two apart
            options = {Axis.BROKER: broker}
            everything = Selection(MarkExpression(""), options=options, broker_of=registry.broker_of)
            for scenario in questions.scenarios():
                _cells.extend(matrix.multiply(scenario, registry.names, everything))
    return _cells
