"""Servers that tests start themselves end, whatever becomes of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matrix_run
import pytest
from servers import needs_rabbitmq

from harness import poll, processes

TESTS = matrix_run.ROOT / "tests"
SERVES = """
import sys
from servers import serving
with serving(sys.argv[1]):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["redis", pytest.param("rabbitmq", marks=needs_rabbitmq)])
@pytest.mark.parametrize("killed", [True, False], ids=["killed", "left"])
def test_a_server_ends_with_whoever_started_it(temporary: Path, name: str, killed: bool) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(matrix_run.ROOT)))}
    with subprocess.Popen(
        [sys.executable, "-c", SERVES, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as tests:
        assert tests.stdout and tests.stdin
        assert "up\n" in tests.stdout
        [folder] = temporary.glob("served-*")
        assert processes.members(folder)
        if killed:
            tests.kill()
        else:
            tests.stdin.close()
    assert poll.until(lambda: not processes.members(folder) and not folder.exists(), 20)
