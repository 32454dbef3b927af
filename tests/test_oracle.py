"""What serializer and codec alone make of a value, held against Celery and kombu themselves."""

from __future__ import annotations

import sys

import pytest
from kombu import compression as codecs
from kombu import serialization
from kombu.exceptions import SerializerNotInstalled

from harness import corpus
from harness.fidelity import compare
from harness.identify import MARKER, identify
from harness.memo import Memo
from harness.oracle import NotInstalled, Oracle, Refused, Returned, encode, expect, expect_failure
from harness.verdict import Blame, Verdict

SERIALIZERS = ("json", "pickle", "yaml", "msgpack")


def test_a_value_comes_back_as_the_serializer_gives_it():
    assert expect((1, 2), "json").value == [1, 2]
    assert expect((1, 2), "pickle").value == (1, 2)
    assert expect((1, 2), "json").payload == b"[1, 2]"
    assert expect((1, 2), "json").blame is Blame.SERIALIZER


def test_a_refusal_to_write_names_the_class_that_kombu_raised():
    found = expect({1}, "json")
    assert (found.error_type, found.phase, found.blame) == (
        "kombu.exceptions.EncodeError",
        "dump",
        Blame.SERIALIZER,
    )
    assert "set" in found.message


def test_a_refusal_to_read_is_told_from_one_to_write():
    found = expect({1: "a"}, "msgpack")
    assert (found.error_type, found.phase, found.blame) == (
        "kombu.exceptions.DecodeError",
        "load",
        Blame.SERIALIZER,
    )


def test_refusals_read_the_same_in_every_run():
    told = "('cannot represent an object', <harness.corpus.Plain object>)"
    assert expect(corpus.Plain(), "yaml").message == told


def test_addresses_are_left_out_as_every_platform_writes_them(register):
    def refuses(_):
        raise OSError("<a at 0x7f01ab> <b at 0x00007F01AB>")

    register(refuses, refuses)
    assert expect(1, "json", "odd").message == "<a> <b>"


def test_what_a_refusal_says_is_bounded(register):
    def refuses(_):
        raise OSError("no " * 1000)

    register(refuses, refuses)
    assert len(expect(1, "json", "odd").message) == 500


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("codec", ["zlib", "bzip2"])
def test_bytes_are_those_that_celery_hands_to_a_store(serializer, codec):
    from celery import Celery
    from celery.backends.base import Backend

    class Storing(Backend):
        supports_result_compression = True

    app = Celery("test", set_as_current=False, fixups=[])
    app.conf.result_compression = codec
    wanted = Storing(app, serializer=serializer, accept=[serializer]).encode({"a": [1, "two"]})
    found = expect({"a": [1, "two"]}, serializer, codec)
    assert found.payload == wanted == encode({"a": [1, "two"]}, serializer, codec)
    assert identify(found.payload).codec == codec
    assert found.value == {"a": [1, "two"]}


def test_without_a_codec_the_serializers_bytes_are_stored():
    assert encode([1, 2], "json") == expect([1, 2], "json").payload == b"[1, 2]"
    assert (
        encode([1, 2], "json", "uncompressed") == expect([1, 2], "json", "uncompressed").payload == b"[1, 2]"
    )


def test_encode_raises_what_kombu_raises():
    from kombu.exceptions import EncodeError

    with pytest.raises(EncodeError):
        encode({1}, "json")


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_value_alone_fares_as_inside_a_stored_record(serializer):
    """Some stores keep the value alone, most the whole record: one expectation must do for both."""
    for each in corpus.VALUES:
        if each.slow or each.question == "v-impossible":
            continue
        alone = expect(each.build(), serializer)
        inside = expect({"status": "SUCCESS", "result": each.build()}, serializer)
        assert type(alone) is type(inside), each.name
        if isinstance(alone, Returned):
            value = inside.value["result"]
            assert compare(alone.value, value).verdict is Verdict.EXACT, each.name
        else:
            assert (alone.error_type, alone.phase) == (inside.error_type, inside.phase), each.name


def test_how_deep_the_caller_stands_does_not_matter():
    deep = corpus.value("graph_depth_100").build()

    def standing(frames):
        return expect(deep, "yaml") if frames == 0 else standing(frames - 1)

    low = sys.getrecursionlimit()
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    assert isinstance(standing(low - depth - 120), Returned)


def test_a_missing_serializer_or_codec_is_no_refusal():
    with pytest.raises(NotInstalled, match="pip install pickel"):
        expect(1, "pickel")
    with pytest.raises(NotInstalled, match="pip install snappy"):
        expect(1, "json", "snappy")
    with pytest.raises(NotInstalled):
        expect_failure(ValueError(), "pickel")


def test_a_package_of_another_name_is_called_by_it(monkeypatch):
    monkeypatch.delitem(codecs._aliases, "zstd")
    with pytest.raises(NotInstalled, match=r"no codec 'zstd' here; pip install backports\.zstd$"):
        expect(1, "json", "zstd")
    monkeypatch.delitem(serialization.registry._encoders, "yaml")
    with pytest.raises(NotInstalled, match=r"no serializer 'yaml' here; pip install pyyaml$"):
        expect(1, "yaml")


def test_what_is_no_exception_is_nobodys_refusal():
    class Interrupts:
        def __json__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expect(Interrupts(), "json")


def test_a_serializer_that_kombu_only_knows_by_name_is_missing(register):
    def missing(_):
        raise SerializerNotInstalled("no odd here: pip install odd")

    register.serializer(missing, missing)
    with pytest.raises(NotInstalled, match="no odd here: pip install odd"):
        expect(1, "odd")


@pytest.fixture
def register():
    """Registers codecs and serializers for one test."""
    before = dict(codecs._encoders), dict(codecs._decoders), dict(codecs._aliases)
    added = set()

    def codec(encoder, decoder):
        codecs.register(encoder, decoder, "application/x-odd", aliases=["odd"])

    def serializer(encoder, decoder):
        serialization.register("odd", encoder, decoder, "application/x-odd", "utf-8")
        added.add("odd")

    codec.serializer = serializer
    yield codec
    for now, then in zip((codecs._encoders, codecs._decoders, codecs._aliases), before, strict=True):
        now.clear()
        now.update(then)
    for name in added:
        serialization.unregister(name)


def test_a_codec_that_loses_bytes_is_blamed(register):
    register(lambda body: body, lambda body: body[:-2] + b"]")
    found = expect([1, 2], "json", "odd")
    assert isinstance(found, Refused)
    assert (found.blame, found.phase) == (Blame.COMPRESSION, "load")
    register(lambda body: body, lambda body: body.replace(b"1", b"7"))
    oracle = Oracle()
    for found in (
        expect([1, 2], "json", "odd"),
        oracle.expect_built("mine", lambda: [1, 2], "json", "odd"),
        oracle.expect_built("mine", lambda: [1, 2], "json", "odd"),
    ):
        assert (found.value, found.blame) == ([7, 2], Blame.COMPRESSION)
        assert found.payload == MARKER + b"application/x-odd\x00[1, 2]"


def test_a_codec_that_raises_is_blamed_in_its_phase(register):
    def refuses(_):
        raise OSError("no")

    register(refuses, lambda body: body)
    assert expect(1, "json", "odd") == Refused("builtins.OSError", "no", "dump", Blame.COMPRESSION)
    register(lambda body: body, refuses)
    assert expect(1, "json", "odd") == Refused("builtins.OSError", "no", "load", Blame.COMPRESSION)


def test_the_oracle_serializes_once_and_compresses_each_time(register):
    wrote, packed = [], []
    register.serializer(lambda value: wrote.append(value) or "1", lambda _: 1)
    register(lambda body: packed.append(body) or body, lambda body: body)
    oracle = Oracle()
    for _ in range(3):
        assert oracle.expect("int_42", "odd", "odd").value == 1
        assert oracle.expect("int_42", "odd").payload == b"1"
    assert (wrote, packed) == ([42], [b"1"] * 3)
    assert oracle.expect("int_42", "odd", "odd").payload == MARKER + b"application/x-odd\x001"


def test_the_oracle_forgets_rather_than_grow(register):
    wrote = []
    register.serializer(lambda value: wrote.append(value) or "x" * 600, lambda text: text)
    oracle = Oracle(budget=1300)
    for name in ("int_42", "int_0", "int_42", "none", "int_42", "int_0", "none"):
        oracle.expect(name, "odd")
    assert wrote == [42, 0, None, 0, None]


def test_the_oracle_holds_what_its_budget_names(register):
    wrote = []
    register.serializer(lambda value: wrote.append(value) or "x" * 600, lambda text: text)
    exact = Oracle(budget=1200)
    for name, serializer in (("int_42", "odd"), ("set_ints", "json"), ("int_0", "odd"), ("int_42", "odd")):
        assert isinstance(exact.expect(name, serializer), Refused) == (serializer == "json")
    assert wrote == [42, 0]


def test_the_oracle_holds_one_answer_whatever_its_size(register):
    wrote = []
    register.serializer(lambda value: wrote.append(value) or "x" * 600, lambda text: text)
    small = Oracle(budget=10)
    for name in ("int_42", "int_42", "int_0", "int_42"):
        assert len(small.expect(name, "odd").payload) == 600
    assert wrote == [42, 0, 42]


def test_the_oracle_keeps_serializers_and_names_apart():
    oracle = Oracle()
    assert oracle.expect("tuple_flat", "json").value == [1, "two", 3.0]
    assert oracle.expect("tuple_flat", "pickle").value == (1, "two", 3.0)
    assert oracle.expect_built("mine", lambda: (1,), "json").value == [1]
    with pytest.raises(corpus.UnknownValue):
        oracle.expect("tuple_flt", "json")


def test_what_is_kept_for_others_is_named_by_serializer_and_value():
    class Names(Memo):
        asked: list[str] = []

        def get(self, name, compute, once=False):
            self.asked.append(name)
            return compute()

    memo = Names()
    oracle = Oracle(memo=memo)
    for name, serializer in (("int_42", "json"), ("int_42", "yaml"), ("none", "json")):
        oracle.expect(name, serializer)
    assert memo.asked == ["oracle-json-int_42", "oracle-yaml-int_42", "oracle-json-none"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_every_value_has_an_answer(serializer):
    oracle = Oracle()
    answers = {each.name: oracle.expect(each.name, serializer) for each in corpus.VALUES if not each.slow}
    refused = {name for name, answer in answers.items() if isinstance(answer, Refused)}
    assert {each.name for each in corpus.VALUES if each.question == "v-impossible"} <= refused
    assert "int_42" not in refused


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_plain_failure_comes_back_exactly(serializer):
    sent = corpus.failure("value_error_args").build()
    found = expect_failure(sent, serializer)
    assert compare(sent, found.value).verdict is Verdict.EXACT
    assert identify(found.payload).serializer == serializer


def test_a_failure_is_converted_as_celery_does():
    rebuilt = expect_failure(corpus.failure("custom_nested").build(), "json").value
    assert type(rebuilt) is corpus.Outer.InnerError
    assert expect_failure(corpus.failure("custom_attributes").build(), "pickle").value.retry_after == 30
    wrapped = expect_failure(corpus.failure("custom_keyword").build(), "json").value
    assert type(wrapped).__name__ == "UnpickleableExceptionWrapper"
    lost = expect_failure(corpus.failure("custom_keyword").build(), "pickle").value
    assert (type(lost).__name__, lost.args) == ("KeywordError", ("bad",))
    assert not isinstance(lost, corpus.KeywordError)


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_every_failure_has_an_answer(serializer):
    for each in corpus.FAILURES:
        found = expect_failure(each.build(), serializer)
        assert isinstance(found, Refused) or isinstance(found.value, BaseException), each.name


def test_asking_does_not_change_the_current_app():
    from celery import current_app

    expect_failure(ValueError("a"), "json")
    assert current_app.main != "harness.oracle"


def test_a_failure_is_put_into_the_record_that_celery_stores():
    import json

    from celery import Celery
    from celery.backends.base import Backend

    app = Celery("test", set_as_current=False, fixups=[])
    stored = Backend(app)._get_result_meta(ValueError("a"), "FAILURE", None, None)
    record = json.loads(expect_failure(ValueError("a"), "json").payload)
    del stored["date_done"]
    assert record.keys() == stored.keys()
    assert (record["status"], record["traceback"], record["children"]) == ("FAILURE", None, [])


def test_a_serializer_that_refuses_a_failure_is_blamed_in_its_phase(register):
    def refuses(_):
        raise OSError("no")

    register.serializer(refuses, lambda _: {})
    found = expect_failure(ValueError("a"), "odd")
    assert found == Refused("kombu.exceptions.EncodeError", "no", "dump", Blame.SERIALIZER)
    register.serializer(lambda _: "1", refuses)
    found = expect_failure(ValueError("a"), "odd")
    assert found == Refused("kombu.exceptions.DecodeError", "no", "load", Blame.SERIALIZER)


def test_a_refusal_from_the_bottom_of_the_stack_is_told_like_any_other():
    deep = corpus.value("graph_depth_1000").build()
    for _ in range(200):
        deep = [deep]
    found = expect(deep, "pickle")
    again = expect(deep, "pickle")
    assert found == again
    assert isinstance(found, Refused)
    assert (found.phase, found.blame) == ("dump", Blame.SERIALIZER)
    assert "recursion" in found.message
