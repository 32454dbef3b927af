"""One form for every value, one escape for every text, one place that hides secrets."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import threading
import time
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import corpus, evidence
from harness.ascii import describe, escape, is_secret, redact

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Cc", "Lo"]))
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.uuids(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.sets(st.integers())
    ),
)


def is_safe(text):
    return text.isascii() and text.isprintable()


class Hostile:
    """Raises wherever it is touched."""

    def raises(self, *_):
        raise RuntimeError("hostile")

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __getattribute__ = raises


class HostileMeta(type):
    @property
    def __name__(cls):
        raise RuntimeError("hostile")

    def __repr__(cls):
        raise RuntimeError("hostile")


class HostileList(list):
    def __iter__(self):
        raise RuntimeError("hostile")


@given(ANYTHING, st.integers(0, 300))
def test_any_value_gets_a_bounded_printable_ascii_form(value, limit):
    shown = describe(value, limit)
    assert is_safe(shown)
    assert len(shown) <= max(limit, 40)


@pytest.mark.parametrize("each", corpus.VALUES, ids=[each.name for each in corpus.VALUES])
def test_every_corpus_value_gets_one_too(each):
    shown = describe(each.build(), 200)
    assert is_safe(shown)
    assert len(shown) <= 200


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, "None"),
        (True, "True"),
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "float('-0.0')"),
        (float("nan"), "float('nan')"),
        (float("-inf"), "float('-inf')"),
        ("a\u00e9\ud800\x00", "'a\\xe9\\ud800\\x00'"),
        (b"\xff", "b'\\xff'"),
        (bytearray(b"a"), "bytearray(b'a')"),
        (memoryview(b"a"), "memoryview(b'a')"),
        ([1, (2,), {"a": ()}], "[1, (2,), {'a': ()}]"),
        ({2, 1}, "set({1, 2})"),
        (frozenset(), "frozenset({})"),
        (collections.deque([1], 2), "collections.deque([1], maxlen=2)"),
        (decimal.Decimal("1.0"), "decimal.Decimal('1.0')"),
        (datetime.date(2024, 2, 29), "datetime.date(2024, 2, 29)"),
        (datetime.timedelta(days=-1, seconds=5), "datetime.timedelta(days=-1, seconds=5)"),
        (ValueError("a", 1), "ValueError('a', 1)"),
        (OSError(2, "no", "/x"), "FileNotFoundError(2, 'no', filename='/x')"),
        (corpus.Season.WINTER, "harness.corpus.Season.WINTER"),
        (corpus.Text("a"), "harness.corpus.Text('a')"),
        (corpus.Point(1), "harness.corpus.Point(x=1, y=0, tags=[])"),
        (corpus.SlottedPoint(1), "harness.corpus.SlottedPoint(x=1, y=0)"),
        (corpus.Pair(1, 2), "harness.corpus.Pair(left=1, right=2)"),
        (corpus.Row([1]), "harness.corpus.Row([1])"),
        (int, "<class 'int'>"),
        (threading.Lock(), "<_thread.lock>"),
        (
            datetime.datetime(2024, 10, 27, 2, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            "datetime.datetime(2024, 10, 27, 2, 0, 0, fold=1, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))",
        ),
    ],
)
def test_the_form_shows_the_type(value, form):
    assert describe(value) == form


@pytest.mark.parametrize(
    "pair",
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ("a", b"a"),
        ((1,), [1]),
        ({1}, frozenset({1})),
        ("winter", corpus.Season.WINTER),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
        (datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 1)),
        ({"a": 1}, collections.OrderedDict(a=1)),
    ],
)
def test_what_differs_looks_different(pair):
    assert describe(pair[0]) != describe(pair[1])


def test_hostile_objects_are_shown_by_their_type():
    assert "Hostile" in describe(Hostile())
    assert is_safe(describe([Hostile(), {"a": Hostile()}]))
    assert is_safe(describe(HostileMeta("Odd", (), {})()))
    assert describe(HostileList([1])).endswith("HostileList([1])")


def test_an_attribute_error_inside_does_not_hide_the_rest():
    released = memoryview(b"a")
    released.release()
    assert describe([released, 1]) == "[<memoryview that raises ValueError>, 1]"


def test_cycles_and_depth_end():
    assert describe(corpus.value("graph_self_list").build()) == "[1, <cycle>]"
    assert "<deeper>" in describe(corpus.value("graph_depth_1000").build())


def test_a_shared_object_is_no_cycle():
    assert describe(corpus.value("graph_shared_list").build()) == "[[1], [1]]"


def test_long_text_says_how_much_is_missing():
    shown = describe("x" * 1000, 100)
    kept = shown.split("'")[1]
    assert shown == f"'{kept}'...<+{1000 - len(kept)} chars>"


def test_long_integers_show_both_ends_and_their_length():
    assert describe(10**5000 + 7) == "int(1000000000...<4981 digits>...0000000007)"
    assert describe(-(10**5000) - 7).startswith("int(-1000000000...")
    assert describe(10**4999) != describe(10**5000)


def test_sets_are_shown_in_one_order():
    one, other = {"a", "b", "c", "d"}, set()
    for member in "dcba":
        other.add(member)
    assert describe(one) == describe(other) == "set({'a', 'b', 'c', 'd'})"


def test_no_form_shows_an_address():
    assert "0x" not in describe(
        [object(), corpus.Plain(), corpus.greeting, (x for x in ()), threading.Lock()]
    )


@given(st.text(st.characters() | st.characters(categories=["Cs"])), st.integers(0, 100), st.booleans())
def test_escaped_text_is_bounded_and_printable(text, limit, newlines):
    shown = escape(text, limit, newlines=newlines)
    assert len(shown) <= limit
    assert is_safe(shown.replace("\n", "") if newlines else shown)


def test_escape_keeps_line_feeds_only_if_asked():
    assert escape("a\nb\r\u00e9") == "a\\nb\\r\\xe9"
    assert escape("a\nb\r", newlines=True) == "a\nb\\r"


def test_escape_takes_anything():
    assert escape(ValueError("no")) == "no"
    assert "Hostile" in escape(Hostile())


def test_escape_says_how_long_the_text_was():
    assert escape("x" * 1000, 50) == "x" * (50 - len("...<1000 chars>")) + "...<1000 chars>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("redis://:hun/ter@2@host:1/0", "redis://:***@host:1/0"),
        ("amqp://u:hunter2@a//;amqp://v:hunter3@b//", "amqp://u:***@a//;amqp://v:***@b//"),
        ("db+postgresql://u:12345@h/db?password=hunter2&x=1", "db+postgresql://u:***@h/db?password=***&x=1"),
        ("http://host:9200/index?mail=a@b", "http://host:9200/index?mail=a@b"),
        ("no secret: here", "no secret: here"),
    ],
)
def test_passwords_in_urls_are_hidden(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "x" * (evidence.LINE - 15) + " redis://u:" + "hunter" * 160 + "@h " + "y" * 5000,
        f"redis://u:{'hunter' * 100}@h " * 100,
        f"{'x' * 300}?password={'hunter' * 1000}",
        f"{'x' * (evidence.LINE - 20)} http://h/?password={'hunter' * 1000}&more={'y' * 3000}",
    ],
)
@pytest.mark.parametrize("cut", [evidence.line, evidence.text])
def test_passwords_that_lie_across_a_cut_are_hidden(cut, text):
    assert "hunter" not in cut(text)
    whole = redact(text)
    # all but the number of characters, and what stands in its place
    assert cut(text)[:350] == (whole if len(whole) < 350 else cut(whole)[:350])


def test_the_end_of_a_long_text_costs_nothing():
    started = time.process_time()  # of this process alone: other tests run beside this one
    for _ in range(300):
        evidence.line("a" * 1_000_000)
    assert time.process_time() - started < 5, "all of it would take minutes"


def test_given_secrets_are_hidden_in_both_spellings():
    assert redact("p@ss and p%40ss and pass", ["p@ss", ""]) == "*** and *** and pass"


@pytest.mark.parametrize("text", ["a" * 300_000, "a://b:" * 10_000, "a://" * 50_000])
def test_hiding_does_not_cost_the_square_of_the_text(text):
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 5


def test_of_two_secrets_the_longer_is_hidden_first():
    assert redact("secretsecret2", ["secret", "secretsecret2"]) == "***"


def test_an_enum_without_a_name_for_its_value_is_shown():
    class Loose(enum.Flag):
        A = 1

    assert "Loose" in describe(Loose(0))


@pytest.mark.parametrize("name", ["s3_secret_access_key", "password", "azure_api_key", "PASSWD"])
def test_a_setting_that_holds_a_secret_is_known_by_its_name(name):
    assert is_secret(name)
    assert not is_secret("s3_access_key_id")
    settings = {"outer": {name: "word"}, "result_backend": "redis://:word@host/0", f"no_{name}": None}
    shown = evidence.jsonable(settings)
    assert shown == {"outer": {name: "***"}, "result_backend": "redis://:***@host/0", f"no_{name}": None}
