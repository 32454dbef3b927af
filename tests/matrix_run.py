"""Runs pytest on scenarios in a process of its own, as a user would, and reads the run log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness import processes, runlog

ROOT = Path(__file__).resolve().parent.parent
HANGS = 300
"""Seconds after which a test takes it that what it started hangs: promised by nobody, and enough for a loaded
machine and for the first run of all, which fetches the servers that are Java."""


def start(folder: Path, *arguments: str, **options) -> subprocess.Popen:
    """Start ``pytest`` with run log and report in `folder`."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    for option, name in (("--run-log", "run.jsonl"), ("--report", "report.html")):
        if option not in arguments:
            command.append(f"{option}={folder / name}")
    environment = {**os.environ, **options.pop("environment", {})}
    # a pytest inside a pytest must not inherit what the outer one says of itself
    for name in ("PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        environment.pop(name, None)
    return subprocess.Popen(
        command,
        cwd=options.pop("cwd", ROOT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def run(folder: Path, *arguments: str, timeout: float = HANGS, **options) -> subprocess.CompletedProcess:
    """Run it to its end: exit code and everything that it printed."""
    process = start(folder, *arguments, **options)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        output, _ = process.communicate()
        raise AssertionError(f"pytest did not end within {timeout} s:\n{output}") from None
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def observations(folder: Path) -> dict[str, runlog.ObservationRecord]:
    """The observations of the run log in `folder`, by cell id."""
    return {one.cell_id: one for one in runlog.read(folder / "run.jsonl").observations}


def command(*arguments: str, timeout: float = HANGS, **options) -> subprocess.CompletedProcess:
    """Run this Python with these arguments in the project's folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=options.pop("cwd", ROOT),
        stdout=subprocess.PIPE,
        stderr=options.pop("stderr", subprocess.STDOUT),
        text=True,
        timeout=timeout,
        check=False,
        **options,
    )


def hiding(folder: Path, *modules: str) -> dict[str, str]:
    """Environment in which these packages count as not installed."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *a: None if name in {modules!r} else find(name, *a)\n"
    )
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def run_folder(temporary: Path) -> Path | None:
    """The folder of the one run below `temporary`, if there is one."""
    return next(iter(temporary.glob(processes.FOLDER_PREFIX + "*")), None)


def left_in(temporary: Path) -> list[Path]:
    """What lies there, but for the folder that pytest-xdist makes for ``tmp_path`` and never removes."""
    return [path for path in temporary.iterdir() if not path.name.startswith("pytest-of-")]
