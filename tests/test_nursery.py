"""What a process finds that a nursery forked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness import poll
from harness.nursery import BACKEND, BROKER, Nursery
from harness.worker import runs

LOOKS = """
import json, sys
from importlib import metadata

def main():
    from celery.utils.imports import load_extension_class_names
    known = load_extension_class_names.cache_info().currsize
    imported = sorted({"sqlalchemy", "redis", "psycopg"} & sys.modules.keys())
    from redis.utils import get_lib_version
    before = get_lib_version()
    metadata.version = lambda name: "another"
    versions = [before, get_lib_version()]
    print(json.dumps({"argv": sys.argv[1:], "imported": imported, "known": known, "versions": versions}))
"""


@pytest.fixture
def looks(tmp_path: Path):
    """Forks a process that says what it finds, from a nursery with these imports."""

    def fork(*imports: str) -> dict[str, object]:
        (tmp_path / "looks.py").write_text(LOOKS)
        nursery = Nursery(imports, tmp_path / "nursery.log", os.environ)
        log = tmp_path / "looks.log"
        pid = nursery.fork(["looks", "word"], log, os.environ)
        assert poll.until(lambda: not runs(pid), 20.0)
        nursery._process.stdin.close()
        assert nursery._process.wait(10) == 0
        return json.loads(log.read_text())

    return fork


def test_a_forked_process_finds_what_was_imported_and_what_celery_and_redis_look_up_once(looks):
    from redis.utils import get_lib_version

    version = get_lib_version()
    assert looks(BROKER + "redis", BACKEND + "db") == {
        "argv": ["word"],
        "imported": ["redis", "sqlalchemy"],
        "known": 1,
        "versions": [version, version],
    }


def test_what_nobody_named_is_not_imported(looks):
    found = looks("json")
    assert found["imported"] == []
    assert found["known"] == 0
    assert found["versions"][1] == "another"
