"""Worker configurations are observed side by side, ahead of the test that asks for their cells."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import matrix_run
import pytest

from harness import ahead, poll, runlog
from harness.ahead import Ahead, Work
from harness.errors import RoundtripError


class Scripted:
    """Stands for a conductor: what a set-up says is a function that yields answers."""

    def __init__(self) -> None:
        self.configurations: list[dict[str, object]] = []
        self.stopped = threading.Event()

    def observe(self, setup, asked) -> Iterator[tuple[str, object]]:
        yield from setup.script(self)
        self.configurations.append({"of": setup.script})

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        pass


def quick(*names: str):
    """Answers at once."""
    return lambda _: ((name, name) for name in names)


def work(script, cells: int = 1, backend: str = "redis") -> Work:
    configuration = SimpleNamespace(backend=backend)
    return Work(SimpleNamespace(script=script, configuration=configuration), [None] * cells)


def test_a_thread_stays_with_a_backend_as_long_as_that_is_near(monkeypatch):
    """It has a client there; what is far away is asked for much later."""
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 2)
    order, first, second = [], threading.Event(), threading.Event()

    def noted(name: str, event: threading.Event | None = None):
        def observe(_) -> Iterator[tuple[str, str]]:
            assert event is None or event.wait(10.0)
            order.append(name)
            yield name, name

        return observe

    given = [work(noted("a1", first), backend="a"), work(noted("b1", second), backend="b")]
    given += [work(noted(name), backend=name[0]) for name in ("b2", "a2", "c1", "b3", "a3")]
    made = Ahead(Scripted, given)
    first.set()
    assert poll.until(lambda: len(order) == 6, 10.0)  # who observes b1 waits
    second.set()
    for one in given:
        list(made.answers(one))
    made.close()
    assert order == ["a1", "a2", "b2", "b3", "c1", "a3", "b1"]


def test_several_are_observed_at_once_and_each_is_read_whole(monkeypatch):
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 3)
    together = threading.Barrier(3, timeout=10.0)

    def meets(_) -> Iterator[tuple[str, int]]:
        yield "first", together.wait()
        yield "last", 0

    given = [work(meets) for _ in range(3)]
    made = Ahead(Scripted, given)
    for one in given:
        assert [name for name, _ in made.answers(one)] == ["first", "last"]
        assert one.records == [{"of": meets}]
    made.close()


def test_who_asks_for_what_comes_later_gets_it_first(monkeypatch):
    """Whatever order pytest has the tests in, and however much is unread."""
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(ahead, "UNREAD_AT_MOST", 1)
    given = [work(quick(str(number))) for number in range(6)]
    made = Ahead(Scripted, given)
    order = [5, 3, 0, 4, 1, 2]
    assert [list(made.answers(given[number])) for number in order] == [[(str(n), str(n))] for n in order]
    made.close()


def test_no_more_is_observed_than_may_be_unread(monkeypatch):
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 1)
    monkeypatch.setattr(ahead, "UNREAD_AT_MOST", 20)
    begun = []

    def observing(number: int):
        def observe(_) -> Iterator[tuple[str, str]]:
            begun.append(number)
            yield "cell", "cell"

        return observe

    given = [work(observing(number), cells=10) for number in range(5)]
    made = Ahead(Scripted, given)
    (thread,) = made._threads
    for number, one in enumerate(given):
        may_begin = list(range(min(5, number + 2)))
        assert poll.until(lambda expected=may_begin: begun == expected, 10.0)
        thread.join(0.2)
        assert begun == may_begin
        list(made.answers(one))
    made.close()


def test_an_error_reaches_who_asks_and_nobody_else(monkeypatch):
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 1)

    def breaks(_) -> Iterator[tuple[str, str]]:
        yield "first", "first"
        raise RoundtripError("no process can be started")

    given = [work(breaks), work(quick("next"))]
    made = Ahead(Scripted, given)
    answers = made.answers(given[0])
    assert next(answers) == ("first", "first")
    with pytest.raises(RoundtripError, match="no process can be started"):
        next(answers)
    assert list(made.answers(given[1])) == [("next", "next")]
    made.close()


def test_to_close_ends_what_is_observed_and_begins_nothing(monkeypatch):
    monkeypatch.setattr(ahead, "SIDE_BY_SIDE", 1)
    running, begun = threading.Event(), []

    def until_stopped(conductor: Scripted) -> Iterator[tuple[str, str]]:
        running.set()
        assert conductor.stopped.wait(10.0)
        raise RoundtripError("the run is ending")
        yield

    def next_one(_) -> Iterator[tuple[str, str]]:
        begun.append(1)
        yield "cell", "cell"

    made = Ahead(Scripted, [work(until_stopped), work(next_one)])
    assert running.wait(10.0)
    made.close()
    assert not any(thread.is_alive() for thread in made._threads)
    assert begun == []


def test_a_configuration_is_logged_after_its_cells_whatever_ended_first(tmp_path):
    """Chords that wait for ten seconds come before what does not wait."""
    cells = "filesystem and (json and uncompressed and not slow or canvas)"
    done = matrix_run.run(tmp_path, "-m", cells, "-k", "not test_round_trip", "--runtime=local")
    assert done.returncode == 0, done.stdout
    log = runlog.read(tmp_path / "run.jsonl")
    parts = ("backend", "serializer", "compression", "pool", "worker")
    left = Counter(tuple(one.cell.get(part) for part in parts) for one in log.observations)
    ended = []
    for row in map(json.loads, (tmp_path / "run.jsonl").read_text().splitlines()):
        if row["kind"] in ("observation", "configuration"):
            key = tuple(row["cell"].get(part) for part in parts)
            if row["kind"] == "observation":
                left[key] -= 1
            else:
                ended.append(key)
                assert left[key] == 0, key
    assert set(ended) == set(left)
    assert len(ended) == len(left) > ahead.SIDE_BY_SIDE
