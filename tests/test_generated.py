"""Generated values: the same under one seed, shrunk where they deviate, replayed by the repro."""

from __future__ import annotations

import shlex

import matrix_run
import pytest
from fakes import DEADLINE

from harness import generated
from harness.errors import UnknownName
from harness.fidelity import compare
from harness.verdict import Verdict

CELL = "test_generated[fake-drops-microseconds-json-datetimes]"
SIMPLEST = "datetime.datetime(2000, 1, 1, 0, 0, 0, 1)"


@pytest.mark.parametrize("name", generated.CLASSES)
def test_a_seed_names_the_values_of_a_class(name):
    first = generated.values(name, 5)
    generated.values.cache_clear()
    again = generated.values(name, 5)
    assert len(first) > 5
    assert compare(list(first), list(again)).verdict is Verdict.EXACT


def test_another_seed_gives_other_values():
    assert generated.values("text", 1) != generated.values("text", 2)


@pytest.mark.parametrize("name", generated.CLASSES)
def test_values_travel_unharmed(name):
    for value in generated.values(name, 3):
        text = generated.packed(value)
        assert text.isascii()
        assert compare(value, generated.unpacked(text)).verdict is Verdict.EXACT


def test_every_class_is_listed():
    assert set(generated._classes()) == set(generated.CLASSES)


def test_unknown_class():
    with pytest.raises(UnknownName, match="did you mean text"):
        generated.strategy("texts")


def test_shrinking_finds_the_simplest_value():
    assert generated.shrink("integers", 0, lambda value: value > 1000) == 1001
    assert generated.shrink("integers", 0, lambda _: False) is None


def test_a_deviation_is_shrunk_and_its_repro_replays_it(tmp_path):
    node = f"scenarios/test_values.py::{CELL}"
    options = ("--backend", "tests/fakes.py", "--runtime", "local", f"--deadline={DEADLINE}", "--seed", "11")
    done = matrix_run.run(tmp_path, *options, node)
    assert done.returncode == 1, done.stdout
    seen = matrix_run.observations(tmp_path)[CELL]
    assert (seen.verdict, seen.blame) == ("altered", "backend")
    assert seen.evidence["sent"] == SIMPLEST
    assert seen.evidence["facts"]["seed"] == 11
    repro = shlex.split(seen.repro)
    assert "--seed=11" in repro
    again = tmp_path / "again"
    again.mkdir()
    matrix_run.run(again, *repro[3:], f"--deadline={DEADLINE}")
    assert matrix_run.observations(again)[CELL].evidence["sent"] == SIMPLEST
