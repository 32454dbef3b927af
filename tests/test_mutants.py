"""What `make mutants`, of a quarter of an hour, needs: tests that pass where it runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
SELECTION = CONFIG["pytest_add_cli_args_test_selection"]


def test_they_pass_in_a_copy_of_what_is_mutated(tmp_path: Path) -> None:
    """Tests that run pytest on scenarios fail there, and take too long for a mutant: -k leaves them out."""
    for part in (*CONFIG["source_paths"], *CONFIG["also_copy"], "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", *SELECTION],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    files = {argument for argument in SELECTION if argument.endswith(".py")}
    assert files == {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("module", CONFIG["only_mutate"])
def test_each_mutated_module_has_a_test_file_of_its_own(module: str) -> None:
    assert (ROOT / module).is_file()
    assert f"tests/test_{Path(module).stem}.py" in SELECTION
