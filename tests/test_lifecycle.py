"""Whatever ends a run, nothing of it is left: no process, no folder, no socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import matrix_run
import psutil
import pytest

from harness import poll, processes, runlog
from harness.supervisor import Supervisor
from harness.worker import runs

GONE_WITHIN = 10.0

HOLDING_THE_GIL = '''
"""A scenario whose body holds the GIL in one long call."""

import re

from harness.scenario import scenario


@scenario("backend", answers=[])
def test_holds_the_gil(cell):
    """Nothing can interrupt this from inside its process."""
    open({marker!r}, "w").close()
    re.match(r"(a+)+$", "a" * 64 + "b")
'''


def recorded(folder: Path, kind: str) -> list[int]:
    return [int(line["pid"]) for line in processes._records(folder) if str(line["kind"]).startswith(kind)]


def wait_for(temporary: Path, kind: str) -> tuple[Path, int]:
    """Wait until the run below `temporary` has a process of that kind: its folder, the pid."""

    def there():
        folder = matrix_run.run_folder(temporary)
        pids = recorded(folder, kind) if folder else []
        return (folder, pids[0]) if pids else None

    found = poll.until(there, matrix_run.HANGS)
    assert found, f"no {kind} was started"
    return found


def assert_nothing_is_left(folder: Path, temporary: Path) -> None:
    assert poll.until(lambda: not processes.members(folder), GONE_WITHIN), [
        (process.pid, process.cmdline()) for process in processes.members(folder)
    ]
    assert poll.until(lambda: not matrix_run.left_in(temporary), GONE_WITHIN), matrix_run.left_in(temporary)


MATRIX = ("-m", "(redis or sqlite) and not slow", "--runtime", "local")


def test_success_leaves_nothing(tmp_path, temporary):
    done = matrix_run.run(tmp_path, "-m", "redis and json and zlib", "-k", "tuple", "--runtime", "local")
    assert done.returncode == 0, done.stdout
    assert not matrix_run.left_in(temporary)
    assert runlog.read(tmp_path / "run.jsonl").complete


@pytest.mark.parametrize("moment", ["supervisor", "service", "worker", "client"])
def test_sigkill_of_pytest_leaves_nothing(tmp_path, temporary, moment):
    process = matrix_run.start(tmp_path, *MATRIX)
    folder, _ = wait_for(temporary, moment)
    process.kill()
    process.communicate()
    assert_nothing_is_left(folder, temporary)
    log = runlog.read(tmp_path / "run.jsonl")
    assert not log.complete


def wait_for_observations(log: Path, number: int) -> None:
    def written() -> bool:
        lines = log.read_bytes().splitlines(keepends=True) if log.exists() else []
        whole = [line for line in lines if line.endswith(b"\n") and b'"kind":"observation"' in line]
        return len(whole) >= number

    assert poll.until(written, matrix_run.HANGS)


def test_sigkill_of_pytest_in_the_middle_of_a_batch(tmp_path, temporary):
    process = matrix_run.start(tmp_path, *MATRIX)
    folder, _ = wait_for(temporary, "client")
    wait_for_observations(tmp_path / "run.jsonl", 20)
    process.kill()
    process.communicate()
    assert_nothing_is_left(folder, temporary)
    log = runlog.read(tmp_path / "run.jsonl")
    assert not log.complete
    assert len(log.observations) >= 20


@pytest.mark.parametrize("client", ["process", "inline"])
def test_sigkill_of_pytest_while_a_body_holds_the_gil(tmp_path, temporary, client):
    marker = tmp_path / "holding"
    scenario = tmp_path / "test_gil.py"
    scenario.write_text(HOLDING_THE_GIL.format(marker=str(marker)))
    process = matrix_run.start(
        tmp_path,
        str(scenario),
        "-m",
        "filesystem",
        "--runtime",
        "local",
        "--client",
        client,
        "-p",
        "harness.plugin",
    )
    folder, _ = wait_for(temporary, "worker")
    assert poll.until(marker.exists, matrix_run.HANGS)
    process.kill()
    process.communicate()
    assert_nothing_is_left(folder, temporary)


def test_ctrl_c_leaves_nothing_and_a_whole_log(tmp_path, temporary):
    process = matrix_run.start(tmp_path, *MATRIX)
    folder, _ = wait_for(temporary, "client")
    wait_for_observations(tmp_path / "run.jsonl", 20)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2, output
    assert_nothing_is_left(folder, temporary)
    log = runlog.read(tmp_path / "run.jsonl")
    assert log.footer is not None
    assert log.footer.cut_short
    assert (tmp_path / "report.html").exists()


def test_a_process_that_goes_with_a_reply_unread_ends_its_conversation_quietly():
    """To the supervisor such an end is a reset connection, not one that was closed."""
    theirs, ours = Pipe()
    supervisor = SimpleNamespace(answer=lambda request: {"asked": request["ask"]})
    with ThreadPoolExecutor(1) as pool:
        conversation = pool.submit(Supervisor._converse, supervisor, ours)
        theirs.send_bytes(b'{"ask": "worker"}')
        assert theirs.poll(GONE_WITHIN)
        theirs.close()
        assert conversation.result(GONE_WITHIN) is None


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_sigkill_of_the_supervisor(tmp_path, temporary, parallel):
    process = matrix_run.start(tmp_path, *MATRIX, *parallel)
    folder, pid = wait_for(temporary, "supervisor")
    wait_for(temporary, "client")
    wait_for_observations(tmp_path / "run.jsonl", 20)
    os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert_nothing_is_left(folder, temporary)
    log = runlog.read(tmp_path / "run.jsonl")
    assert log.complete
    broken = [one for one in log.observations if one.verdict == "indeterminate"]
    assert broken
    assert {one.blame for one in broken} <= {"harness", "worker"}


def test_services_down_sweeps_after_both_were_killed(tmp_path, temporary):
    process = matrix_run.start(tmp_path, *MATRIX)
    folder, supervisor = wait_for(temporary, "supervisor")
    wait_for(temporary, "worker")
    # the supervisor first: it would end everything when pytest goes
    os.kill(supervisor, signal.SIGSTOP)
    process.kill()
    process.communicate()
    os.kill(supervisor, signal.SIGKILL)
    assert processes.members(folder)
    done = matrix_run.command("-m", "harness.cli", "services", "down")
    assert "1 orphaned run" in done.stdout, done.stdout
    assert_nothing_is_left(folder, temporary)


def test_keep_leaves_stores_and_logs_of_a_red_run(tmp_path, temporary):
    cell = "scenarios/test_values.py::test_round_trip[fake-truncates-json-uncompressed-size_1kib_text]"
    done = matrix_run.run(tmp_path, "--backend", "tests/fakes.py", "--runtime", "local", "--keep", cell)
    assert done.returncode == 1
    kept = matrix_run.run_folder(temporary)
    assert kept is not None
    assert str(kept) in done.stdout
    assert list(kept.glob("stores/*/celery-task-meta-*"))
    assert list(kept.glob("workers/*/worker.log"))
    assert list(kept.glob("services/redis/dump.rdb"))
    assert not processes.members(kept)


def test_keep_leaves_nothing_of_a_green_run(tmp_path, temporary):
    cell = "scenarios/test_values.py::test_round_trip[filesystem-json-uncompressed-int_42]"
    done = matrix_run.run(tmp_path, "--runtime", "local", "--keep", cell)
    assert done.returncode == 0, done.stdout
    assert not matrix_run.left_in(temporary)


def test_logs_are_copied_from_a_run_that_leaves_nothing(tmp_path, temporary):
    cell = "scenarios/test_values.py::test_round_trip[redis-json-uncompressed-int_42]"
    done = matrix_run.run(tmp_path, "--runtime", "local", f"--logs={tmp_path / 'logs'}", cell)
    assert done.returncode == 0, done.stdout
    assert not matrix_run.left_in(temporary)
    copied = {str(log.relative_to(tmp_path / "logs")) for log in (tmp_path / "logs").rglob("*.*")}
    assert copied == {
        *("supervisor.log", "nursery.log"),
        *("services/redis/service.log", "workers/w1/worker.log", "clients/c1/client.log"),
    }
    assert (tmp_path / "logs/services/redis/service.log").read_text()


def test_logs_are_copied_without_passwords_when_pytest_is_killed(tmp_path, temporary):
    process = matrix_run.start(tmp_path, *MATRIX, f"--logs={tmp_path / 'logs'}")
    folder, _ = wait_for(temporary, "worker")
    log = folder / "services/redis/service.log"
    assert poll.until(log.exists, 10)
    with log.open("a") as file:
        file.write("asked at redis://user:opensesame@127.0.0.1:6379/0\n")
    process.kill()
    process.communicate()
    assert_nothing_is_left(folder, temporary)
    copied = (tmp_path / "logs/services/redis/service.log").read_text()
    assert "asked at redis://user:***@127.0.0.1:6379/0" in copied
    assert "opensesame" not in copied


def test_folders_of_killed_runs_are_found(temporary):
    gone = temporary / (processes.FOLDER_PREFIX + "gone")
    gone.mkdir()
    (gone / "owner.json").write_text('{"pid": 1, "created": 1.0}')
    assert psutil.pid_exists(1)
    assert processes.orphaned_runs_below(temporary) == [gone]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere psutil tells")
def test_a_process_that_ends_while_it_is_looked_at_does_not_run():
    process = subprocess.Popen(["sleep", "60"])
    assert runs(process.pid)
    with open(f"/proc/{process.pid}/stat", "rb") as there:
        process.kill()
        assert poll.until(lambda: not runs(process.pid), 10)  # a zombie
        process.wait()
        with mock.patch("builtins.open", return_value=there):
            assert not runs(process.pid)
    assert not runs(process.pid)
