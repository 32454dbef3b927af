"""Mutants of what mutmut leaves out: code outside functions, and functions with decorators.

``make mutants`` runs it after mutmut: with mutmut's own operators, in the modules and against the tests that
pyproject.toml names to it. mutmut switches mutants while the program runs, and so cannot reach what runs when
a module is imported; here each mutant is a copy of the project. Left out: names of members of an enum,
imports, and what serves type checkers only.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import libcst as cst
from mutated import MODULES, ROOT, SELECTION, copy_to, own_tests
from mutmut.mutation.file_mutation import (
    NEVER_MUTATE_FUNCTION_CALLS,
    ChildReplacementTransformer,
    _is_enum_class,
)
from mutmut.mutation.mutators import mutation_operators

WORK = ROOT / "mutants" / "outside"
PROCESSES = 2


class Outside(cst.CSTVisitor):
    """Collects the mutations of a module that mutmut does not make."""

    def __init__(self) -> None:
        self.found: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if self.is_left_out(node) or (isinstance(node, cst.FunctionDef) and not node.decorators):
            return False
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(node, changed) for changed in operator(node)]
        return True

    def is_left_out(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Assign) and isinstance(node.value, (cst.Call, cst.Subscript)):
            made_by = node.value.func if isinstance(node.value, cst.Call) else node.value.value
            return isinstance(made_by, cst.Name) and made_by.value in ("TypeVar", "Literal", "Iterator")
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
            return node.func.value in NEVER_MUTATE_FUNCTION_CALLS
        if isinstance(node, cst.ClassDef):
            return _is_enum_class(node)
        return isinstance(node, (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom))


def mutants(file: Path) -> Iterator[str]:
    """The module's text with one change each."""
    module = cst.parse_module(file.read_text())
    outside = Outside()
    module.visit(outside)
    for node, changed in outside.found:
        yield module.visit(ChildReplacementTransformer(node, changed)).code


def is_killed(name: str, text: str, folder: Path) -> bool:
    """Whether a test fails (or loops) in the copy of the project in `folder` with this text of a module."""
    original = (ROOT / name).read_text()
    (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    # the module's own tests come first, and are enough for most
    command += sorted(SELECTION, key=lambda argument: argument != own_tests(name))
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=600,  # seconds; a whole run takes 10
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    finally:
        (folder / name).write_text(original)
    return done.returncode != 0


def judge(share: int) -> list[tuple[str, str, bool]]:
    """Every `PROCESSES`-th mutant: its file, what it changes, and whether it was killed."""
    folder = WORK / str(share)
    shutil.rmtree(folder, ignore_errors=True)
    copy_to(folder)
    judged = []
    everything = [(name, text) for name in MODULES for text in mutants(ROOT / name)]
    for name, text in everything[share::PROCESSES]:
        both = ((ROOT / name).read_text().splitlines(), text.splitlines())
        change = "\n".join(list(difflib.unified_diff(*both, n=0, lineterm=""))[2:])
        judged.append((name, change, is_killed(name, text, folder)))
    return judged


def main() -> None:
    for share in range(PROCESSES):
        shutil.rmtree(WORK / str(share), ignore_errors=True)
    with ThreadPoolExecutor(PROCESSES) as pool:
        judged = [one for share in pool.map(judge, range(PROCESSES)) for one in share]
    for name in MODULES:
        killed = [was_killed for file, _, was_killed in judged if file == name]
        print(f"{name}: {sum(killed)} of {len(killed)} killed")
        for file, change, was_killed in judged:
            if file == name and not was_killed:
                print(change)


if __name__ == "__main__":
    main()
