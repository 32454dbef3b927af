"""From what a caller received to verdict and blame, one step of the narrowing down at a time.

What lies in the store here is a table: the judge is tested, not a store. Runs with flawed backends, real
workers included, are in test_fakes.py.
"""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import celery
import celery.exceptions
import pytest
from celery.backends.base import Backend as CeleryBackend
from kombu.exceptions import DecodeError, EncodeError
from kombu.serialization import dumps

from harness import judging
from harness.backend import Backend, Namespace, Stored
from harness.errors import ServiceUnavailable
from harness.identify import MARKER
from harness.judging import AtRestCrash, Case, NoNativeReader, Received, Reply
from harness.matrix import Configuration
from harness.oracle import Refused, Returned, encode, expect, expect_failure
from harness.sources import Source
from harness.verdict import Answer, Blame, Verdict
from harness.worker import Setup, TaskTrace, WorkerWatch

TASK = "11111111-2222-3333-4444-555555555555"

STARTED = {"event": "started", "at": 10.0, "pid": 7}
WRITING = {"event": "writing", "at": 10.5}
WROTE = {"event": "wrote", "at": 10.75, "state": "SUCCESS"}
WROTE_FAILURE = {"event": "wrote", "at": 11.0, "state": "FAILURE"}
REFUSED = {"event": "write-failed", "at": 10.75, "type": "redis.exceptions.DataError", "message": "too long"}
GONE = {"event": "child-gone", "at": 11.0}
WRITTEN = (STARTED, WRITING, WROTE)


class Shelf(Backend):
    """Keeps bytes in a table, as they are."""

    name, description, documentation = "shelf", "a table", "https://example.org"
    packages = {"sqlite3": "sqlite3", "shelf.client": "shelf", "celery": "celery", "kombu": "kombu"}

    def __init__(self) -> None:
        super().__init__(Namespace("shelf", Path()), {})
        self.held: dict[str, bytes] = {}

    def settings(self):
        return {"result_backend": "shelf://"}

    def at_rest(self, task_id):
        return Stored(self.held[task_id], f"shelf/{task_id}") if task_id in self.held else None

    def plant(self, task_id, raw):
        self.held[task_id] = raw

    def evict(self, task_id):
        del self.held[task_id]

    def search(self, field, wanted):
        return [field, wanted]

    def inventory(self):
        return sorted(self.held)


class Bare(Shelf):
    """Holds the bare result, not Celery's meta."""

    stores_meta = False


class Cutting(Shelf):
    def plant(self, task_id, raw):
        self.held[task_id] = raw[:-1]


class Dropping(Shelf):
    def plant(self, task_id, raw):
        pass


class Full(Shelf):
    """Its driver refuses."""

    def plant(self, task_id, raw):
        json.loads("full")


class Clumsy(Shelf):
    """Its own code raises."""

    def plant(self, task_id, raw):
        raise ZeroDivisionError("planting")


class Blind(Shelf):
    def at_rest(self, task_id):
        raise NotImplementedError

    def evict(self, task_id):
        raise NotImplementedError

    def search(self, field, wanted):
        raise NotImplementedError

    def inventory(self):
        raise NotImplementedError


class Barren(Shelf):
    def plant(self, task_id, raw):
        raise NotImplementedError


class Broken(Shelf):
    def at_rest(self, task_id):
        raise ZeroDivisionError("reading")

    def evict(self, task_id):
        raise ZeroDivisionError("removing")

    def search(self, field, wanted):
        raise ZeroDivisionError("searching")

    def inventory(self):
        raise ZeroDivisionError("listing")


@pytest.fixture
def case(tmp_path: Path):
    """Builds what a verdict is drawn from; without more said, a result that the worker wrote."""

    def build(
        answer: Answer = Answer.RETURNED,
        *,
        value: object = None,
        error: BaseException | None = None,
        state: str = "SUCCESS",
        events: tuple[dict[str, object], ...] = WRITTEN,
        backend: Shelf | None = None,
        raw: bytes | None = None,
        serializer: str = "json",
        compression: str = "uncompressed",
        log: str = "",
    ) -> Case:
        backend = backend or Shelf()
        if raw is not None:
            backend.held[TASK] = raw
        trace = TaskTrace()
        for event in events:
            trace.add(event)
        (tmp_path / "worker.log").write_text(log)
        configuration = Configuration("shelf", serializer, compression, "redis", "prefork")
        return Case(
            backend=backend,
            setup=Setup(configuration, Source("shelf", "shelf"), "shelf", "", {}, {}, {}),
            watch=WorkerWatch(tmp_path, 0),
            received=Received(answer, state, trace, TASK, value, error),
            look=lambda: judging.look_at_rest(backend, TASK),
            submitted_at=9.0,
            evidence={},
        )

    return build


def told(seen):
    return seen.verdict, seen.blame, seen.holds


def meta(result: object, serializer: str = "json") -> bytes:
    return encode({"status": "SUCCESS", "result": result}, serializer)


def lost(result: object = None, **facts: object) -> dict[str, object]:
    """Arguments of `case` for a result that the caller did not get."""
    return {"answer": Answer.NOTHING, "state": "PENDING", "raw": meta(result), **facts}


# -- a value that came back


def test_what_comes_back_as_it_was_sent_is_exact(case) -> None:
    made = case(value=[1, 2])
    seen = judging.value(made, [1, 2], expect([1, 2], "json"))
    assert told(seen) == (Verdict.EXACT, None, True)
    assert (seen.detail, seen.oracle, seen.evidence) == ("", None, {})


def test_what_the_serializer_changed_is_its_own_and_holds(case) -> None:
    seen = judging.value(case(value=[1, 2]), (1, 2), expect((1, 2), "json"))
    assert told(seen) == (Verdict.COERCED, Blame.SERIALIZER, True)
    assert seen.detail == "type differs at $: (1, 2) became [1, 2]"
    assert seen.oracle == "[1, 2]"
    assert seen.evidence == {
        "sent": "(1, 2)",
        "received": "[1, 2]",
        "difference": {
            "against": "sent",
            "path": "$",
            "kind": "type",
            "sent": "(1, 2)",
            "received": "[1, 2]",
        },
    }


def test_what_came_back_otherwise_than_the_serializer_gives_it_does_not_hold(case) -> None:
    seen = judging.value(case(value=[1, 3], raw=meta([1, 2])), (1, 2), expect((1, 2), "json"))
    assert told(seen) == (Verdict.ALTERED, Blame.BACKEND, False)
    assert seen.detail == "content differs at $[1]: 2 became 3"
    assert seen.oracle == "[1, 2]"
    assert seen.evidence["sent"] == "(1, 2)"
    assert seen.evidence["received"] == "[1, 3]"
    assert seen.evidence["difference"]["against"] == "oracle"


def test_a_surprising_green_is_a_deviation(case) -> None:
    """JSON gives a list; a tuple that comes back a tuple went past the serializer."""
    seen = judging.value(case(value=(1, 2), raw=meta([1, 2])), (1, 2), expect((1, 2), "json"))
    assert told(seen) == (Verdict.EXACT, Blame.BACKEND, False)
    assert seen.evidence["difference"]["against"] == "oracle"


def test_what_comes_back_although_the_serializer_refuses_it_is_the_backends_doing(case) -> None:
    seen = judging.value(case(value={1}), {1}, expect({1}, "json"))
    assert told(seen) == (Verdict.EXACT, Blame.BACKEND, False)
    assert seen.detail == "came back although serializer alone raises kombu.exceptions.EncodeError at dump"
    assert (seen.evidence["sent"], seen.evidence["received"]) == ("set({1})", "set({1})")
    assert seen.oracle.startswith("raises kombu.exceptions.EncodeError at dump: Object of type set")


# -- a value that did not


def test_the_refusal_of_the_serializer_holds(case) -> None:
    error = EncodeError("Object of type set is not JSON serializable")
    made = case(Answer.FAILED, error=error, state="FAILURE", events=(STARTED, WRITING, REFUSED))
    seen = judging.value(made, {1}, expect({1}, "json"))
    assert told(seen) == (Verdict.REFUSED, Blame.SERIALIZER, True)
    says = "raises kombu.exceptions.EncodeError at dump: Object of type set is not JSON serializable"
    assert seen.detail == f"serializer {says}"
    assert seen.oracle == says
    assert seen.evidence == {"sent": "set({1})"}


def test_so_does_one_at_reading(case) -> None:
    oracle = expect({1: "a"}, "msgpack")
    made = case(Answer.RAISED, error=DecodeError("no"), serializer="msgpack")
    seen = judging.value(made, {1: "a"}, oracle)
    assert told(seen) == (Verdict.UNREADABLE, Blame.SERIALIZER, True)
    assert seen.evidence == {"sent": "{1: 'a'}"}


@pytest.mark.parametrize(
    ("answer", "error", "events"),
    [
        pytest.param(Answer.FAILED, ValueError("x"), (STARTED, WRITING, REFUSED), id="another class"),
        pytest.param(Answer.RAISED, EncodeError("x"), WRITTEN, id="another phase"),
        pytest.param(Answer.RAISED, EncodeError("x"), (STARTED, WRITING, REFUSED), id="refused, then raised"),
        pytest.param(Answer.NOTHING, None, (STARTED, WRITING, REFUSED), id="nothing stored"),
    ],
)
def test_a_refusal_unlike_the_serializers_does_not_hold(case, answer, error, events) -> None:
    made = case(answer, error=error, state="FAILURE", events=events)
    seen = judging.value(made, {1}, expect({1}, "json"))
    assert not seen.holds
    assert seen.blame is Blame.BACKEND
    assert seen.evidence["sent"] == "set({1})"


def test_a_refusal_at_reading_is_none_at_writing(case) -> None:
    made = case(Answer.FAILED, error=DecodeError("no"), events=(STARTED, WRITING, REFUSED))
    seen = judging.value(made, {1: "a"}, expect({1: "a"}, "msgpack"))
    assert told(seen) == (Verdict.REFUSED, Blame.BACKEND, False)


def test_an_error_of_the_task_itself_cannot_be_judged(case) -> None:
    """A task of the harness returns what it is asked for; if it raises, nothing was learnt."""
    made = case(Answer.FAILED, error=EncodeError("x"), events=(STARTED, WRITING, WROTE_FAILURE))
    seen = judging.value(made, {1}, expect({1}, "json"))
    assert told(seen) == (Verdict.INDETERMINATE, Blame.HARNESS, False)
    assert seen.detail == "the task itself raised kombu.exceptions.EncodeError: x"
    assert seen.oracle.startswith("raises kombu.exceptions.EncodeError at dump")
    assert "sent" not in seen.evidence
    assert "at_rest" not in seen.evidence


def unrepresentable():
    """A value whose refusal by YAML cannot be pickled, so that Celery wraps it."""
    return lambda: 0


def test_celerys_own_wrapping_of_a_refusal_is_celerys(case) -> None:
    sent = unrepresentable()
    with pytest.raises(EncodeError) as caught:
        dumps(sent, serializer="yaml")
    wrapped = expect_failure(caught.value, "yaml").value
    assert type(wrapped) is not EncodeError
    events = (STARTED, WRITING, REFUSED)
    made = case(Answer.FAILED, error=wrapped, events=events, serializer="yaml")
    seen = judging.value(made, sent, expect(sent, "yaml"))
    assert told(seen) == (Verdict.REFUSED, Blame.CELERY, False)
    assert seen.detail.startswith("the write was refused, the caller gets celery.utils.serialization.Unp")
    assert seen.evidence["sent"] == "<function test_judging.unrepresentable.<locals>.<lambda>>"
    assert seen.oracle.startswith("raises kombu.exceptions.EncodeError at dump")
    assert "at_rest" not in seen.evidence


@pytest.mark.parametrize(
    ("sent", "serializer", "answer"),
    [
        pytest.param(unrepresentable(), "yaml", Answer.FAILED, id="another error"),
        pytest.param([1], "yaml", Answer.FAILED, id="what the serializer takes"),
        pytest.param(unrepresentable(), "yaml", Answer.RAISED, id="raised by reading"),
    ],
)
def test_any_other_error_is_narrowed_down(case, sent, serializer, answer) -> None:
    made = case(answer, error=KeyError("x"), events=(STARTED, WRITING, REFUSED), serializer=serializer)
    assert judging.value(made, sent, expect(sent, serializer)).blame is Blame.BACKEND
    assert made.evidence["planted"]["intact"] is True


def test_a_serializer_that_takes_the_value_now_has_refused_nothing(case) -> None:
    refused = Refused("kombu.exceptions.EncodeError", "no", "dump", Blame.SERIALIZER)
    made = case(Answer.FAILED, error=KeyError("x"), events=(STARTED, WRITING, REFUSED))
    assert judging.value(made, [1], refused).blame is Blame.BACKEND


# -- what is said of a result that is not there


@pytest.mark.parametrize(
    ("facts", "verdict", "detail"),
    [
        pytest.param(
            {"answer": Answer.NOTHING, "state": "PENDING"},
            Verdict.LOST,
            "nothing there by the deadline",
            id="pending",
        ),
        pytest.param(
            {"answer": Answer.NOTHING, "state": "unknown"},
            Verdict.LOST,
            "nothing there by the deadline",
            id="nobody knows",
        ),
        pytest.param(
            {"answer": Answer.NOTHING, "state": "STARTED"},
            Verdict.STALE,
            "the store still says STARTED after the last write",
            id="an older state",
        ),
        pytest.param(
            {"answer": Answer.NOTHING, "state": "STARTED", "events": (STARTED, WRITING, REFUSED)},
            Verdict.REFUSED,
            "the write raised redis.exceptions.DataError: too long; the caller gets nothing by the deadline",
            id="refused",
        ),
        pytest.param(
            {"answer": Answer.RAISED, "error": KeyError("x")},
            Verdict.UNREADABLE,
            "stored, but reading raises builtins.KeyError: 'x'",
            id="unreadable",
        ),
        pytest.param(
            {"answer": Answer.RAISED, "error": KeyError("x"), "events": (STARTED, WRITING, REFUSED)},
            Verdict.REFUSED,
            "the write raised redis.exceptions.DataError: too long; so does reading: builtins.KeyError",
            id="neither written nor read",
        ),
        pytest.param(
            {"answer": Answer.RAISED, "error": KeyError("x"), "events": (STARTED, WRITING, REFUSED, WROTE)},
            Verdict.UNREADABLE,
            "stored, but reading raises builtins.KeyError: 'x'",
            id="written the second time",
        ),
        pytest.param(
            {"answer": Answer.FAILED, "error": KeyError("x"), "events": (STARTED, WRITING, REFUSED)},
            Verdict.REFUSED,
            "the write was refused, the caller gets builtins.KeyError: 'x'",
            id="an error in its place",
        ),
        pytest.param(
            {"answer": Answer.FAILED, "error": KeyError("x"), "events": (*WRITTEN, WROTE_FAILURE)},
            Verdict.ALTERED,
            "stored as a success, then as a failure: the caller gets builtins.KeyError",
            id="a success, then a failure",
        ),
    ],
)
def test_what_happened_to_a_result_that_is_not_there(case, facts, verdict, detail) -> None:
    seen = judging.value(case(**facts), [1], expect([1], "json"))
    assert (seen.verdict, seen.holds, seen.detail) == (verdict, False, detail)
    assert seen.evidence["sent"] == "[1]"


# -- a process of the worker that died


def test_a_result_that_its_dead_process_did_not_write_is_the_workers(case) -> None:
    made = case(**lost(events=(STARTED, WRITING, GONE)))
    seen = judging.value(made, [1], expect([1], "json"))
    assert told(seen) == (Verdict.INDETERMINATE, Blame.WORKER, False)
    why = "nothing was stored for it by the deadline"
    assert seen.detail == f"a process of the worker died: {why}"


def test_one_that_it_wrote_before_is_not(case) -> None:
    made = case(**lost([1], events=(*WRITTEN, GONE)))
    assert judging.value(made, [1], expect([1], "json")).verdict is Verdict.LOST


def test_what_celery_says_of_the_death_is_told(case) -> None:
    made = case(Answer.FAILED, error=celery.exceptions.WorkerLostError("signal 9"), events=(STARTED, GONE))
    for seen in (
        judging.value(made, [1], expect([1], "json")),
        judging.failure(made, KeyError("x")),
        judging.promise(made, True, Verdict.LOST, "", None, Answer.FAILED),
    ):
        assert told(seen) == (Verdict.INDETERMINATE, Blame.WORKER, False)
        assert seen.detail == "a process of the worker died: signal 9"
        assert seen.oracle is None


def test_a_result_of_a_process_that_died_later_counts(case) -> None:
    made = case(value=[1], events=(*WRITTEN, GONE))
    assert judging.value(made, [1], expect([1], "json")).holds


# -- narrowing down


def narrowed(case, **facts):
    made = case(**lost(**facts))
    return judging.value(made, [1], expect([1], made.setup.configuration.serializer))


def test_what_the_worker_never_wrote_is_its_own(case) -> None:
    seen = narrowed(case, events=(STARTED,))
    assert told(seen) == (Verdict.LOST, Blame.WORKER, False)
    assert "at_rest" not in seen.evidence
    assert "planted" not in seen.evidence


def test_a_write_that_was_refused_at_once_was_one(case) -> None:
    assert narrowed(case, events=(STARTED, REFUSED), raw=None).blame is Blame.BACKEND


def test_right_bytes_at_rest_show_that_reading_is_wrong(case) -> None:
    seen = narrowed(case, result=[1])
    assert told(seen) == (Verdict.LOST, Blame.BACKEND, False)
    assert seen.evidence["at_rest"]["decoded"] == "{'status': 'SUCCESS', 'result': [1]}"
    assert "planted" not in seen.evidence


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(None, id="nothing"),
        pytest.param(meta([2]), id="another value"),
        pytest.param(b"\xff", id="what does not decode"),
        pytest.param(b"[1]", id="no meta"),
        pytest.param(b'{"status": "SUCCESS"}', id="no result"),
    ],
)
def test_wrong_bytes_at_rest_that_the_store_keeps_when_planted_are_the_backends(case, raw) -> None:
    seen = narrowed(case, raw=raw)
    assert seen.blame is Blame.BACKEND
    right = encode(
        {"status": "SUCCESS", "result": [1], "traceback": None, "children": [], "date_done": None}, "json"
    )
    assert seen.evidence["planted"] == {
        "size": len(right),
        "intact": True,
        "read_back": right[:64].hex(),
        "error": None,
    }


def test_what_is_planted_is_under_an_id_of_its_own(case) -> None:
    backend = Shelf()
    narrowed(case, backend=backend, raw=None)
    narrowed(case, backend=backend, raw=None)
    assert len(backend.held) == 2
    assert all(
        re.fullmatch(r"planted-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name) for name in backend.held
    )


def test_a_store_that_changes_what_is_planted_is_to_blame(case) -> None:
    seen = narrowed(case, backend=Cutting())
    assert seen.blame is Blame.STORE
    assert seen.evidence["planted"]["intact"] is False
    assert bytes.fromhex(seen.evidence["planted"]["read_back"]).startswith(b'{"status": "SUCCESS"')


def test_so_is_one_that_forgets_it(case) -> None:
    seen = narrowed(case, backend=Dropping())
    assert seen.blame is Blame.STORE
    assert seen.evidence["planted"]["intact"] is False
    assert seen.evidence["planted"]["read_back"] is None


def test_so_is_one_that_refuses_it(case) -> None:
    seen = narrowed(case, backend=Full())
    assert seen.blame is Blame.STORE
    assert seen.evidence["planted"]["error"].startswith("JSONDecodeError: Expecting value")
    assert seen.evidence["planted"]["intact"] is False


def test_a_planter_that_is_broken_itself_proves_nothing(case) -> None:
    seen = narrowed(case, backend=Clumsy())
    assert told(seen) == (Verdict.INDETERMINATE, Blame.HARNESS, False)
    assert "Clumsy.plant() raised ZeroDivisionError: planting" in seen.detail
    assert seen.detail.endswith("(was: lost)")
    assert seen.oracle == "[1]"
    assert seen.evidence["error"]["type"] == "builtins.ZeroDivisionError"
    assert seen.evidence["error"]["phase"] == "at rest"
    assert "planted" not in seen.evidence


@pytest.mark.parametrize(
    ("backend", "lacks"), [(Blind(), "offers no native reader"), (Barren(), "offers no native planter")]
)
def test_without_native_methods_blame_is_not_narrowed_down(case, backend, lacks) -> None:
    seen = narrowed(case, backend=backend)
    assert told(seen) == (Verdict.LOST, Blame.BACKEND, False)
    assert seen.evidence["notes"] == [f"blame not narrowed down: shelf {lacks}"]
    assert "planted" not in seen.evidence


def test_notes_that_are_there_already_are_kept(case) -> None:
    made = case(**lost(backend=Blind()))
    made.evidence["notes"] = ["seen before"]
    seen = judging.value(made, [1], expect([1], "json"))
    assert seen.evidence["notes"] == [
        "seen before",
        "blame not narrowed down: shelf offers no native reader",
    ]


def test_a_reader_that_is_broken_proves_nothing(case) -> None:
    seen = narrowed(case, backend=Broken())
    assert told(seen) == (Verdict.INDETERMINATE, Blame.HARNESS, False)
    assert "Broken.at_rest() raised ZeroDivisionError: reading" in seen.detail
    assert seen.detail.endswith("(was: lost)")
    assert seen.evidence["error"]["message"] == "reading"


# -- the bytes that are planted


def planted(case, oracle, **facts) -> bytes:
    backend = facts.pop("backend", None) or Shelf()
    made = case(Answer.NOTHING, state="PENDING", backend=backend, **facts)
    judging._narrow(made, oracle)
    return next(raw for name, raw in backend.held.items() if name.startswith("planted-"))


def test_meta_is_planted_as_the_configuration_writes_it(case) -> None:
    raw = planted(case, expect([1], "msgpack"), serializer="msgpack", compression="zlib")
    assert raw.startswith(MARKER)
    made = {"status": "SUCCESS", "result": [1], "traceback": None, "children": [], "date_done": None}
    assert zlib.decompress(raw[len(MARKER) :].partition(b"\0")[2]) == encode(made, "msgpack")


def test_a_bare_result_is_planted_bare(case) -> None:
    assert planted(case, expect([1], "json"), backend=Bare()) == b"[1]"


def test_a_failure_is_planted_as_celery_writes_it(case) -> None:
    oracle = expect_failure(KeyError("x"), "json")
    assert planted(case, oracle) == oracle.payload


@pytest.mark.parametrize("oracle", [None, expect({1}, "json")])
def test_without_a_right_result_any_is_planted(case, oracle) -> None:
    assert json.loads(planted(case, oracle))["result"] == "planted"


def test_what_the_serializer_gives_back_and_cannot_write_again_is_stood_in_for(case) -> None:
    """YAML loads what a document names, and may refuse to write it."""
    assert planted(case, Returned(unrepresentable(), b""), serializer="yaml") == b"planted"


def test_a_bare_result_is_looked_for_bare(case) -> None:
    assert narrowed(case, backend=Bare(), raw=b"[1]").evidence["at_rest"]["decoded"] == "[1]"
    assert "planted" not in narrowed(case, backend=Bare(), raw=b"[1]").evidence
    assert "planted" in narrowed(case, backend=Bare(), raw=b"[2]").evidence


# -- what is shown of the stored form


def test_the_stored_form_is_shown_with_serializer_and_codec(case) -> None:
    made = case(serializer="pickle", compression="bzip2")
    raw = encode({"result": (1,)}, "pickle", "bzip2")
    shown: dict[str, object] = {}
    assert judging.show_stored(shown, made.setup, Stored(raw, "here", 60.0, {"status": "SUCCESS"})) == {
        "result": (1,)
    }
    assert shown["at_rest"] == {
        "place": "here",
        "size": len(raw),
        "hex": raw.hex(),
        "cut": False,
        "serializer": "pickle",
        "codec": "bzip2",
        "decoded": "{'result': (1,)}",
        "lifetime": 60.0,
        "columns": {"status": "SUCCESS"},
    }


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b'{"a"', "does not decode as json: Expecting ':' delimiter", id="broken"),
        pytest.param(
            MARKER + b"application/x-gzip\0" + b"not compressed",
            "does not decode",
            id="not even decompressed",
        ),
    ],
)
def test_what_does_not_decode_is_shown_as_such(case, raw, says) -> None:
    shown: dict[str, object] = {}
    assert judging.show_stored(shown, case().setup, Stored(raw, "here")) is None
    assert shown["at_rest"]["decoded"].startswith(says)
    assert ("as json" in shown["at_rest"]["decoded"]) == ("as json" in says)


# -- evidence of what does not hold


def test_events_are_told_in_seconds_since_the_submission(case) -> None:
    seen = narrowed(case)
    assert [(event["event"], event["at"]) for event in seen.evidence["events"]] == [
        ("started", 1.0),
        ("writing", 1.5),
        ("wrote", 1.75),
    ]


def test_what_the_worker_logged_of_the_task_is_told(case) -> None:
    seen = narrowed(case, log=f"before\nTask {TASK} raised\nits traceback\n")
    assert seen.evidence["worker_log"] == [f"Task {TASK} raised", "its traceback"]


def test_what_it_logged_of_the_error_is_told_where_no_line_names_the_task(case) -> None:
    log = "before\nDataError: too long\nafter\n"
    seen = narrowed(case, events=(STARTED, WRITING, REFUSED), log=log)
    assert seen.evidence["worker_log"] == ["DataError: too long", "after"]


def test_what_it_logged_of_other_things_is_not(case) -> None:
    assert "worker_log" not in narrowed(case, log="before\nDataError: too long\n").evidence


@pytest.mark.parametrize(
    ("answer", "events", "phase"),
    [(Answer.RAISED, WRITTEN, "read"), (Answer.FAILED, (STARTED, WRITING, REFUSED), "write")],
)
def test_the_error_is_told_with_its_phase(case, answer, events, phase) -> None:
    seen = judging.value(case(answer, error=KeyError("x"), events=events), [1], expect([1], "json"))
    assert seen.evidence["error"]["type"] == "builtins.KeyError"
    assert seen.evidence["error"]["phase"] == phase


def test_where_nothing_was_raised_no_error_is_told(case) -> None:
    assert "error" not in narrowed(case).evidence


def test_what_hid_the_stored_form_is_told_before_what_the_caller_got(case) -> None:
    seen = narrowed(case, backend=Broken(), answer=Answer.RAISED, error=KeyError("x"))
    assert seen.evidence["error"]["type"] == "builtins.ZeroDivisionError"


# -- a failure


def failed(case, **facts) -> Case:
    return case(
        **{"answer": Answer.FAILED, "state": "FAILURE", "events": (STARTED, WRITING, WROTE_FAILURE), **facts}
    )


def test_the_very_exception_is_exact(case) -> None:
    seen = judging.failure(failed(case, error=KeyError("x")), KeyError("x"))
    assert told(seen) == (Verdict.EXACT, None, True)
    assert (seen.detail, seen.oracle) == ("", None)
    assert seen.evidence == {"sent": "KeyError('x')", "received": "KeyError('x')"}


def test_one_that_comes_back_as_sent_holds_whatever_write_failed_before(case) -> None:
    made = failed(case, error=KeyError("x"), events=(STARTED, WRITING, REFUSED, WROTE_FAILURE))
    assert judging.failure(made, KeyError("x")).holds


def test_a_failure_that_is_stored_as_a_success_is_altered(case) -> None:
    seen = judging.failure(case(value=1), KeyError("x"))
    assert told(seen) == (Verdict.ALTERED, Blame.BACKEND, False)
    assert seen.detail == "the task raised, but its result is stored as a success"
    assert seen.oracle == "KeyError('x')"
    assert "planted" in seen.evidence


@pytest.mark.parametrize(
    ("facts", "verdict", "detail"),
    [
        pytest.param({}, Verdict.LOST, "nothing there by the deadline", id="lost"),
        pytest.param(
            {"events": (STARTED, WRITING, REFUSED)},
            Verdict.REFUSED,
            "the write raised redis.exceptions.DataError; the caller gets nothing yet",
            id="refused",
        ),
        pytest.param(
            {"events": (STARTED, WRITING, REFUSED, WROTE_FAILURE)},
            Verdict.REFUSED,
            "the write raised redis.exceptions.DataError; the caller gets nothing yet",
            id="refused, and its error stored since",
        ),
        pytest.param(
            {"state": "STARTED"},
            Verdict.STALE,
            "the store still says STARTED after the last write",
            id="an older state",
        ),
        pytest.param(
            {"answer": Answer.RAISED, "error": OSError("x")},
            Verdict.UNREADABLE,
            "stored, but reading raises builtins.OSError: x",
            id="unreadable",
        ),
        pytest.param(
            {"answer": Answer.RAISED, "error": OSError("x"), "events": (STARTED, WRITING, REFUSED, WROTE)},
            Verdict.UNREADABLE,
            "stored, but reading raises builtins.OSError: x",
            id="unreadable, after a refusal",
        ),
    ],
)
def test_a_failure_that_is_not_there(case, facts, verdict, detail) -> None:
    made = failed(case, **{"answer": Answer.NOTHING, "state": "PENDING", **facts})
    seen = judging.failure(made, KeyError("x"))
    assert (seen.verdict, seen.blame, seen.holds, seen.detail) == (verdict, Blame.BACKEND, False, detail)
    assert seen.evidence["sent"] == "KeyError('x')"
    assert "received" not in seen.evidence
    assert seen.oracle == "KeyError('x')"


class Picky(Exception):
    """Celery makes it anew from what it wrote, and cannot."""

    def __init__(self, first, second):
        super().__init__(first)


def test_what_celery_alone_makes_of_an_exception_is_celerys(case) -> None:
    raised = Picky("a", "b")
    alone = expect_failure(raised, "json")
    assert type(alone.value) is not Picky
    seen = judging.failure(failed(case, error=expect_failure(raised, "json").value), raised)
    assert seen.blame is Blame.CELERY
    assert seen.verdict is Verdict.ALTERED
    assert not seen.holds
    assert seen.detail.startswith("type differs at $: ")
    assert seen.evidence["difference"]["against"] == "sent"
    assert "planted" not in seen.evidence
    assert seen.oracle == seen.evidence["received"]


def test_any_other_change_of_it_is_narrowed_down(case) -> None:
    seen = judging.failure(failed(case, error=KeyError("y")), KeyError("x"))
    assert told(seen) == (Verdict.ALTERED, Blame.BACKEND, False)
    assert seen.detail == "content differs at $.args[0]: 'x' became 'y'"
    assert "planted" in seen.evidence


def test_an_exception_that_the_serializer_refuses_is_narrowed_down(case, monkeypatch) -> None:
    refused = Refused("kombu.exceptions.EncodeError", "no", "dump", Blame.SERIALIZER)
    monkeypatch.setattr(judging, "expect_failure", lambda *_: refused)
    seen = judging.failure(failed(case, error=KeyError("y")), KeyError("x"))
    assert seen.blame is Blame.BACKEND
    assert seen.oracle == "raises kombu.exceptions.EncodeError at dump: no"


def test_the_error_of_a_refused_write_in_the_place_of_the_failure(case) -> None:
    made = failed(case, error=OSError("full"), events=(STARTED, WRITING, REFUSED, WROTE_FAILURE))
    seen = judging.failure(made, KeyError("x"))
    assert told(seen) == (Verdict.REFUSED, Blame.BACKEND, False)
    assert seen.detail == "the write of the failure was refused, the caller gets builtins.OSError"
    assert seen.oracle == "KeyError('x')"


def test_a_failure_is_asked_of_the_configurations_serializer(case) -> None:
    raised = KeyError((1, 2))
    made = failed(case, error=expect_failure(raised, "pickle").value, serializer="pickle")
    assert judging.failure(made, raised).holds


# -- any other promise


def promised(made: Case, held: bool = False, **facts: object):
    given = {"otherwise": Verdict.IGNORED, "detail": "the promise", "blame": None, "after": Answer.RETURNED}
    return judging.promise(made, held, **{**given, **facts})


def test_a_promise_that_held(case) -> None:
    seen = promised(case(value=1), True)
    assert told(seen) == (Verdict.EXACT, None, True)
    assert (seen.detail, seen.oracle, seen.evidence) == ("the promise", None, {})


def test_one_that_did_not_is_what_its_scenario_says(case) -> None:
    seen = promised(case(value=1), blame=Blame.CELERY)
    assert told(seen) == (Verdict.IGNORED, Blame.CELERY, False)
    assert seen.detail == "the promise"
    assert "planted" not in seen.evidence


def test_where_its_scenario_blames_nobody_it_is_narrowed_down(case) -> None:
    seen = promised(case(value=1, backend=Cutting()))
    assert told(seen) == (Verdict.IGNORED, Blame.STORE, False)
    assert seen.detail == "the promise"


@pytest.mark.parametrize("held", [True, False])
def test_a_task_that_failed_though_it_was_to_succeed_proves_nothing(case, held) -> None:
    made = case(Answer.FAILED, error=KeyError("x"), events=(STARTED, WRITING, WROTE_FAILURE))
    seen = promised(made, held)
    assert told(seen) == (Verdict.INDETERMINATE, Blame.HARNESS, False)
    assert seen.detail == "the task itself raised builtins.KeyError: 'x'"
    assert "planted" not in seen.evidence


@pytest.mark.parametrize("held", [True, False])
def test_where_its_write_was_refused_that_is_told(case, held) -> None:
    made = case(Answer.FAILED, error=KeyError("x"), events=(STARTED, WRITING, REFUSED), backend=Cutting())
    seen = promised(made, held, blame=Blame.CELERY)
    assert told(seen) == (Verdict.REFUSED, Blame.STORE, False)
    assert seen.detail == "the write was refused, the caller gets builtins.KeyError: 'x'"


@pytest.mark.parametrize("held", [True, False])
def test_a_task_that_succeeded_though_it_was_to_fail_is_altered(case, held) -> None:
    seen = promised(case(value=1), held, blame=Blame.CELERY, after=Answer.FAILED)
    assert told(seen) == (Verdict.ALTERED, Blame.BACKEND, False)
    assert seen.detail == "the task raised, but is stored as a success"


def test_a_task_that_failed_as_it_was_to_is_judged_by_its_promise(case) -> None:
    made = case(Answer.FAILED, error=KeyError("x"), events=(STARTED, WRITING, WROTE_FAILURE))
    assert promised(made, True, after=Answer.FAILED).holds
    assert promised(made, blame=Blame.CELERY, after=Answer.FAILED).verdict is Verdict.IGNORED


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"answer": Answer.NOTHING, "state": "PENDING"}, Verdict.LOST),
        ({"answer": Answer.RAISED, "error": KeyError("x")}, Verdict.UNREADABLE),
    ],
)
def test_a_result_that_never_came_has_a_verdict_of_its_own(case, facts, verdict) -> None:
    seen = promised(case(**facts), blame=Blame.CELERY)
    assert told(seen) == (verdict, Blame.BACKEND, False)
    assert promised(case(**facts), True).holds


# -- what was asked as a user asks it


def asked(given: Reply, held: bool = False, blame: Blame | None = None):
    return judging.reply(Shelf(), given, held, Verdict.IGNORED, "what was asked", blame, {"a": 1})


def test_what_is_not_said_of_an_answer() -> None:
    assert Reply() == Reply(value=None, error=None, phase="read", seconds=0.0)
    received = Received(Answer.NOTHING, "PENDING", TaskTrace(), TASK)
    assert (received.value, received.error) == (None, None)


def test_an_answer_that_holds() -> None:
    seen = asked(Reply(error=KeyError("x")), True)
    assert told(seen) == (Verdict.EXACT, None, True)
    assert (seen.detail, seen.oracle, seen.evidence) == ("what was asked", None, {"a": 1})


@pytest.mark.parametrize(("blame", "blamed"), [(None, Blame.BACKEND), (Blame.CELERY, Blame.CELERY)])
def test_an_answer_that_does_not(blame, blamed) -> None:
    seen = asked(Reply(value=1), blame=blame)
    assert told(seen) == (Verdict.IGNORED, blamed, False)
    assert (seen.detail, seen.oracle, seen.evidence) == ("what was asked", None, {"a": 1})


@pytest.mark.parametrize(
    ("given", "verdict", "says"),
    [
        pytest.param(
            Reply(error=celery.exceptions.TimeoutError("x")),
            Verdict.LOST,
            "nothing by the deadline; what was asked",
            id="nothing",
        ),
        pytest.param(
            Reply(error=NotImplementedError("x")),
            Verdict.UNSUPPORTED,
            "raises builtins.NotImplementedError: x; what was asked",
            id="not implemented",
        ),
        pytest.param(
            Reply(error=ValueError("This store does Not Support chords"), phase="submit"),
            Verdict.UNSUPPORTED,
            "raises builtins.ValueError: This store does Not Support chords; what was asked",
            id="named as lacking",
        ),
        pytest.param(
            Reply(error=ValueError("x"), phase="submit"),
            Verdict.REFUSED,
            "raises builtins.ValueError: x; what was asked",
            id="refused",
        ),
        pytest.param(
            Reply(error=ValueError("x")),
            Verdict.UNREADABLE,
            "raises builtins.ValueError: x; what was asked",
            id="unreadable",
        ),
    ],
)
def test_what_celery_raised_says_what_happened(given, verdict, says) -> None:
    seen = asked(given)
    assert told(seen) == (verdict, Blame.BACKEND, False)
    assert (seen.detail, seen.oracle, seen.evidence) == (says, None, {"a": 1})
    assert asked(given, blame=Blame.STORE).blame is Blame.STORE


def test_without_a_detail_what_was_raised_is_all_that_is_told() -> None:
    seen = judging.reply(Shelf(), Reply(error=KeyError(1)), False, Verdict.LOST, "", None, {})
    assert seen.detail == "raises builtins.KeyError: 1"


@pytest.mark.parametrize(
    ("says", "lacks"),
    [
        ("Unknown result backend: 'x'", True),
        ("it doesn't implement that", True),
        ("they do not support it", True),
        ("not implemented", True),
        ("unsupported", False),
        ("cannot support", False),
    ],
)
def test_what_names_a_lack(says, lacks) -> None:
    seen = asked(Reply(error=ValueError(says)))
    assert (seen.verdict is Verdict.UNSUPPORTED) == lacks


def test_a_timeout_of_another_library_is_an_error_like_any_other() -> None:
    assert asked(Reply(error=TimeoutError("x"))).verdict is Verdict.UNREADABLE
    assert not Reply().timed_out


def test_a_timeout_is_the_backends_whoever_raises_it() -> None:
    error = raised_in("/kombu/transport.py", kind=celery.exceptions.TimeoutError)
    assert judging.blame_of(error, Shelf()) is Blame.CELERY
    assert asked(Reply(error=error)).blame is Blame.BACKEND


def test_any_other_error_is_whose_code_raised_it() -> None:
    error = raised_in("/x/site-packages/celery/result.py")
    assert asked(Reply(error=error)).blame is Blame.CELERY


def test_an_answer_that_is_equal_is_exact() -> None:
    shown: dict[str, object] = {}
    seen = judging.equals(Reply(value=[1]), [1], None, shown)
    assert told(seen) == (Verdict.EXACT, None, True)
    assert (seen.detail, seen.evidence) == ("", {})
    assert seen.evidence is shown


@pytest.mark.parametrize(("blame", "blamed"), [(None, Blame.BACKEND), (Blame.CELERY, Blame.CELERY)])
def test_an_answer_of_another_type_is_not(blame, blamed) -> None:
    shown: dict[str, object] = {}
    seen = judging.equals(Reply(value=(1,)), [1], blame, shown)
    assert told(seen) == (Verdict.COERCED, blamed, False)
    assert seen.detail == "type differs at $: [1] became (1,)"
    assert seen.evidence is shown
    assert shown == {"sent": "[1]", "received": "(1,)"}


@pytest.mark.parametrize(("blame", "blamed"), [(None, Blame.BACKEND), (Blame.WORKER, Blame.WORKER)])
def test_a_cell_that_asks_for_no_result(blame, blamed) -> None:
    shown: dict[str, object] = {"a": 1}
    held = judging.seen_directly(True, Verdict.LOST, "as\tseen", blame, shown)
    assert told(held) == (Verdict.EXACT, None, True)
    other = judging.seen_directly(False, Verdict.LOST, "as\tseen", blame, shown)
    assert told(other) == (Verdict.LOST, blamed, False)
    for seen in (held, other):
        assert (seen.detail, seen.oracle, seen.evidence) == ("as\\tseen", None, {"a": 1})


# -- whose an exception is


def raised_in(file: str, *further: str, within: object = None, kind: type[Exception] = EOFError) -> Exception:
    """What is raised in the last of these files, called from the one before, and so on.

    :param within: ``self`` of the outermost function.
    """
    namespace = {"raised": (lambda: raised_in(*further, kind=kind)) if further else kind}
    exec(compile("def outer(self): raise raised()", file, "exec"), namespace)
    with pytest.raises(kind) as caught:
        namespace["outer"](within)
    return caught.value


@pytest.mark.parametrize(
    ("files", "blame"),
    [
        (["/x/site-packages/sqlite3/dbapi2.py"], Blame.DRIVER),
        (["/x/site-packages/shelf/client.py"], Blame.DRIVER),
        (["/x/site-packages/celery/backends/base.py"], Blame.BACKEND),
        (["/x/site-packages/celery/result.py"], Blame.CELERY),
        (["/x/site-packages/kombu/serialization.py"], Blame.CELERY),
        (["/x/site-packages/other/thing.py"], Blame.BACKEND),
        (["/x/sqlite3/dbapi2.py"], Blame.BACKEND),
        (["/x/site-packages/celery/result.py", "/x/site-packages/sqlite3/dbapi2.py"], Blame.DRIVER),
        (["/x/site-packages/sqlite3/dbapi2.py", "/x/site-packages/celery/result.py"], Blame.CELERY),
        (["/x/site-packages/celery/result.py", "/x/site-packages/celery/backends/x.py"], Blame.BACKEND),
        (["/x/site-packages/celery/result.py", "/x/site-packages/other/thing.py"], Blame.CELERY),
    ],
)
def test_an_exception_is_the_innermost_ones_that_could_have_raised_it(files, blame) -> None:
    assert judging.blame_of(raised_in(*files), Shelf()) is blame


def test_an_exception_in_a_result_backend_of_another_package_is_the_backends() -> None:
    store = CeleryBackend(celery.Celery(set_as_current=False))
    file = "/x/celery/elsewhere.py"
    assert judging.blame_of(raised_in(file, within=store), Shelf()) is Blame.BACKEND
    assert judging.blame_of(raised_in(file, within=Shelf()), Shelf()) is Blame.CELERY


class Theirs(CeleryBackend):
    """A result-backend class of a package that brings its driver too."""

    __module__ = "shelf.backends.store"


@pytest.mark.parametrize(
    ("within", "blame"), [(CeleryBackend, Blame.DRIVER), (Theirs, Blame.BACKEND), (None, Blame.DRIVER)]
)
def test_the_package_that_defines_the_result_backend_is_no_driver(within, blame) -> None:
    """Its helpers are part of the result backend; those of the same driver under another one are not."""
    made = within and within(celery.Celery(set_as_current=False))
    files = "/x/site-packages/shelf/store.py", "/x/site-packages/shelf/help.py"
    error = raised_in(*files, within=made)
    assert judging.blame_of(error, Shelf()) is blame


def test_an_exception_without_frames_is_the_backends() -> None:
    assert judging.blame_of(KeyError("x"), Shelf()) is Blame.BACKEND


@pytest.mark.parametrize(
    ("answer", "files", "blame"),
    [
        (Answer.RAISED, ["/x/site-packages/sqlite3/dbapi2.py"], Blame.DRIVER),
        (Answer.RAISED, ["/x/site-packages/celery/backends/base.py"], Blame.BACKEND),
        (Answer.RAISED, ["/x/site-packages/sqlite3/a.py", "/x/site-packages/other/b.py"], Blame.BACKEND),
        (Answer.NOTHING, ["/x/site-packages/sqlite3/dbapi2.py"], Blame.BACKEND),
    ],
)
def test_right_bytes_that_cannot_be_read_are_the_drivers_if_it_raised(case, answer, files, blame) -> None:
    made = case(answer, error=raised_in(*files), raw=meta([1]))
    assert judging.value(made, [1], expect([1], "json")).blame is blame
    assert "planted" not in made.evidence


def test_right_bytes_and_an_error_from_nowhere_are_the_backends(case) -> None:
    made = case(Answer.RAISED, error=KeyError("x"), raw=meta([1]))
    assert judging.value(made, [1], expect([1], "json")).blame is Blame.BACKEND


# -- native methods

NATIVE = {
    "at_rest": (judging.look_at_rest, (TASK,), "offers no native reader"),
    "evict": (judging.evict, (TASK,), "offers no native way to remove a result"),
    "search": (
        lambda backend, *given: judging.query(backend, "search", *given),
        ("status", "SUCCESS"),
        "has no query language",
    ),
    "inventory": (judging.inventory, (), "cannot list its namespace"),
}


@pytest.mark.parametrize("method", NATIVE)
def test_a_native_method_that_is_not_offered(method) -> None:
    ask, given, says = NATIVE[method]
    with pytest.raises(NoNativeReader, match=f"^shelf {says}$"):
        ask(Blind(), *given)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("at_rest", r"Broken\.at_rest\(\) raised ZeroDivisionError: reading; "),
        ("evict", r"^evict of shelf raised ZeroDivisionError: removing$"),
        ("search", r"^search of shelf raised ZeroDivisionError: searching$"),
        ("inventory", r"Broken\.inventory\(\) raised ZeroDivisionError: listing; "),
    ],
)
def test_a_native_method_that_raises(method, says) -> None:
    ask, given, _ = NATIVE[method]
    with pytest.raises(AtRestCrash, match=says) as caught:
        ask(Broken(), *given)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("method", "wrong"), [("at_rest", b"raw"), ("at_rest", Stored("text", "")), ("inventory", [1])]
)
def test_a_native_method_that_gives_something_else(monkeypatch, method, wrong) -> None:
    ask, given, _ = NATIVE[method]
    monkeypatch.setattr(Shelf, method, lambda *_: wrong)
    with pytest.raises(AtRestCrash, match=rf"Shelf\.{method}\(\) returned ") as caught:
        ask(Shelf(), *given)
    assert caught.value.__cause__ is not None


def test_native_methods_that_answer() -> None:
    backend = Shelf()
    backend.plant(TASK, b"raw")
    assert judging.look_at_rest(backend, TASK) == Stored(b"raw", f"shelf/{TASK}")
    assert judging.look_at_rest(backend, "another") is None
    assert judging.inventory(backend) == [TASK]
    assert judging.query(backend, "search", "status", "SUCCESS") == ["status", "SUCCESS"]
    judging.evict(backend, TASK)
    assert backend.held == {}


@pytest.mark.parametrize("method", ["at_rest", "inventory"])
def test_a_service_that_is_gone_says_so_itself(monkeypatch, method) -> None:
    ask, given, _ = NATIVE[method]

    def gone(*_):
        raise ServiceUnavailable("gone")

    monkeypatch.setattr(Shelf, method, gone)
    with pytest.raises(ServiceUnavailable, match="gone"):
        ask(Shelf(), *given)
