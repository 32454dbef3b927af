"""The corpus: named, complete, deterministic, cheap to list."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import corpus
from harness.ascii import describe
from harness.fidelity import compare
from harness.verdict import Verdict

ROOT = Path(corpus.__file__).resolve().parents[1]

QUESTIONS = set(
    re.findall(r"\w+", "none int float str bytes seq dict time num id class hook graph impossible size")
)

ORDINARY = [each for each in corpus.VALUES if not each.slow]
POSSIBLE = [each for each in ORDINARY if each.question != "v-impossible"]


def names(values):
    return [each.name for each in values]


def test_names_are_unique_and_selectable():
    everything = names(corpus.VALUES) + names(corpus.FAILURES)
    assert len(everything) == len(set(everything))
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in everything)


def test_every_question_of_values_has_values():
    assert {each.question for each in corpus.VALUES} == {f"v-{name}" for name in QUESTIONS}
    assert {each.question for each in corpus.FAILURES} == {"f-builtin", "f-custom", "f-cause", "f-text"}


def test_every_value_says_why():
    for each in (*corpus.VALUES, *corpus.FAILURES):
        assert each.why.endswith((".", "?")), each.name


def test_at_most_one_value_in_ten_is_slow_and_says_why():
    slow = [each for each in corpus.VALUES if each.slow]
    assert 0 < len(slow) <= len(corpus.VALUES) / 10
    assert all(each.patience > 1 for each in slow)


def test_exactly_the_values_of_about_a_mebibyte_are_slow():
    for each in corpus.VALUES:
        if each.question == "v-size":
            built = each.build()
            size = len(built) if isinstance(built, (str, bytes)) else 0
            assert bool(each.slow) == (size >= 2**20 - 1024), each.name


@pytest.mark.parametrize("each", POSSIBLE, ids=names(POSSIBLE))
def test_building_twice_gives_strictly_equal_values(each):
    assert compare(each.build(), each.build()).verdict is Verdict.EXACT


@pytest.mark.parametrize("each", corpus.FAILURES, ids=names(corpus.FAILURES))
def test_building_a_failure_twice_gives_strictly_equal_ones(each):
    assert compare(each.build(), each.build()).verdict is Verdict.EXACT


def test_changing_a_built_value_does_not_change_the_next():
    first = corpus.value("list_mixed").build()
    first[5].append("changed")
    assert corpus.value("list_mixed").build()[5] == [1]


def test_values_are_the_same_in_every_process():
    script = (
        "from harness.corpus import VALUES\nfrom harness.ascii import describe\n"
        "for each in VALUES:\n"
        "    if not each.slow: print(each.name, describe(each.build(), 5000))\n"
    )

    def shown(seed):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    here = "".join(f"{each.name} {describe(each.build(), 5000)}\n" for each in ORDINARY)
    assert shown("1") == shown("2") == here


def test_importing_the_corpus_imports_nothing_but_the_standard_library():
    script = (
        "import harness.corpus, sys\n"
        "print([name for name in ('kombu', 'celery', 'yaml', 'msgpack') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(corpus.UnknownValue, match="tuple_nested"):
        corpus.value("tuple_nestd")
    with pytest.raises(corpus.UnknownFailure, match="custom_args"):
        corpus.failure("custom_arg")


def test_a_name_finds_its_value():
    assert corpus.value("int_2_31").build() == 2**31
    assert isinstance(corpus.failure("key_error").build(), KeyError)


def test_the_long_integers_stand_on_both_sides_of_pythons_limit():
    assert 10**3999 <= corpus.value("int_4000_digits").build() < 10**4000
    assert 10**4999 <= corpus.value("int_5000_digits").build() < 10**5000


def test_graphs_are_really_shared_deep_and_circular():
    shared = corpus.value("graph_shared_list").build()
    assert shared[0] is shared[1]
    circular = corpus.value("graph_self_dict").build()
    assert circular["self"] is circular
    deep, depth = corpus.value("graph_depth_1000").build(), 0
    while isinstance(deep, list):
        deep, depth = deep[0], depth + 1
    assert depth == 1000
