"""Fixtures that several test files share."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import matrix_run
import pytest
from hypothesis import HealthCheck, settings

from harness import processes

# no test is about time: on a busy machine hypothesis' tables of characters alone take a second and a half
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """A run that is ended by SIGTERM ends the servers of its fixtures, as an interrupted one does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def own_state_folder(tmp_path_factory):
    """A state folder of one's own: what the user keeps between runs is not for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def temporary(monkeypatch):
    """A temporary folder of one's own, so that runs beside this test do not count."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))  # short: sockets lie below it
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    for path in matrix_run.left_in(folder):
        processes.sweep(path)
    shutil.rmtree(folder)
