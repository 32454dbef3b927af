"""`make mutants` takes hours, so what it needs is held here: that the tests it runs are found."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]


def test_every_file_that_mutants_meet_has_tests_that_are_collected() -> None:
    arguments = [*CONFIG.get("pytest_add_cli_args", []), *CONFIG["pytest_add_cli_args_test_selection"]]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = {argument for argument in arguments if argument.endswith(".py")}
    assert files == {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("module", CONFIG["only_mutate"])
def test_each_mutated_module_has_a_test_file_of_its_own(module: str) -> None:
    assert (ROOT / module).is_file()
    own = f"tests/test_{Path(module).stem}.py"
    assert own in CONFIG["pytest_add_cli_args_test_selection"]
