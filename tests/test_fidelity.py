"""Strict comparison: what is exact, what is coerced, what is altered, and where."""

from __future__ import annotations

import array
import collections
import copy
import datetime
import decimal
import fractions
import functools
import pathlib
import re
import threading
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import corpus
from harness.fidelity import DifferenceKind, compare, difference
from harness.verdict import Verdict

EXACT, COERCED, ALTERED = Verdict.EXACT, Verdict.COERCED, Verdict.ALTERED

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=True)
    | st.fractions()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([*corpus.Shade, *corpus.Level, *corpus.Season])
)
KEYS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.tuples(st.integers(), st.text())
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.frozensets(KEYS)
        | st.builds(corpus.Point, inner, inner)
        | st.builds(collections.deque, st.lists(inner))
        | st.builds(collections.OrderedDict, st.dictionaries(KEYS, inner))
    ),
    max_leaves=12,
)

UTC = datetime.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = datetime.datetime(2024, 7, 1, 12)


def fixed(hours, name=None):
    offset = datetime.timedelta(hours=hours)
    return datetime.timezone(offset, name) if name else datetime.timezone(offset)


@given(VALUES)
def test_a_deep_copy_is_exact(value):
    assert compare(value, copy.deepcopy(value)).verdict is EXACT


@given(VALUES, VALUES)
def test_exactness_is_symmetric(one, other):
    assert (compare(one, other).verdict is EXACT) == (compare(other, one).verdict is EXACT)


@given(VALUES)
def test_what_holds_a_value_is_not_the_value(value):
    assert compare(value, [value]).verdict is not EXACT


@given(VALUES, VALUES)
def test_a_comparison_shows_a_difference_as_bad_as_its_verdict(one, other):
    found = compare(one, other)
    assert (found.first is None) == (found.verdict is EXACT) == (difference(one, other) is None)
    if found.first:
        assert found.first.content_same == (found.verdict is COERCED)
        shown = found.first.path + found.first.sent + found.first.received
        assert shown.isascii()
        assert shown.isprintable()
        assert len(shown) <= 1000


NAMED = collections.namedtuple("NAMED", "a b")


class Caught(ValueError):
    """A kind of ValueError."""


class CaughtGroup(ExceptionGroup, ValueError):
    """A group that handlers of ValueError catch."""


class Hostile:
    def __eq__(self, other):
        raise RuntimeError("hostile")

    def __hash__(self):
        return 1

    def __str__(self):
        raise RuntimeError("hostile")


class Shifted(datetime.tzinfo):
    """A zone of another library."""

    def __init__(self, name):
        self.name = name

    def utcoffset(self, moment):
        return datetime.timedelta(hours=2)


class EqualInt(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class EqualFloat(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


class UnrealComplex(complex):
    real = imag = 0.0


class LooksLikeList:
    __class__ = list


def with_attribute(value, **attributes):
    value.__dict__.update(attributes)
    return value


def noted(error, *notes):
    for note in notes:
        error.add_note(note)
    return error


def caused(error, cause):
    error.__cause__ = cause
    return error


def relabelled(error, args):
    error.args = args
    return error


GROUP = ExceptionGroup("a", [KeyError("k")])
REGROUPED = relabelled(ExceptionGroup("a", [OSError("k")]), GROUP.args)


@pytest.mark.parametrize(
    ("sent", "received", "verdict"),
    [
        # numbers
        (1, True, COERCED),
        (1, 1.0, COERCED),
        (True, 1.0, COERCED),
        (corpus.Level.LOW, 1, COERCED),
        (corpus.Number(7), 7, COERCED),
        (2**53 + 1, float(2**53), ALTERED),
        (float("nan"), float("nan"), EXACT),
        (float("nan"), 0.0, ALTERED),
        (0.0, -0.0, ALTERED),
        (0, -0.0, ALTERED),
        (0, 0.0, COERCED),
        (complex(0.0, -0.0), complex(0.0, 0.0), ALTERED),
        (complex(1.0, 0.0), 1.0, COERCED),
        (complex(float("nan"), 1.0), float("nan"), ALTERED),
        (EqualInt(1), EqualInt(2), ALTERED),
        (EqualFloat(1.0), EqualFloat(2.0), ALTERED),
        (UnrealComplex(1.0), UnrealComplex(2.0), ALTERED),
        (10**400, 10**400, EXACT),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00"), ALTERED),
        (decimal.Decimal("sNaN"), decimal.Decimal("sNaN"), EXACT),
        (decimal.Decimal("sNaN"), decimal.Decimal("NaN"), ALTERED),
        (decimal.Decimal("NaN"), float("nan"), COERCED),
        (decimal.Decimal("1"), 1, COERCED),
        (decimal.Decimal("1.00"), 1, ALTERED),
        (decimal.Decimal("0.5"), 0.5, COERCED),
        (decimal.Decimal("0.1"), 0.1, ALTERED),
        (decimal.Decimal("0.1"), "0.1", ALTERED),
        (fractions.Fraction(1, 2), 0.5, COERCED),
        (fractions.Fraction(1, 3), 1 / 3, ALTERED),
        (fractions.Fraction(1, 3), decimal.Decimal("sNaN"), ALTERED),
        (fractions.Fraction(1, 2), decimal.Decimal("0.5"), COERCED),
        (fractions.Fraction(1, 2), decimal.Decimal("0.6"), ALTERED),
        # text and bytes
        ("a", corpus.Text("a"), COERCED),
        ("winter", corpus.Season.WINTER, COERCED),
        ("a", b"a", ALTERED),
        (b"a", bytearray(b"a"), COERCED),
        (bytearray(b"a"), memoryview(b"a"), COERCED),
        (b"a", bytearray(b"b"), ALTERED),
        ("\ud83d\ude00", "\U0001f600", ALTERED),
        ("cafe\u0301", "caf\u00e9", ALTERED),
        (with_attribute(corpus.TaggedText("a"), language="fr"), "a", ALTERED),
        (
            with_attribute(corpus.TaggedText("a"), language="fr"),
            with_attribute(corpus.TaggedText("a"), language="de"),
            ALTERED,
        ),
        # sequences and sets
        ((1, (2,)), [1, [2]], COERCED),
        (NAMED(1, 2), (1, 2), COERCED),
        (NAMED(1, 2), {"a": 1, "b": 2}, ALTERED),
        (collections.deque([1]), [1], COERCED),
        (collections.deque([1], 1), collections.deque([1]), ALTERED),
        ([1, 2], [2, 1], ALTERED),
        ([1], [1, 1], ALTERED),
        (range(3), [0, 1, 2], COERCED),
        ({1, 2}, {2, 1}, EXACT),
        ({1}, {True}, COERCED),
        ({1.0}, {1}, COERCED),
        ({1}, frozenset({1}), COERCED),
        ({1}, {2}, ALTERED),
        ({1}, {1, 2}, ALTERED),
        ({1}, [1], ALTERED),
        ({float("nan")}, {float("nan")}, EXACT),
        ({frozenset({1})}, {frozenset({True})}, COERCED),
        ({corpus.Shade.DARK}, {"dark"}, ALTERED),
        ({1, "a"}, {"a", 1}, EXACT),
        (array.array("i", [1]), array.array("i", [1]), EXACT),
        (array.array("i", [1]), array.array("i", [2]), ALTERED),
        (array.array("i", [1]), array.array("l", [1]), ALTERED),
        # mappings
        ({1: "a"}, {"1": "a"}, ALTERED),
        ({1: "a"}, {True: "a"}, ALTERED),
        ({(1, 2): "a"}, {(1.0, 2): "a"}, ALTERED),
        ({"a": 1}, {"a": 1, "b": 2}, ALTERED),
        ({"a": 1, "b": 2}, {"a": 1}, ALTERED),
        ({"a": 1}, {"a": True}, COERCED),
        ({"a": 1}, {"a": 2}, ALTERED),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, COERCED),
        ({float("nan"): 1}, {float("nan"): 1}, EXACT),
        (collections.OrderedDict(a=1, b=2), {"a": 1, "b": 2}, COERCED),
        (collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), ALTERED),
        (collections.Counter("aab"), {"a": 2, "b": 1}, COERCED),
        (collections.defaultdict(list, a=1), collections.defaultdict(set, a=1), ALTERED),
        (collections.defaultdict(list, a=1), collections.defaultdict(list, a=1), EXACT),
        (collections.defaultdict(list, a=1), {"a": 1}, COERCED),
        # dates and times
        (NOON, NOON.replace(microsecond=1), ALTERED),
        (NOON, NOON.replace(tzinfo=UTC), ALTERED),
        (NOON.replace(tzinfo=UTC), NOON, ALTERED),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=fixed(2)), COERCED),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=zoneinfo.ZoneInfo("Europe/Paris")), COERCED),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=BERLIN).astimezone(UTC), ALTERED),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=zoneinfo.ZoneInfo("UTC")), COERCED),
        (NOON.replace(tzinfo=fixed(2)), NOON.replace(tzinfo=fixed(2, "CEST")), COERCED),
        (NOON.replace(tzinfo=fixed(2)), NOON.replace(tzinfo=fixed(3)), ALTERED),
        (NOON.replace(fold=1), NOON, ALTERED),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=BERLIN), EXACT),
        (
            NOON.replace(tzinfo=BERLIN),
            NOON.replace(tzinfo=zoneinfo.ZoneInfo.no_cache("Europe/Berlin")),
            EXACT,
        ),
        (NOON.replace(tzinfo=Shifted("a")), NOON.replace(tzinfo=Shifted("a")), EXACT),
        (NOON.replace(tzinfo=Shifted("a")), NOON.replace(tzinfo=Shifted("b")), COERCED),
        (fixed(2), fixed(2), EXACT),
        (fixed(2), fixed(3), ALTERED),
        (fixed(2), BERLIN, ALTERED),
        (BERLIN, zoneinfo.ZoneInfo.no_cache("Europe/Berlin"), EXACT),
        (BERLIN, zoneinfo.ZoneInfo("Europe/Paris"), ALTERED),
        (NOON, NOON.date(), ALTERED),
        (NOON, str(NOON), ALTERED),
        (datetime.time(1, tzinfo=UTC), datetime.time(1), ALTERED),
        (datetime.time(1), datetime.time(1, microsecond=1), ALTERED),
        (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), ALTERED),
        (datetime.timedelta(1), datetime.timedelta(days=1), EXACT),
        (datetime.timedelta(1), 86400.0, ALTERED),
        # classes
        (corpus.Shade.DARK, corpus.Shade.DARK, EXACT),
        (corpus.Shade.DARK, corpus.Shade.LIGHT, ALTERED),
        (corpus.Shade.DARK, "dark", ALTERED),
        (corpus.Access.READ, 1, ALTERED),
        (uuid.UUID(int=1), uuid.UUID(int=1), EXACT),
        (uuid.UUID(int=1), uuid.UUID(int=2), ALTERED),
        (uuid.UUID(int=1), str(uuid.UUID(int=1)), ALTERED),
        (pathlib.Path("a"), pathlib.Path("a"), EXACT),
        (pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b"), ALTERED),
        (pathlib.PurePosixPath("a"), pathlib.PosixPath("a"), COERCED),
        (pathlib.Path("a"), "a", ALTERED),
        (corpus.Point(1), corpus.Point(1), EXACT),
        (corpus.Point(1), corpus.Point(True), COERCED),
        (corpus.Point(1), corpus.Point(2), ALTERED),
        (corpus.Point(1), {"x": 1, "y": 0, "tags": []}, ALTERED),
        (corpus.SlottedPoint(1), corpus.SlottedPoint(2), ALTERED),
        (corpus.Plain(a=1), corpus.Plain(), ALTERED),
        (corpus.Plain(), corpus.Plain(a=1), ALTERED),
        (functools.partial(int, "1"), functools.partial(int, "1"), EXACT),
        (functools.partial(int, "1"), functools.partial(int, "2"), ALTERED),
        (LooksLikeList(), [], ALTERED),
        (object(), object(), EXACT),
        (re.compile("a"), re.compile("a"), EXACT),
        (re.compile("a"), re.compile("b"), ALTERED),
        (slice(1, 2), slice(1, 2), EXACT),
        (slice(1, 2), slice(1, 3), ALTERED),
        # exceptions
        (ValueError("a", 1), ValueError("a", 1), EXACT),
        (ValueError("a", (1,)), ValueError("a", [1]), COERCED),
        (ValueError("a"), ValueError("b"), ALTERED),
        (ValueError("a"), Caught("a"), COERCED),
        (Caught("a"), ValueError("a"), ALTERED),
        (OSError(2, "no", "/a"), OSError(2, "no"), ALTERED),
        (corpus.KeywordError("a", code=1), corpus.KeywordError("a", code=2), ALTERED),
        (noted(ValueError("a"), "note"), ValueError("a"), ALTERED),
        (caused(ValueError("a"), KeyError("k")), ValueError("a"), ALTERED),
        (caused(ValueError("a"), KeyError("k")), caused(ValueError("a"), KeyError("k")), EXACT),
        (noted(ValueError("a"), "note"), noted(ValueError("a"), "note"), EXACT),
        (noted(ValueError("a"), "note"), noted(ValueError("a"), "other"), ALTERED),
        (ValueError("a"), noted(ValueError("a"), "note"), ALTERED),
        (caused(ValueError("a"), KeyError("k")), caused(ValueError("a"), KeyError("l")), ALTERED),
        (ExceptionGroup("a", [KeyError("k")]), ExceptionGroup("a", [KeyError("k")]), EXACT),
        (ExceptionGroup("a", [KeyError("k")]), ExceptionGroup("a", [KeyError("l")]), ALTERED),
        (ExceptionGroup("a", [KeyError("k")]), ExceptionGroup("a", [KeyError("k"), OSError()]), ALTERED),
        (ExceptionGroup("a", [KeyError("k")]), ValueError("a", [KeyError("k")]), ALTERED),
        (ExceptionGroup("a", [caused(KeyError(), OSError())]), ExceptionGroup("a", [KeyError()]), ALTERED),
        (GROUP, REGROUPED, ALTERED),
        (ValueError("a"), relabelled(CaughtGroup("b", [KeyError("k")]), ("a",)), COERCED),
        # opaque
        (len, len, EXACT),
        (int, int, EXACT),
        (int, float, ALTERED),
        (corpus.greeting, len, ALTERED),
        (threading.Lock(), threading.Lock(), ALTERED),
        (None, ..., ALTERED),
        (None, False, ALTERED),
    ],
)
def test_the_rules(sent, received, verdict):
    assert compare(sent, received).verdict is verdict


def test_the_worst_difference_counts_though_a_milder_one_comes_first():
    sent, received = [(1,), "a"], [[1], "b"]
    assert difference(sent, received).kind is DifferenceKind.TYPE
    worst = compare(sent, received)
    assert worst.verdict is ALTERED
    assert (worst.first.path, worst.first.sent, worst.first.received) == ("$[1]", "'a'", "'b'")


@pytest.mark.parametrize(
    ("sent", "received", "path", "kind"),
    [
        ([{"key": (1, 2)}], [{"key": (1, 3)}], "$[0]['key'][1]", DifferenceKind.CONTENT),
        ({1: "a"}, {"1": "a"}, "$<key 1>", DifferenceKind.KEY),
        (corpus.Point(1, tags=["a"]), corpus.Point(1, tags=["b"]), "$.tags[0]", DifferenceKind.CONTENT),
        (ValueError(1), ValueError(2), "$.args[0]", DifferenceKind.CONTENT),
        ({(1,)}, {(True,)}, "$<member (1,)>[0]", DifferenceKind.TYPE),
        ("x" * 500 + "a", "x" * 500 + "b", "$[492:]", DifferenceKind.CONTENT),
        ("x" * 59 + "a", "x" * 59 + "b", "$", DifferenceKind.CONTENT),
        ("x" * 60 + "a", "x" * 60 + "b", "$[52:]", DifferenceKind.CONTENT),
        (b"a" + b"x" * 99, b"b" + b"x" * 99, "$", DifferenceKind.CONTENT),
        ([1], [1, 2], "$", DifferenceKind.LENGTH),
        (collections.deque(maxlen=1), collections.deque(maxlen=2), "$.maxlen", DifferenceKind.CONTENT),
        ({1}, {2}, "$<member 1>", DifferenceKind.MEMBER),
        (NOON.replace(tzinfo=UTC), NOON, "$", DifferenceKind.ZONE),
        (NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=fixed(2)), "$.tzinfo", DifferenceKind.ZONE),
        (NOON.replace(fold=1), NOON, "$", DifferenceKind.CONTENT),
        (NOON, NOON.replace(microsecond=1), "$", DifferenceKind.CONTENT),
        (NOON.date(), datetime.date(2024, 1, 2), "$", DifferenceKind.CONTENT),
        (None, ..., "$", DifferenceKind.CONTENT),
        (NotImplemented, None, "$", DifferenceKind.CONTENT),
        ("a", b"a", "$", DifferenceKind.TYPE),
        ({1}, {1, 2}, "$", DifferenceKind.LENGTH),
        ({(1,): "a"}, {(True,): "a"}, "$<key (1,)>[0]", DifferenceKind.KEY),
        (
            collections.defaultdict(list),
            collections.defaultdict(set),
            "$.default_factory",
            DifferenceKind.OPAQUE,
        ),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "$", DifferenceKind.ORDER),
        (corpus.Plain(a=1), corpus.Plain(), "$.a", DifferenceKind.ATTRIBUTE),
        (threading.Lock(), threading.Lock(), "$", DifferenceKind.OPAQUE),
        (pathlib.PurePath("a"), pathlib.PurePath("b"), "$", DifferenceKind.CONTENT),
        (array.array("i", [1]), array.array("i", [2]), "$", DifferenceKind.CONTENT),
        (datetime.timedelta(1), datetime.timedelta(2), "$", DifferenceKind.CONTENT),
        (BERLIN, UTC, "$", DifferenceKind.CONTENT),
        (uuid.UUID(int=1), corpus.Plain(), "$", DifferenceKind.TYPE),
        (re.compile("a"), re.compile("b"), "$", DifferenceKind.CONTENT),
        (
            functools.partial(int, "1"),
            functools.partial(int, "2"),
            "$.__reduce__()[2][1][0]",
            DifferenceKind.CONTENT,
        ),
        (ValueError("a"), KeyError("a"), "$", DifferenceKind.TYPE),
        (REGROUPED, GROUP, "$.exceptions[0]", DifferenceKind.SHARING),
        (fractions.Fraction(1, 3), decimal.Decimal("sNaN"), "$", DifferenceKind.CONTENT),
    ],
)
def test_a_difference_says_where_and_what(sent, received, path, kind):
    found = difference(sent, received)
    assert (found.path, found.kind) == (path, kind)


def test_a_changed_key_is_shown_beside_the_key_it_became():
    found = difference({2: "b", 1: "a"}, {"1": "a", "2": "b"})
    assert (found.sent, found.received) == ("2", "'2'")


@pytest.mark.parametrize(
    ("sent", "received", "kept", "came"),
    [
        ({"a": 1}, {"a": 1, "b": 2, "c": 3}, "<nothing>", "'b'"),
        ({"a": 1}, {}, "'a'", "<nothing>"),
        ({"a": 1}, {"b": 1}, "'a'", "'b'"),
        ({"a": 1}, {"b": 1, "A": 1}, "'a'", "'A'"),
        ({Hostile(): 1}, {"a": 1}, "test_fidelity.Hostile()", "'a'"),
        (corpus.Plain(a=1), corpus.Plain(), "1", "<nothing>"),
        (corpus.Plain(), corpus.Plain(a=1), "<nothing>", "1"),
        ({1}, {2}, "1", "2"),
        (None, 1, "None", "1"),
        (
            NOON.replace(tzinfo=BERLIN),
            NOON.replace(tzinfo=fixed(2)),
            "zoneinfo.ZoneInfo(key='Europe/Berlin')",
            "datetime.timezone(2:00:00)",
        ),
    ],
)
def test_a_difference_shows_what_stands_on_both_sides(sent, received, kept, came):
    found = difference(sent, received)
    assert (found.sent, found.received) == (kept, came)
    assert found.kind is not DifferenceKind.INCOMPARABLE


def test_long_text_is_shown_from_a_little_before_it_differs():
    for position in range(100):
        same, rest = "x" * position, "x" * (99 - position)
        found = difference(f"{same}a{rest}", f"{same}b{rest}")
        start = position - 8 if position > 8 else 0
        assert found.path == (f"$[{start}:]" if start else "$")
        assert (found.sent, found.received) == (
            f"'{same[start:]}a{rest}'",
            f"'{same[start:]}b{rest}'",
        )


def test_a_shown_value_is_bounded():
    found = difference([0] * 1000, None)
    assert len(found.sent) == 300


def test_a_long_path_loses_its_middle():
    def path(sent, received):
        return difference(sent, received).path

    steps, longer = [[0] * 10 + [bottom] for bottom in (1, 2)], "[10]" * 2
    for depth in (97, 98):
        one, other = (nested(depth, lambda x: [x], [0] * 10 + [each]) for each in steps)
        whole = "$" + "[0]" * depth + longer
        shown = path(one, other)
        assert shown == (whole if len(whole) <= 300 else f"{whole[:140]}...<100 steps>...{whole[-140:]}")
    assert len(path({tuple(range(100)): 1}, {tuple(range(100)): 2})) == len("$[]") + 80
    assert len(path(corpus.Plain(**{"k" * 200: 1}), corpus.Plain(**{"k" * 200: 2}))) == len("$.") + 80


def test_lost_sharing_is_coerced_in_both_directions():
    shared, apart = corpus.value("graph_shared_list").build(), [[1], [1]]
    for sent, received in ((shared, apart), (apart, shared)):
        found = compare(sent, received)
        assert (found.verdict, found.first.kind) == (COERCED, DifferenceKind.SHARING)
    assert compare(shared, copy.deepcopy(shared)).verdict is EXACT


def test_a_key_that_was_added_is_told_as_one():
    found = compare({"a": 1}, {"a": 1, "b": 2})
    assert (found.verdict, found.first.kind, found.first.received) == (
        Verdict.ALTERED,
        DifferenceKind.KEY,
        "'b'",
    )


def test_sharing_of_what_cannot_change_does_not_count():
    one = uuid.UUID(int=1)
    assert compare([one, one], [one, uuid.UUID(int=1)]).verdict is EXACT
    assert compare([tuple(x) for x in ([1], [1])], [(1,)] * 2).verdict is EXACT


def test_what_one_object_became_is_looked_at_each_time():
    one = [1]
    assert compare([[1], [2]], [one, one]).verdict is ALTERED
    assert compare([one, one], [[1], [2]]).verdict is ALTERED
    # what is made while looking at one pair may lie where that of the pair before lay
    sent = [functools.partial(int, str(number)) for number in range(20)]
    for changed in range(20):
        received = [*sent]
        received[changed] = functools.partial(int, "other")
        assert compare(sent, received).verdict is ALTERED


def test_self_reference_ends():
    ring = corpus.value("graph_self_list").build()
    assert compare(ring, corpus.value("graph_self_list").build()).verdict is EXACT
    longer = [1]
    longer.append([1, longer])
    assert compare(ring, longer).verdict is COERCED
    assert compare(ring, [1, [1, None]]).verdict is ALTERED


def test_a_heavily_shared_tuple_is_looked_at_once():
    sent, received = (1,), (1,)
    for _ in range(60):
        sent, received = (sent, sent), (received, received)
    assert compare(sent, received).verdict is EXACT


def nested(depth, wrap, bottom):
    for _ in range(depth):
        bottom = wrap(bottom)
    return bottom


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: [x],
        lambda x: (x,),
        lambda x: {"in": x},
        lambda x: frozenset([x]),
        lambda x: corpus.Plain(a=x),
    ],
)
def test_depth_does_not_overflow(wrap):
    assert compare(nested(1000, wrap, 1), nested(1000, wrap, 1)).verdict is EXACT
    deep = compare(nested(5000, wrap, 1), nested(5000, wrap, 2)) if wrap(1) == [1] else None
    if deep:
        assert deep.verdict is ALTERED
        assert len(deep.first.path) <= 300


class Unhashable:
    def __init__(self):
        self.angry = False

    def __hash__(self):
        if self.angry:
            raise RuntimeError("hostile")
        return 1


def test_hostile_objects_do_not_stop_the_comparison():
    assert compare({Hostile(): 1}, {Hostile(): 1}).verdict is EXACT
    assert compare([Hostile()], [1]).verdict is ALTERED
    sent, received = {Unhashable()}, {Unhashable()}
    for member in (*sent, *received):
        member.angry = True
    assert compare(sent, received).verdict is EXACT


def test_what_raises_when_looked_at_is_incomparable():
    released = memoryview(b"a")
    released.release()
    found = compare([released], [memoryview(b"a")])
    assert (found.verdict, found.first.kind) == (ALTERED, DifferenceKind.INCOMPARABLE)


def test_large_values_are_compared_in_little_time():
    sent = {str(number): [number] for number in range(5000)}
    assert compare(sent, copy.deepcopy(sent)).verdict is EXACT
