"""What mutation testing changes, and a copy of what of the project its tests need (docs/mutation.md)."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
MODULES = CONFIG["only_mutate"]
SELECTION = CONFIG["pytest_add_cli_args_test_selection"]


def own_tests(module: str) -> str:
    """The test file of a module."""
    return f"tests/test_{Path(module).stem}.py"


def copy_to(folder: Path) -> None:
    """Copy what mutmut copies: without conftest.py, pytest knows no scenarios there."""
    for part in (*CONFIG["source_paths"], *CONFIG["also_copy"], "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
