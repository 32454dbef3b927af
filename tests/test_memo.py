"""What clients of a run compute for each other."""

from __future__ import annotations

import threading
import time

import pytest

from harness import generated, poll
from harness.fidelity import compare
from harness.memo import LONG, Memo
from harness.oracle import Oracle
from harness.verdict import Verdict


def slowly(answer, asked):
    """What computes an answer for longer than `LONG`, and notes that it was asked."""

    def compute():
        asked.append(answer)
        end = time.thread_time() + 1.5 * LONG
        while time.thread_time() < end:
            pass
        return answer

    return compute


def test_what_took_long_is_computed_once_for_all(tmp_path):
    asked = []
    for _ in range(2):
        memo = Memo(tmp_path / "memo")  # as another process would make it
        assert memo.get("a/b", slowly((1, float("inf")), asked)) == (1, float("inf"))
        assert memo.get("..", slowly("up", asked)) == "up"
    assert asked == [(1, float("inf")), "up"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["memo"]


def test_what_is_computed_quickly_leaves_no_file(tmp_path):
    memo, asked = Memo(tmp_path / "memo"), []
    for _ in range(2):
        assert memo.get("quick", lambda: asked.append(1) or 7) == 7
    assert asked == [1, 1]
    assert list(tmp_path.iterdir()) == []


def test_who_asks_meanwhile_waits_for_the_answer(tmp_path):
    asked, computing, answers = [], threading.Event(), []

    def ask(compute) -> None:
        # a flock is of an open file, not of a process: threads stand for processes
        answers.append(Memo(tmp_path).get("same", compute, once=True))

    def first():
        computing.set()
        assert poll.until(other.is_alive, 10.0)
        return slowly(1, asked)()

    one = threading.Thread(target=ask, args=(first,))
    other = threading.Thread(target=ask, args=(slowly(2, asked),))
    one.start()
    assert computing.wait(10.0)
    other.start()
    for thread in (one, other):
        thread.join(10.0)
    assert (asked, answers) == ([1], [1, 1])


def test_what_cannot_be_pickled_is_computed_by_each(tmp_path):
    memo, asked = Memo(tmp_path), []
    lock = threading.Lock()
    for _ in range(2):
        assert memo.get("lock", slowly(lock, asked)) is lock
    assert asked == [lock, lock]


def test_what_computing_raises_is_not_kept(tmp_path):
    memo = Memo(tmp_path)
    with pytest.raises(KeyError):
        memo.get("broken", lambda: {}["nothing"])
    assert list(tmp_path.iterdir()) == []


def test_oracles_share_what_takes_a_serializer_long(tmp_path):
    """Ten thousand numbers in yaml: the second oracle answers the same, without the serializer."""
    first = Oracle(memo=Memo(tmp_path)).expect("size_10000_items", "yaml", "zlib")
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"oracle-yaml-size_10000_items.pickle"}
    began = time.thread_time()
    second = Oracle(memo=Memo(tmp_path)).expect("size_10000_items", "yaml", "zlib")
    assert time.thread_time() - began < LONG
    assert second == first
    assert compare(first.value, second.value).verdict is Verdict.EXACT


@pytest.mark.parametrize("name", generated.CLASSES)
def test_generated_values_are_the_same_from_another_process(tmp_path, name, monkeypatch):
    monkeypatch.setattr("harness.memo.LONG", 0.0)
    made = Memo(tmp_path).get(name, lambda: generated.values(name, 4))
    again = Memo(tmp_path).get(name, list)
    assert compare(made, again).verdict is Verdict.EXACT
    assert made
