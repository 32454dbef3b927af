"""The core goes through the same door as plug-ins: nothing in harness/ knows one of its backends by name."""

from __future__ import annotations

import ast

import matrix_run
import pytest

from harness import brokers, contract
from harness.registry import Registry

HARNESS = matrix_run.ROOT / "harness"
DEFAULTS = "brokers.py"
"""The one file outside harness/services that may name servers: each broker, and which is the default."""
A_BROKERS = "spool.py"
"""kombu's filesystem transport, mended: the broker of that name is the only one to use it."""
OF_SERVICES = "jars.py"
"""Belongs to harness/services, but images/ imports it where nothing is installed."""
CORE = {name for name, source in Registry().sources.items() if source.is_core}
FILES = [file for file in sorted(HARNESS.glob("*.py")) if file.name not in (DEFAULTS, A_BROKERS, OF_SERVICES)]


def words(file) -> set[str]:
    """What a module's code says: names, attributes, imported modules and texts, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    said: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                said |= {part for alias in names for part in alias.name.split(".")}
                said |= set((getattr(node, "module", None) or "").split("."))
            case ast.Name(id=name) | ast.Attribute(attr=name):
                said.add(name)
            case ast.Constant(value=str(text)):
                said.add(text)
    return said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_in_the_harness_knows_a_core_backend_by_name(file):
    assert {name.replace("_", "-") for name in words(file)} & CORE == set()


def test_the_check_would_find_one(tmp_path):
    file = tmp_path / "x.py"
    for line in ("import redis", 'if name == "rpc-redis": pass', "from backends.rpc_redis import RPC"):
        file.write_text(line)
        assert {name.replace("_", "-") for name in words(file)} & CORE


@pytest.mark.parametrize("name", sorted(CORE))
def test_a_core_backend_keeps_the_contract(name):
    contract.check_backend(Registry().load(name))


def test_the_misbehaving_stores_are_plug_ins_of_this_contract():
    registry = Registry([str(matrix_run.ROOT / "tests" / "fakes.py")])
    fakes = [name for name in registry.names if not registry.source(name).is_core]
    assert len(fakes) > 20
    for name in fakes:
        contract.check_backend(registry.load(name))


def test_the_default_broker_is_one():
    assert brokers.DEFAULT in brokers.BROKERS
