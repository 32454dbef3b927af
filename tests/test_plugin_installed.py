"""The wheel in a fresh environment, outside the repository: docs/adding-a-backend.md, to the letter."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import matrix_run
import pytest

from harness import runlog

DOCUMENT = (matrix_run.ROOT / "docs" / "adding-a-backend.md").read_text(encoding="utf-8")
OTHERS = ("pytest-celery", "pytest-django", "pytest-xdist")
"""Plugins of pytest that must not be in the way, nor be hindered."""
FEW = "int_42 or test_codec or test_where"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and an empty folder elsewhere.

    :param backend: the plug-in file, as the document has it.
    """

    venv: Path
    elsewhere: Path
    wheel: Path
    backend: Path

    def run(self, *command: str, timeout: float = 500) -> subprocess.CompletedProcess[str]:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            [str(self.venv / "bin" / command[0]), *command[1:]],
            cwd=self.elsewhere,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            "pytest", "-p", "harness.plugin", "--pyargs", "scenarios", "--runtime=local", *arguments
        )

    def seen(self) -> dict[str, runlog.ObservationRecord]:
        log = runlog.read(self.elsewhere / ".roundtrip" / "run.jsonl")
        return {one.cell_id: one for one in log.observations}


def block(language: str, holding: str) -> str:
    """The one code block of the document that holds a text."""
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL) if holding in text]
    assert len(found) == 1, holding
    return found[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Wheel and sdist, as `pip install` and PyPI get them."""
    folder = tmp_path_factory.mktemp("built")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder), str(matrix_run.ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Installed:
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    (folder / "elsewhere").mkdir()
    made = Installed(
        folder / "venv",
        folder / "elsewhere",
        next(built.glob("*.whl")),
        folder / "elsewhere" / "mystore_backend.py",
    )
    done = made.run(
        *("pip", "install", "-q", "--disable-pip-version-check"),
        *("-c", str(matrix_run.ROOT / "constraints.txt")),
        f"celery-roundtrip[sqlite,yaml,msgpack] @ file://{made.wheel}",
        *OTHERS,
    )
    assert done.returncode == 0, done.stdout
    (made.elsewhere / "mystore.py").write_text(block("python", "class MyStore(KeyValueStoreBackend)"))
    made.backend.write_text(block("python", "class MyStoreBackend(Backend)"))
    return made


def test_the_wheel_holds_what_runs_and_no_tests(built):
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        *("harness", "backends", "scenarios")
    }
    for needed in ("harness/services/images.toml", "backends/rpc.toml", "scenarios/celery.toml"):
        assert needed in names
    entries = next(name for name in names if name.endswith("entry_points.txt"))
    told = zipfile.ZipFile(next(built.glob("*.whl"))).read(entries).decode()
    assert "pytest11" not in told  # it would burden every pytest run of the environment
    with tarfile.open(next(built.glob("*.tar.gz"))) as source:
        assert any(name.endswith("/docs/adding-a-backend.md") for name in source.getnames())


def test_every_extra_that_a_backend_names_exists():
    import tomllib

    from harness.registry import Registry

    extras = tomllib.loads((matrix_run.ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    registry = Registry()
    for name in registry.names:
        for requirement in registry.load(name).packages.values():
            found = re.fullmatch(r"celery-roundtrip\[([\w,-]+)\]", requirement)
            assert found, requirement
            assert set(found[1].split(",")) <= set(extras)


def test_other_peoples_pytest_runs_notice_nothing(installed):
    theirs = installed.elsewhere / "test_theirs.py"
    theirs.write_text(
        "def test_theirs(request):\n"
        "    plugins = [str(name) for name, _ in request.config.pluginmanager.list_name_plugin()]\n"
        "    assert not [name for name in plugins if 'harness' in name or 'roundtrip' in name]\n"
        "    assert 'result backend' not in ' '.join(request.config.getini('markers'))\n"
        "    import sys\n"
        "    assert not [name for name in sys.modules if name.partition('.')[0] == 'harness']\n"
    )
    done = installed.run("pytest", "-q", "--strict-markers", "test_theirs.py")
    theirs.unlink()
    assert done.returncode == 0, done.stdout


def test_doctor(installed):
    done = installed.run("roundtrip", "doctor", "--backend=mystore_backend.py")
    assert done.returncode == 0, done.stdout
    assert re.search(r"mystore\s+│ yes", done.stdout)
    assert "pip install 'celery-roundtrip[brotli]'" in done.stdout


def test_core_cells_and_the_command_that_repeats_one(installed):
    done = installed.pytest("-m", "sqlite and json", "-k", FEW, "-q")
    assert done.returncode == 0, done.stdout
    seen = installed.seen()
    assert seen["test_round_trip[sqlite-json-zlib-int_42]"].verdict == "exact"
    again = seen["test_round_trip[sqlite-json-zlib-int_42]"].repro
    assert again.startswith(
        "python -m pytest -p harness.plugin --pyargs 'scenarios.test_values::test_round_trip["
    )
    done = installed.run(*shlex.split(again))
    assert done.returncode == 0, done.stdout
    assert list(installed.seen()) == ["test_round_trip[sqlite-json-zlib-int_42]"]


def test_the_document_alone_makes_a_backend_that_runs(installed):
    done = installed.pytest(
        "--backend=mystore_backend.py", "-m", "mystore and json", "-k", FEW, "-q", "-n", "2"
    )
    assert done.returncode == 1, done.stdout
    seen = installed.seen()
    red = {name: one for name, one in seen.items() if one.outcome == "failed"}
    assert {name.partition("[")[0] for name in red} == {"test_codec"}
    told = "stored with no codec, configured is zlib"
    assert told in red["test_codec[mystore-json-zlib]"].detail
    assert told in DOCUMENT
    assert (installed.elsewhere / ".roundtrip" / "report.html").exists()

    expectations = installed.backend.with_suffix(".toml")
    expectations.write_text(block("toml", "[[expectation]]"))
    done = installed.pytest("--backend=mystore_backend.py", "-m", "mystore and json", "-k", FEW, "-q")
    expectations.unlink()
    assert done.returncode == 0, done.stdout
    assert installed.seen()["test_codec[mystore-json-zlib]"].expectation == "mystore-compression-ignored"


def test_as_a_package_with_entry_points(installed, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    for name in ("mystore.py", "mystore_backend.py"):
        (package / name).write_text((installed.elsewhere / name).read_text())
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        + block("toml", 'project.entry-points."celery_roundtrip.backends"')
    )
    made = installed.run("pip", "install", "-q", "--disable-pip-version-check", "--no-deps", str(package))
    assert made.returncode == 0, made.stdout
    clashing = installed.pytest("--backend=mystore_backend.py", "--collect-only", "-q")
    (installed.elsewhere / "mystore.py").rename(tmp_path / "mystore.py")
    (installed.elsewhere / "mystore_backend.py").rename(tmp_path / "mystore_backend.py")
    try:
        done = installed.pytest("-m", "mystore and json and uncompressed", "-k", FEW, "-q")
        broken = installed.venv.glob("lib/python*/site-packages/mystore_backend.py")
        next(broken).write_text("1 / 0")
        core = installed.pytest("-m", "sqlite and json and uncompressed", "-k", "int_42", "-q")
        doctor = installed.run("roundtrip", "list", "--backends")
        stopped = installed.pytest("-m", "mystore", "--collect-only", "-q")
    finally:
        for name in ("mystore.py", "mystore_backend.py"):
            (tmp_path / name).rename(installed.elsewhere / name)
        installed.run("pip", "uninstall", "-q", "-y", "mystore")
    assert done.returncode == 0, done.stdout
    assert "the name 'mystore' is taken by the backend of mystore_backend of mystore" in clashing.stdout
    assert core.returncode == 0, core.stdout  # who does not select it is not stopped by it
    assert "ZeroDivisionError" in doctor.stdout
    assert stopped.returncode != 0
    assert "mystore_backend of mystore fails on import: ZeroDivisionError" in stopped.stdout
    assert "pip uninstall mystore" in stopped.stdout


def test_the_commented_example_is_what_the_document_shows(tmp_path):
    """It brings its server: name, schemes, image, local command and probe."""
    file = matrix_run.ROOT / "examples" / "commented_backend.py"
    shown = block("python", "class PigeonholeServer(Service)")
    for method in re.findall(r"def (\w+)\(", shown):
        assert f"def {method}(" in file.read_text(encoding="utf-8")
    done = matrix_run.run(
        tmp_path,
        *("scenarios", f"--backend={file}", "-m", "pigeonhole and json or pigeonhole and lifetime"),
        *("-k", f"{FEW} or test_cleanup or test_running", "--runtime=local"),
    )
    assert done.returncode == 0, done.stdout
    services = {one.name: one for one in runlog.read(tmp_path / "run.jsonl").services}
    assert (services["pigeonhole"].product, services["pigeonhole"].version) == ("Pigeonhole", "1.0")
