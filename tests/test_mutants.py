"""What `make mutants` runs for a quarter of an hour must pass, where it runs it, before any mutation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mutated
import pytest


def test_they_pass_in_a_copy_of_what_is_mutated(tmp_path: Path) -> None:
    """Tests that run pytest on scenarios fail there, and take too long for a mutant: -k leaves them out."""
    mutated.copy_to(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", *mutated.SELECTION],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    files = {argument for argument in mutated.SELECTION if argument.endswith(".py")}
    assert files == {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("module", mutated.MODULES)
def test_each_mutated_module_has_a_test_file_of_its_own(module: str) -> None:
    assert (mutated.ROOT / module).is_file()
    assert mutated.own_tests(module) in mutated.SELECTION
