"""What a client keeps of the apps with which it sends and reads."""

from __future__ import annotations

import gc
import weakref

import pytest

from harness.cell import Session
from harness.matrix import Configuration
from harness.oracle import Oracle
from harness.registry import Registry
from harness.services import Server
from harness.worker import WorkerWatch, set_up


@pytest.mark.parametrize(("backend", "kept"), [("rpc-redis", True), ("redis", False)])
def test_the_address_of_an_app_that_received_results_is_never_given_to_another(tmp_path, backend, kept):
    # Celery names the reply queue after the address: another cell's results may lie in it still
    servers = {"redis": Server("redis", "external", "redis://127.0.0.1:1/0", "Redis", "7.0.15", False, 0.0)}
    configuration = Configuration(backend, "json", "uncompressed", "redis", "prefork")
    setup = set_up(configuration, Registry().source(backend), "test", tmp_path, servers)
    session = Session(setup, WorkerWatch(tmp_path, 1), Oracle(), 1.0, 0, lambda *_: None)
    app = weakref.ref(session.app(setup.settings))
    session.close()
    gc.collect()
    assert (app() is not None) is kept
