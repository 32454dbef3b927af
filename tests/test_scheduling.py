"""Which process asks which worker configuration, and which workers are started ahead of need."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matrix_run
import pytest

from harness import runlog
from harness.matrix import Configuration, scope, spread
from harness.questions import scenarios
from harness.registry import Registry
from harness.scheduling import next_backend
from harness.services import Server
from harness.supervisor import Workers
from harness.worker import set_up

BACKENDS = ("filesystem", "redis", "sqlite")
SCENARIOS = {one.name: one for one in scenarios()}


def test_workers_of_their_own_lie_evenly_among_the_matrixs():
    matrixs = [Configuration("redis", str(n), "", "redis", "prefork") for n in range(8)]
    own = [replace(matrixs[0], worker=f"own{n}") for n in range(4)]
    order = spread([*matrixs, *own])
    assert [one for one in order if not one.worker] == matrixs
    assert [one for one in order if one.worker] == own
    assert [bool(one.worker) for one in order] == [False, True, False] * 4
    assert spread(own) == own


def test_a_few_backends_take_turns():
    one, two, three = (
        [Configuration(backend, str(n), "", "redis", "prefork") for n in range(count)]
        for backend, count in (("redis", 2), ("s3", 4), ("sqlite", 3))
    )
    assert spread([*one, *two, *three], abreast=2) == [
        *(one[0], two[0], one[1], two[1]),
        *(two[2], three[0], two[3], three[1], three[2]),
    ]
    assert spread([*three, *two], abreast=1) == [*three, *two]


@pytest.mark.parametrize(
    ("waiting", "last", "others", "expected"),
    [
        ({"redis": 1, "s3": 9}, None, set(), "redis"),
        ({"redis": 1, "s3": 9}, "redis", set(), "redis"),
        ({"redis": 9, "s3": 1}, "s3", {"redis", "s3"}, "s3"),
        ({"redis": 9, "s3": 1, "mysql": 1}, "sqlite", {"redis"}, "s3"),
        ({"redis": 2, "s3": 9, "mysql": 3}, "sqlite", {"redis", "s3", "mysql"}, "s3"),
        ({"": 1}, None, {""}, ""),
    ],
)
def test_a_process_stays_with_its_backend_then_begins_another_then_helps(waiting, last, others, expected):
    assert next_backend(waiting, last, others) == expected


def test_xdist_keeps_configurations_whole_and_begins_each_backend_once(tmp_path):
    done = matrix_run.run(
        tmp_path,
        *("-m", "(filesystem or redis or sqlite) and values and not slow", "-k", "int or none"),
        *("-n", "3", "-v", "--runtime", "local"),
    )
    assert done.returncode == 0, done.stdout
    processes: dict[str, set[str]] = {}
    began: dict[str, list[str]] = {}
    for process, node in re.findall(r"\[(gw\d)\] .*?(?:PASSED|XFAIL) (scenarios/\S+)", done.stdout):
        key = scope(node, BACKENDS, SCENARIOS)
        processes.setdefault(key, set()).add(process)
        seen = began.setdefault(process, [])
        if (backend := key.partition("-")[0]) not in seen:
            seen.append(backend)
    assert len(processes) == 48
    assert all(len(gateways) == 1 for gateways in processes.values())
    assert began.keys() == {"gw0", "gw1", "gw2"}
    assert {first for first, *_ in began.values()} == set(BACKENDS)
    assert len(runlog.read(tmp_path / "run.jsonl").configurations) == 48


class Spawned:
    """A supervisor that spawns nothing, and notes what it was to spawn."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.ended: list[int] = []
        self.children: dict[int, SimpleNamespace] = {}

    def fork(self, imports, kind, words, log, env) -> SimpleNamespace:
        self.keys.append(kind.removeprefix("worker "))
        pid = len(self.keys)
        self.children[pid] = SimpleNamespace(pid=pid, kill=lambda: self.ended.append(pid))
        return self.children[pid]


@pytest.fixture
def planned(tmp_path: Path):
    servers = {"redis": Server("redis", "external", "redis://127.0.0.1:1/0", "Redis", "7.0.15", False, 0.0)}
    registry, supervisor = Registry(), Spawned()
    workers = Workers(tmp_path, supervisor)
    configurations = [
        Configuration(backend, serializer, "zlib", "redis", "prefork")
        for backend in ("redis", "filesystem", "sqlite")
        for serializer in ("json", "pickle", "yaml")
    ]
    workers.plan(
        [set_up(one, registry.source(one.backend), "test", tmp_path, servers) for one in configurations]
    )
    return workers, supervisor


def test_the_next_workers_of_a_backend_are_spawned_when_one_is_taken(planned):
    workers, supervisor = planned
    keys = [setup.configuration.key for setup in workers.planned()]
    assert supervisor.keys == keys[:2]
    workers.take(keys[0])
    assert supervisor.keys == keys[:3]
    workers.take(keys[1])  # one is left to be taken
    assert supervisor.keys == keys[:3]
    workers.take(keys[2])  # the last of its backend: then comes the next one
    assert supervisor.keys == keys[:5]
    workers.release(keys[0])
    assert supervisor.ended == [1]


def test_each_worker_is_spawned_once_however_many_processes_take(planned):
    workers, supervisor = planned
    keys = [setup.configuration.key for setup in workers.planned()]
    for number in (0, 3, 6, 4, 1, 8, 7, 2, 5):
        assert workers.take(keys[number])["pid"] == supervisor.keys.index(keys[number]) + 1
    assert sorted(supervisor.keys) == sorted(keys)


def test_a_service_that_ended_has_no_worker_spawned_any_more(planned):
    workers, supervisor = planned
    keys = [setup.configuration.key for setup in workers.planned()]
    workers.take(keys[0])
    workers.drop("redis")  # the broker of all
    assert supervisor.ended == [2, 3]
    workers.take(keys[0])
    assert supervisor.keys == keys[:3]
