"""What a client keeps of the apps with which it sends and reads, and what it learns of a worker that dies."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from harness.cell import Cell, Session, WorkerTrouble
from harness.matrix import Configuration
from harness.oracle import Oracle
from harness.registry import Registry
from harness.services import Server
from harness.worker import WorkerWatch, set_up


def session_of(backend: str, folder: Path, watch: WorkerWatch) -> Session:
    servers = {"redis": Server("redis", "external", "redis://127.0.0.1:1/0", "Redis", "7.0.15", False, 0.0)}
    configuration = Configuration(backend, "json", "uncompressed", "redis", "prefork")
    setup = set_up(configuration, Registry().source(backend), "test", folder, servers)
    return Session(setup, watch, Oracle(), 1.0, 0, lambda *_: None)


@pytest.mark.parametrize(("backend", "kept"), [("rpc-redis", True), ("redis", False)])
def test_the_address_of_an_app_that_received_results_is_never_given_to_another(tmp_path, backend, kept):
    # Celery names the reply queue after the address: another cell's results may lie in it still
    session = session_of(backend, tmp_path, WorkerWatch(tmp_path, 1))
    app = weakref.ref(session.app(session.setup.settings))
    session.close()
    gc.collect()
    assert (app() is not None) is kept


@pytest.mark.parametrize(
    ("backend", "shared"), [("filesystem", True), ("redis", False), ("rpc-redis", False)]
)
def test_cells_share_an_app_unless_it_subscribes_to_what_they_submit(tmp_path, backend, shared):
    session = session_of(backend, tmp_path, WorkerWatch(tmp_path, 1))
    one, other = Cell(session, {}), Cell(session, {})
    assert (one.app is other.app) is shared
    assert one.app is one.app
    assert (session.publisher is session.reader) is (shared or session.backend.reading_consumes)


class DyingWatch(WorkerWatch):
    """A worker that ends its last task, or none, and dies between two looks."""

    def __init__(self, folder: Path, last: str | None) -> None:
        super().__init__(folder, 1)
        self._last, self._dead = last, False

    def alive(self) -> bool:
        self._dead = True
        return False

    def poll(self) -> None:
        if self._dead and self._last:
            self.trace(self._last).runs = 1


@pytest.mark.parametrize("last", ["the-task", None])
def test_what_a_worker_wrote_before_it_died_counts(tmp_path, last):
    cell = Cell(session_of("filesystem", tmp_path, DyingWatch(tmp_path, last)), {})
    task = cell.app.AsyncResult("the-task")
    if last:
        assert cell.settle(task)
    else:
        with pytest.raises(WorkerTrouble, match="the worker process ended"):
            cell.settle(task)


def test_the_collector_waits_for_as_long_as_it_is_asked_to(tmp_path):
    cell = Cell(session_of("filesystem", tmp_path, WorkerWatch(tmp_path, 1)), {})

    def fail() -> None:
        with cell.uncollected():
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gc.isenabled()
