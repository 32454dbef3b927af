"""Spawning and ending processes: the one subprocess wrapper, and the sweep that ends what was left.

Every process of a run carries the run's folder in its environment and is recorded in the folder the
moment it exists. That is how another process can end it when its own parent could not.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from harness import poll

RUN_VARIABLE = "ROUNDTRIP_RUN"
FOLDER_PREFIX = "roundtrip-"
SUPERVISOR_LOG = "supervisor.log"
GONE_WITHIN = 8.0
"""Seconds within which a killed process must have left the process table."""


class Leader:
    """A process of a run that leads a session of its own."""

    def __init__(self, kind: str, pid: int, run_folder: Path) -> None:
        self.kind, self.pid = kind, pid
        record(run_folder, kind, pid)

    def kill(self) -> None:
        """SIGKILL to the whole session, without waiting: stopping politely costs seconds each."""
        kill_group(self.pid)


class Child(Leader):
    """One that this process starts; its output goes to a file."""

    def __init__(
        self,
        kind: str,
        argv: Sequence[str],
        run_folder: Path,
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=environment_of(run_folder, environment),
                start_new_session=True,
            )
        super().__init__(kind, self.process.pid, run_folder)
        threading.Thread(target=self.process.wait, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()


def environment_of(run_folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of a run."""
    # what is killed cannot tidy up: its temporary files go with the run's folder
    temporary = run_folder / "tmp"
    temporary.mkdir(exist_ok=True)
    # where hypothesis keeps its tables of characters: each process would make them anew, 1.4 s of CPU
    tables = {"HYPOTHESIS_STORAGE_DIRECTORY": str(run_folder / "hypothesis")}
    return {**tables, **os.environ, **environment, RUN_VARIABLE: str(run_folder), "TMPDIR": str(temporary)}


def kill_group(pid: int) -> None:
    """SIGKILL to the process group that `pid` leads. A group that is gone is fine."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def record(run_folder: Path, kind: str, pid: int) -> None:
    """Note a process in the run's folder."""
    try:
        created = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    line = json.dumps({"kind": kind, "pid": pid, "created": created})
    with (run_folder / "processes.jsonl").open("a") as file:
        file.write(line + "\n")


def members(run_folder: Path) -> list[psutil.Process]:
    """Processes of a run that still live: those recorded, and those that carry its folder."""
    found: dict[int, psutil.Process] = {}
    for line in _records(run_folder):
        try:
            process = psutil.Process(int(str(line["pid"])))
            if abs(process.create_time() - float(str(line["created"]))) < 0.01:
                found[process.pid] = process
        except psutil.NoSuchProcess:
            continue
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_VARIABLE) == str(run_folder):
                found[process.pid] = process
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or somebody else's
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _lives(process)]


def lives(pid: int, created: float) -> bool:
    """Whether the process runs that had this pid since that time."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < 0.01 and _lives(process)
    except psutil.NoSuchProcess:
        return False


def recorded(run_folder: Path, kind: str) -> list[int]:
    """Pids of the recorded processes whose kind begins so, in the order of their start."""
    return [int(str(line["pid"])) for line in _records(run_folder) if str(line["kind"]).startswith(kind)]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _records(run_folder: Path) -> list[dict[str, object]]:
    try:
        text = (run_folder / "processes.jsonl").read_text()
    except FileNotFoundError:
        return []  # the run has not begun, or another process removes its folder just now
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # cut by the death of its writer; the environment finds that process
    return lines


def sweep(run_folder: Path, keep: bool = False) -> int:
    """End every process of a run and remove its folder.

    :returns: how many processes were ended.
    """
    ended: set[int] = set()
    denied: set[int] = set()

    def none_left() -> bool:
        left = members(run_folder)
        for process in left:
            ended.add(process.pid)
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                denied.add(process.pid)  # a container's, where we are not root: Docker must end it
        return all(process.pid in denied for process in left)

    if any(line["kind"] == "container" for line in _records(run_folder)):
        from harness.containers import remove_all

        remove_all(run_folder.name)
    poll.until(none_left, GONE_WITHIN, longest=0.1)
    if not keep:
        shutil.rmtree(run_folder, ignore_errors=True)
    return len(ended)


def new_run_folder() -> Path:
    """A private folder for one run, below the system's temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)).resolve()
    own(folder)
    return folder


def own(folder: Path) -> None:
    """Write down that this process owns a run's folder: when it is gone, so is the run."""
    process = psutil.Process()
    (folder / "owner.json").write_text(json.dumps({"pid": process.pid, "created": process.create_time()}))


def supervise(
    folder: Path, root: Path, output: int | IO[str], logs: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """Start the supervisor of a run. It ends with the pipe that is its standard input.

    :param root: where this project's packages lie.
    :param output: where the facts go that it learns.
    :param logs: the folder to which the logs of its children are copied at the end, or none.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.supervisor", str(folder), *logs],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=(folder / SUPERVISOR_LOG).open("w"),
        start_new_session=True,
        env={
            **os.environ,
            RUN_VARIABLE: str(folder),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH")))),
        },
    )
    record(folder, "supervisor", process.pid)
    return process


def orphaned_runs() -> list[Path]:
    """Folders of runs whose pytest process is gone, below the system's temporary folder."""
    return orphaned_runs_below(Path(tempfile.gettempdir()).resolve())


def orphaned_runs_below(temporary: Path) -> list[Path]:
    """Folders of runs whose pytest process is gone."""
    found = []
    for folder in sorted(temporary.glob(FOLDER_PREFIX + "*")):
        owner = folder / "owner.json"
        if not owner.exists() or (folder / "kept").exists():
            continue
        try:
            facts = json.loads(owner.read_text())
            alive = abs(psutil.Process(int(facts["pid"])).create_time() - float(facts["created"])) < 0.01
        except psutil.NoSuchProcess:
            alive = False
        except (ValueError, KeyError, PermissionError):
            continue  # not a folder of this project, or not ours
        if not alive:
            found.append(folder)
    return found


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
