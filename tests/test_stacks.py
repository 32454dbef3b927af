"""What a process tells of its threads is whole when it is read, however long it takes to write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import poll, stacks

THREADS, FRAMES = 60, 90  # faulthandler shows no more than 100 of each

HANGING = f"""
import sys, threading
from pathlib import Path
from harness import stacks

stacks.write_on_signal(Path(sys.argv[1]))
together = threading.Barrier({THREADS} + 1)

def descend(left):
    if left:
        descend(left - 1)
    else:
        together.wait()
        threading.Event().wait()

for _ in range({THREADS}):
    threading.Thread(target=descend, args=({FRAMES},), daemon=True).start()
together.wait()
print("hangs", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def pid(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HANGING, tmp_path], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        yield process.pid
        process.kill()


def test_it_is_whole_when_it_takes_long_to_write(pid: int, tmp_path: Path) -> None:
    told = stacks.ask(pid, tmp_path)
    assert told.count("in descend\n") == THREADS * (FRAMES + 1)
    # the main thread comes last, with its outermost frame
    assert told.endswith("in <module>\n")


def test_who_asks_again_gets_the_new_one_alone(pid: int, tmp_path: Path) -> None:
    first, second = stacks.ask(pid, tmp_path), stacks.ask(pid, tmp_path)
    assert first.endswith("in <module>\n")
    assert second.endswith("in <module>\n")
    (file,) = tmp_path.iterdir()
    assert file.read_text() == first + second


def test_a_process_that_has_ended_has_no_stack(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert stacks.ask(ended.pid, tmp_path) == "the process is gone"


BLOCKING = """
import signal, sys, threading
from pathlib import Path
from harness import stacks

stacks.write_on_signal(Path(sys.argv[1]))
blocks = threading.Event()

def block():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    blocks.set()
    threading.Event().wait()

if sys.argv[2] == "main":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
else:
    threading.Thread(target=block, daemon=True).start()
    blocks.wait()
print("blocks", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def blocking(tmp_path: Path):
    """Starts a process whose main thread, or another, blocks the signal: its pid."""
    started: list[subprocess.Popen[str]] = []

    def start(thread: str) -> int:
        command = [sys.executable, "-c", BLOCKING, str(tmp_path), thread]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[0].stdout is not None
        assert started[0].stdout.readline() == "blocks\n"
        return started[0].pid

    yield start
    for process in started:
        with process:
            process.kill()


def test_a_process_that_blocks_the_signal_is_not_waited_for_for_ever(
    blocking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "WRITTEN_WITHIN", 0.2)
    assert stacks.ask(blocking("main"), tmp_path) == "no stack was written"


def test_a_thread_that_blocks_it_at_all_times_does_not_count(
    blocking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As threads of C libraries do."""
    until, waits = poll.until, []
    monkeypatch.setattr(poll, "until", lambda *given: waits.append(until(*given)))
    told = stacks.ask(blocking("another"), tmp_path)
    assert told.endswith("in <module>\n")
    assert told.count("hread 0x") == 2
    assert waits == [True]
