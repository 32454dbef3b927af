"""A service that dies in the middle of a run: its cells say so, all else completes, the log is whole."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import matrix_run
import pytest

from harness import conductor, containers, poll, processes, runlog
from harness.ahead import SIDE_BY_SIDE
from harness.errors import NotReady
from harness.matrix import COMPRESSIONS, SERIALIZERS
from harness.report.model import build
from harness.services import Server, service
from harness.sources import Source
from harness.watching import Ending, Watcher, how_it_ended

SETTLED_WITHIN = 20.0
"""Seconds after the kill within which no cell may wait for the service any more; measured: about 1."""
STARTS_WITHIN = 120.0


def observed(log: Path, backend: str) -> int:
    """How many cells of a backend are in a run log that is still written."""
    if not log.exists():
        return 0
    found = (json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return sum(row["kind"] == "observation" and row["cell"]["backend"] == backend for row in found)


def kill_process(folder: Path, name: str) -> None:
    """SIGKILL to all that a local service consists of."""
    (pid,) = {int(str(row["pid"])) for row in processes._records(folder) if row["kind"] == f"service {name}"}
    os.killpg(pid, signal.SIGKILL)


def kill_container(folder: Path) -> None:
    """``docker kill`` of the one container of a run."""
    found = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"label={containers.RUN_LABEL}={folder.name}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(found) == 1
    subprocess.run(["docker", "kill", *found], check=True, capture_output=True)


def run_and_kill(
    folder: Path,
    temporary: Path,
    name: str,
    backend: str,
    arguments: tuple[str, ...],
    kill: Callable[[Path], None] | None = None,
) -> tuple[int, str, runlog.RunLog]:
    """Run two backends and kill a service when 20 cells of the first are judged."""
    log = folder / "run.jsonl"
    codecs = " or ".join(COMPRESSIONS)
    cells = f"({backend} and ({codecs}) or sqlite and json and uncompressed) and not slow"
    process = matrix_run.start(folder, "-m", cells, "-k", "test_round_trip", *arguments)
    try:
        assert poll.until(lambda: observed(log, backend) >= 20 or process.poll() is not None, STARTS_WITHIN)
        run = matrix_run.run_folder(temporary)
        assert run is not None, process.communicate()[0]
        kill(run) if kill else kill_process(run, name)
        output, _ = process.communicate(timeout=SETTLED_WITHIN + 60)
    finally:
        process.kill()
    return process.returncode, output, runlog.read(log)


def assert_only_its_cells_are_lost(log: runlog.RunLog, name: str, backend: str, logged: bool = True) -> None:
    assert log.complete
    ended = [one for one in log.services if one.ended]
    assert [one.name for one in ended] == [name]
    assert [one for one in build(log).services if one.name == name] == ended
    cells = {
        side: [one for one in log.observations if one.cell["backend"] == side] for side in ("sqlite", backend)
    }
    assert {one.outcome for one in cells["sqlite"]} <= {"passed", "expected"}
    # all were settled, each once
    values = {one.cell["value"] for one in cells["sqlite"]}
    every = list(itertools.product(SERIALIZERS, COMPRESSIONS))
    points = [(part(one), one.cell["value"]) for one in cells[backend]]
    assert sorted(points) == sorted(itertools.product(every, values))
    settled = [one for one in cells[backend] if one.outcome in ("passed", "expected")]
    assert len(settled) >= 20, Counter(one.detail for one in cells[backend])
    left = [one for one in cells[backend] if one not in settled]
    # nobody but the service is to blame: no refused, lost, hung or unreadable among them
    assert {(one.verdict, one.blame) for one in left} == {("indeterminate", "harness"), ("not-run", None)}
    for one in left:
        assert f"{name} ended in the middle of the run" in one.detail
        if one.verdict == "indeterminate":
            assert one.outcome == "failed"
            assert (name in one.evidence["service_log"]) is logged
    # what was under way is indeterminate, what was not begun is not run
    verdicts = {one: {each.verdict for each in left if part(each) == one} for one in map(part, left)}
    assert all(len(kinds) == 1 for kinds in verdicts.values()), verdicts
    begun = [one for one, kinds in verdicts.items() if kinds == {"indeterminate"}]
    assert 0 < len(begun) <= SIDE_BY_SIDE
    assert not {part(one) for one in log.configurations if one.cell["backend"] == backend} & set(verdicts)


def part(record: runlog.ObservationRecord | runlog.Configuration) -> tuple[str, str]:
    """Which of the matrix's configurations of a backend it is of."""
    return record.cell["serializer"], record.cell["compression"]


STORES = [("redis", "redis"), ("postgresql", "postgresql"), ("mariadb", "mysql"), ("memcached", "memcached")]
STORES += [
    ("mongodb", "mongodb"),
    ("cassandra", "cassandra"),
    ("elasticsearch", "elasticsearch"),
    ("s3", "s3"),
]


@pytest.mark.parametrize(("name", "backend"), STORES)
def test_sigkill_of_a_store(tmp_path, temporary, name, backend):
    arguments = ("--runtime=local", "--broker=filesystem")
    code, output, log = run_and_kill(tmp_path, temporary, name, backend, arguments)
    assert code == 1, output
    assert_only_its_cells_are_lost(log, name, backend)
    assert "SIGKILL" in next(one.ended for one in log.services if one.ended)
    assert f"{name} ended in the middle of the run: its process was ended by SIGKILL" in output
    assert not matrix_run.left_in(temporary)


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_sigkill_of_the_broker(tmp_path, temporary, name):
    """Every configuration needs it: nothing completes but what was done before."""
    arguments = ("--runtime=local", f"--broker={name}", "-n", "2", "--dist", "load")
    code, output, log = run_and_kill(tmp_path, temporary, name, "filesystem", arguments)
    assert code == 1, output
    assert log.complete
    left = [one for one in log.observations if one.outcome not in ("passed", "expected")]
    assert {(one.verdict, one.blame) for one in left} <= {("indeterminate", "harness"), ("not-run", None)}
    assert {one.cell["backend"] for one in left} == {"filesystem", "sqlite"}
    assert all(f"{name} ended in the middle of the run" in one.detail for one in left)
    assert not matrix_run.left_in(temporary)


IMAGES = matrix_run.ROOT / ".build" / "images.toml"
has_docker = (
    shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
)


@pytest.mark.skipif(
    not (has_docker and IMAGES.exists()),
    reason="needs a Docker daemon and the stand-in images: make images",
)
def test_docker_kill_of_a_store(tmp_path, temporary):
    arguments = ("--runtime=docker", f"--images={IMAGES}", "--broker=filesystem")
    code, output, log = run_and_kill(tmp_path, temporary, "redis", "redis", arguments, kill_container)
    assert code == 1, output
    assert_only_its_cells_are_lost(log, "redis", "redis")
    assert "its container ended" in next(one.ended for one in log.services if one.ended)
    assert not matrix_run.left_in(temporary)


def test_sigkill_of_what_starts_workers(tmp_path, temporary):
    """No worker can be started any more: each cell that needs one says so, and the run comes to its end."""

    def kill(folder: Path) -> None:
        for row in processes._records(folder):
            if row["kind"] == "nursery":
                processes.kill_group(int(str(row["pid"])))

    arguments = ("--runtime", "local", "-m", "redis and not slow")  # more workers than are started ahead
    code, output, log = run_and_kill(tmp_path, temporary, "nursery", "redis", arguments, kill)
    assert code == 1, output
    assert log.complete
    left = [one for one in log.observations if one.outcome not in ("passed", "expected")]
    assert left
    assert {(one.verdict, one.blame) for one in left} == {("indeterminate", "harness")}
    assert all("no process can be started" in one.detail for one in left), left[0].detail


@pytest.fixture
def foreign_redis(tmp_path):
    """A server that no run has started: its URL and its process."""
    (tmp_path / "redis").mkdir()
    port = processes.free_port()
    made = service("redis").local_command(port, tmp_path / "redis")
    process = subprocess.Popen(made.argv, stdout=subprocess.DEVNULL)
    url = service("redis").local_url(port)
    assert poll.until(lambda: answers(url), 10)
    yield url, process
    process.kill()
    process.wait()


def answers(url: str) -> bool:
    try:
        return bool(service("redis").probe(url, 1.0))
    except NotReady:
        return False


def test_a_foreign_server_that_goes_silent(tmp_path, temporary, foreign_redis):
    """Nobody sees its process end: it is asked, and given up after a while."""
    url, process = foreign_redis

    arguments = ("--runtime=local", "--broker=filesystem", f"--service=redis={url}")
    code, output, log = run_and_kill(
        tmp_path, temporary, "redis", "redis", arguments, lambda _: process.kill()
    )
    assert code == 1, output
    assert_only_its_cells_are_lost(log, "redis", "redis", logged=False)
    assert "did not answer for 5 s" in next(one.ended for one in log.services if one.ended)


def test_client_inline_settles_its_batch_too(tmp_path, temporary):
    arguments = ("--runtime=local", "--broker=filesystem", "--client=inline")
    code, output, log = run_and_kill(tmp_path, temporary, "redis", "redis", arguments)
    assert code == 1, output
    assert log.complete
    left = [one for one in log.observations if one.outcome not in ("passed", "expected")]
    assert {(one.verdict, one.blame) for one in left} <= {("indeterminate", "harness"), ("not-run", None)}


def test_cells_left_by_a_dead_service_make_no_green_run(tmp_path, temporary):
    """Killed between two configurations, so that no cell is indeterminate: the run must fail all the same."""
    scenario = tmp_path / "test_last.py"
    scenario.write_text(ENDS_ITS_STORE.format(folder=str(temporary)))
    done = matrix_run.run(
        tmp_path,
        *(str(scenario), "-p", "harness.plugin", "-m", "redis and (json or yaml)", "--runtime=local"),
        *("--broker=filesystem", "--client=inline"),
    )
    log = runlog.read(tmp_path / "run.jsonl")
    assert [(one.verdict, one.outcome) for one in log.observations] == [
        ("exact", "passed"),
        ("not-run", "skipped"),
    ]
    assert done.returncode == 1, done.stdout


ENDS_ITS_STORE = '''
"""A scenario that holds, and ends the store of the run behind it."""

import json
import os
import signal
from pathlib import Path

from harness import poll
from harness.scenario import scenario
from harness.verdict import Verdict


@scenario("backend", "serializer", answers=[])
def test_ends_its_store(cell):
    """It holds."""
    (records,) = Path({folder!r}).glob("roundtrip-*/processes.jsonl")
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    pid = next(row["pid"] for row in rows if row["kind"] == "service redis")
    os.killpg(pid, signal.SIGKILL)
    assert poll.until(lambda: not os.path.exists(f"/proc/{{pid}}"), 10)
    return cell.promise(True, None, otherwise=Verdict.LOST)
'''


class Told:
    """What a conductor asks: at each look at the services, the next endings."""

    folder = Path()

    def __init__(self, looks: list[list[Ending]]) -> None:
        self.looks = looks

    def ask(self, ask: str, **request: object) -> dict[str, object]:
        return {"endings": [vars(one) for one in self.looks.pop(0)]} if ask == "look" else {}


class Quiet:
    """Hears of nothing."""

    def __init__(self, folder: Path) -> None:
        pass

    def of(self, names: object) -> None:
        return None


class Scripted:
    """A client that has its answers ready."""

    def __init__(self, answers: list[dict[str, object]]) -> None:
        self.answers = answers

    def run(self, request: object, needs: object) -> Iterator[dict[str, object]]:
        yield from self.answers

    def stop(self) -> None:
        pass


class Named(conductor.Asked):
    """A cell by its name alone."""

    def request(self) -> dict[str, object]:
        return {}


def conduct(
    monkeypatch, *looks: list[Ending], every: float = float("inf")
) -> dict[str, conductor.Observation]:
    """Observe three cells: one holds, one deviates, one is lost and looked at again.

    :param every: seconds between two looks at the services before the end of the batch.
    """
    monkeypatch.setattr(conductor, "Endings", Quiet)
    monkeypatch.setattr(conductor, "LOOK_EVERY", every)
    made = conductor.Conductor(Told(list(looks)), inline=True, deadline=5.0, seed=0)
    seen = {"verdict": "exact", "blame": None, "holds": True, "provisional": False}
    seen |= {"detail": "", "oracle": None, "evidence": {}, "seconds": 0.0, "type": "observation"}
    raised = seen | {"verdict": "unreadable", "blame": "backend", "holds": False, "detail": "ConnectionError"}
    lost = raised | {"verdict": "lost", "provisional": True}
    configuration = {"worker_ready_seconds": None}
    answers = [
        seen | {"cell": "holds"},
        raised | {"cell": "raises"},
        lost | {"cell": "vanishes"},
        lost | {"cell": "vanishes", "provisional": False},
        {"type": "done", "configuration": configuration},
    ]
    made._clients["redis"] = Scripted(answers)
    setup = SimpleNamespace(
        configuration=SimpleNamespace(key="k", backend="redis"),
        servers={"redis": None},
        environment={},
        source=Source("redis", "backends.redis"),
    )
    asked = [Named(SimpleNamespace(cell_id=name), "", "") for name in ("holds", "raises", "vanishes")]
    return dict(made.observe(setup, asked))


def test_what_is_seen_while_a_service_ends_blames_nobody(monkeypatch):
    observed = conduct(monkeypatch, [Ending("redis", "SIGKILL", time.monotonic() - 2)])
    assert observed["holds"].verdict == "exact"
    for name, verdict in (("raises", "unreadable"), ("vanishes", "lost")):
        assert (observed[name].verdict, observed[name].blame) == ("indeterminate", "harness")
        assert "redis ended in the middle of the run: SIGKILL" in observed[name].detail
        assert verdict in observed[name].evidence["notes"][0]


def test_what_was_seen_while_it_lived_counts(monkeypatch):
    observed = conduct(monkeypatch, [Ending("redis", "SIGKILL", time.monotonic() + 60)])
    assert {name: one.verdict for name, one in observed.items()} == {
        "holds": "exact",
        "raises": "unreadable",
        "vanishes": "lost",
    }


def test_what_deviates_on_services_that_live_is_reported_as_seen(monkeypatch):
    observed = conduct(monkeypatch, [])
    assert [one.verdict for one in observed.values()] == ["exact", "unreadable", "lost"]


def test_a_look_in_the_batch_releases_what_is_final(monkeypatch):
    ending = Ending("redis", "SIGKILL", time.monotonic() - 2)
    observed = conduct(monkeypatch, [], [], [ending], every=-1.0)
    assert observed["raises"].verdict == "unreadable"
    # the look after its first `lost` was good, the one after its second was not
    assert observed["vanishes"].verdict == "indeterminate"


def test_a_watcher_tells_once_how_a_process_ended(foreign_redis, tmp_path):
    url, process = foreign_redis
    told: list[Ending] = []
    watcher = Watcher(told.append)
    log = tmp_path / "service.log"
    log.write_text("one\nlast: redis://:secret@host\n")
    server = Server("redis", "local", url, "Redis", "7", True)
    watcher.watch(server, lambda: how_it_ended(process.wait(), log))
    assert watcher.look(["redis"]) == []
    process.kill()
    (ending,) = watcher.look(["redis"])
    assert poll.until(lambda: told, 5) == [ending]
    assert ending.how.startswith("its process was ended by SIGKILL; its last words: last: redis://")
    assert "secret" not in ending.how


def test_a_closed_watcher_tells_nothing(foreign_redis):
    url, process = foreign_redis
    told: list[Ending] = []
    ended = threading.Event()
    watcher = Watcher(told.append)

    def wait() -> str:
        process.wait()
        ended.set()
        return "it ended"

    watcher.watch(Server("redis", "local", url, "Redis", "7", True), wait)
    watcher.close()
    process.kill()
    assert ended.wait(10)
    assert not told
    assert not watcher.endings
