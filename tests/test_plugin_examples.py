"""examples/: real plug-ins from PyPI against real servers, and their finding scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import matrix_run
import pytest
from servers import NO_RABBITMQ, needs_rabbitmq, serving

import harness
from harness import runlog
from harness.expectations import Expectations

EXAMPLES = matrix_run.ROOT / "examples"
SCRIPTS = sorted((EXAMPLES / "findings").glob("*.py"))
KNOWN = {one.id for one in Expectations(sorted(EXAMPLES.glob("*.toml"))).all}
CANNOT_WRITE = "redis-sync-write-refused"
"""A finding without expectation: nobody is to get used to it."""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> str:
    """An interpreter that has both packages, beside all that this one has.

    Not this one itself: celery-redis-sync takes over ``redis://`` wherever it is installed.
    """
    folder = tmp_path_factory.mktemp("examples")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "beside.pth").write_text("\n".join([*paths, str(matrix_run.ROOT)]))
    made = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"),
            *("--target", str(packages), "celery-redis-sync==1.1.2", "celery-amqp-backend==1.2.0"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return str(folder / "bin" / "python")


@pytest.fixture(scope="module")
def urls() -> Iterator[Callable[[str], str]]:
    """Result-store URLs of servers that this module starts on demand, by what a script's name begins with."""
    started: dict[str, str] = {}
    with ExitStack() as running:

        def url(prefix: str) -> str:
            name = {"amqp": "rabbitmq", "redis": "redis"}[prefix]
            if prefix not in started:
                served = running.enter_context(serving(name))
                started[prefix] = served.replace("redis://", "redis+sync://")
            return started[prefix]

        yield url


def test_every_expectation_has_a_script_and_every_script_an_expectation():
    assert {script.stem for script in SCRIPTS} == KNOWN | {CANNOT_WRITE}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_shows_its_deviation_and_with_the_workaround_no_more(script, python, urls):
    prefix = script.stem.partition("-")[0]
    if prefix == "amqp" and NO_RABBITMQ:
        pytest.skip("needs RabbitMQ: apt-get install rabbitmq-server")
    for more, code, begins in ((), 0, "it shows: "), (("--workaround",), 1, "it does not show: "):
        done = subprocess.run(
            [python, str(script), urls(prefix), *more],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert (done.returncode, done.stdout[: len(begins)]) == (code, begins), done.stdout + done.stderr


def observed(python: str, folder: Path, file: str, expression: str, keyword: str):
    """Exit code, output and observations of an example, asked some questions."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [
            *(python, "-m", "pytest", "-p", "no:cacheprovider", "scenarios", f"--backend=examples/{file}"),
            *("-m", expression, "-k", keyword, "--runtime=local", "--deadline=20"),
            *(f"--run-log={folder / 'run.jsonl'}", f"--report={folder / 'report.html'}"),
        ],
        cwd=matrix_run.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    return done, matrix_run.observations(folder)


@needs_rabbitmq
def test_celery_amqp_backend(python, tmp_path):
    expression = "amqp and (json and zlib or json and state or reading or canvas or lifetime)"
    asked = "int_42 or test_codec or test_success or test_exists or test_where or test_group_saved or zero"
    done, seen = observed(python, tmp_path, "amqp_backend.py", expression, asked)
    assert done.returncode == 0, done.stdout
    assert seen["test_round_trip[amqp-json-zlib-int_42]"].verdict == "exact"
    assert seen["test_codec[amqp-json-zlib]"].expectation == "amqp-compression-ignored"
    assert seen["test_success[amqp-json]"].expectation == "amqp-meta-missing"
    assert seen["test_exists[amqp-unknown]"].expectation == "amqp-exists-raises"
    assert seen["test_where[amqp-json-zlib]"].verdict == "not-run"  # AMQP cannot list queues
    log = runlog.read(tmp_path / "run.jsonl")
    assert log.header.packages["celery-amqp-backend"] == "1.2.0"
    assert log.header.packages["celery-roundtrip"] == harness.__version__


def test_celery_redis_sync(python, tmp_path):
    expression = "redis-sync and json and uncompressed or redis-sync and reading"
    done, seen = observed(
        python, tmp_path, "redis_sync.py", expression, "int_42 or test_plain or test_forget"
    )
    assert done.returncode == 1, done.stdout
    for name, one in seen.items():
        if "redis-sync-mended" not in name and "test_forget" not in name:
            assert (one.verdict, one.blame, one.outcome) == ("refused", "backend", "failed"), name
            assert "_set() takes 3 positional arguments but 4 were given" in one.detail
    assert seen["test_round_trip[redis-sync-mended-json-uncompressed-int_42]"].verdict == "exact"
    assert seen["test_plain[redis-sync-mended-json-uncompressed]"].verdict == "exact"
    assert seen["test_forget[redis-sync-mended-once]"].expectation == "redis-sync-forget-raises"
