"""The values that tasks return and the failures that they raise, each with a name and a reason.

Values travel by name: a message that carried the value itself would be judged by the message
serializer first. So worker and client both import this module and build the value where they need
it. Three rules follow:

* building twice gives two equal, unconnected objects, in every process and on every day: no
  randomness, no clock, no order that depends on hashing;
* every class that a value needs is a module-level class of this module;
* importing this module, and listing its names, is cheap: what costs is done inside ``build``.

Public: `VALUES`, `value`, `FAILURES`, `failure`, and the classes that values are made of.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import difflib
import enum
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Value:
    """One value that a task can return."""

    name: str
    """Unique; lower-case letters, digits and underscores, so that ``pytest -k`` can select by it."""
    question: str
    """The ``v-...`` question of docs that this value helps to answer."""
    why: str
    """One sentence: what a store, serializer or codec may get wrong about it."""
    build: Callable[[], object]
    """Makes the value, anew on each call."""
    slow: str | None = None
    """Why it is slow; None: it is not."""
    patience: float = 1.0
    """Factor by which deadlines are multiplied."""


@dataclass(frozen=True)
class Failure:
    """One exception that a task can raise."""

    name: str
    question: str
    """``f-builtin``, ``f-custom``, ``f-cause`` or ``f-text``."""
    why: str
    build: Callable[[], BaseException]


class UnknownName(LookupError):
    """No value, or no failure, has this name. The message suggests the nearest ones."""

    kind = "name"

    def __init__(self, name: str, nearest: list[str]) -> None:
        hint = f"; did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(f"no {self.kind} is named {name!r}{hint}")
        self.name = name
        self.nearest = nearest


class UnknownValue(UnknownName):
    """No value of `VALUES` has this name."""

    kind = "value"


class UnknownFailure(UnknownName):
    """No failure of `FAILURES` has this name."""

    kind = "failure"


def value(name: str) -> Value:
    """The value of that name.

    Raises `UnknownValue`, which suggests the nearest names.
    """
    try:
        return _VALUES_BY_NAME[name]
    except KeyError:
        raise UnknownValue(name, difflib.get_close_matches(name, _VALUES_BY_NAME, 3)) from None


def failure(name: str) -> Failure:
    """The failure of that name.

    Raises `UnknownFailure`, which suggests the nearest names.
    """
    try:
        return _FAILURES_BY_NAME[name]
    except KeyError:
        raise UnknownFailure(name, difflib.get_close_matches(name, _FAILURES_BY_NAME, 3)) from None


# -- classes that values are made of ----------------------------------------------------------------


class Shade(enum.Enum):
    """A plain enumeration: its members are not their values."""

    DARK = "dark"
    LIGHT = "light"


class Level(enum.IntEnum):
    """Members that are integers."""

    LOW = 1
    HIGH = 2


class Season(enum.StrEnum):
    """Members that are text."""

    WINTER = "winter"
    SUMMER = "summer"


class Access(enum.Flag):
    """Members that combine, and are not integers."""

    READ = enum.auto()
    WRITE = enum.auto()


Pair = collections.namedtuple("Pair", ["left", "right"])


@dataclass
class Point:
    """A plain data class."""

    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SlottedPoint:
    """A data class without a ``__dict__``."""

    x: int
    y: int = 0


class Plain:
    """An ordinary object: attributes and nothing else."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Text(str):
    """A subclass of str without attributes of its own."""


class TaggedText(str):
    """A subclass of str that carries an attribute."""

    language: str


class Number(int):
    """A subclass of int."""


class Row(list[Any]):
    """A subclass of list."""


class Span(tuple[Any, ...]):
    """A subclass of tuple."""


class Record(dict[str, Any]):
    """A subclass of dict."""


class JsonDict:
    """An object that offers itself to kombu's JSON as a dict."""

    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __json__(self) -> dict[str, int]:
        return {"amount": self.amount}


class JsonText:
    """An object that offers itself to kombu's JSON as text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __json__(self) -> str:
        return self.text


class JsonRefuses:
    """An object whose ``__json__`` raises."""

    def __json__(self) -> object:
        raise ValueError("this object does not want to be JSON")


class PickleRefuses:
    """An object whose ``__reduce__`` raises."""

    def __reduce__(self) -> str:
        raise ValueError("this object does not want to be pickled")


def greeting(name: str) -> str:
    """What a lazy value evaluates; also the function that is sent as a value."""
    return f"hello {name}"


# -- helpers of the values below ---------------------------------------------------------------------


def _zone(key: str) -> datetime.tzinfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo(key)


def _uuid(text: str) -> object:
    import uuid

    return uuid.UUID(text)


def _path(kind: str, text: str) -> object:
    import pathlib

    return getattr(pathlib, kind)(text)


def _fraction(above: int, below: int) -> object:
    from fractions import Fraction

    return Fraction(above, below)


def _digits(count: int) -> int:
    """An integer of that many digits, not a power of ten, made without any text conversion."""
    return int((10**count - 1) // 7)


def _tagged_text() -> TaggedText:
    text = TaggedText("bonjour")
    text.language = "fr"
    return text


def _default_dict() -> collections.defaultdict[str, list[int]]:
    made: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    made["a"].append(1)
    return made


def _lazy_text() -> object:
    from kombu.utils.functional import lazy

    return lazy(greeting, "kombu")  # type: ignore[no-untyped-call]


def _shared(inner: object) -> list[object]:
    return [inner, inner]


def _self_list() -> list[object]:
    made: list[object] = [1]
    made.append(made)
    return made


def _self_dict() -> dict[str, object]:
    made: dict[str, object] = {"one": 1}
    made["self"] = made
    return made


def _deep_list(depth: int) -> object:
    made: object = ["bottom"]
    for _ in range(depth - 1):
        made = [made]
    return made


def _deep_dict(depth: int) -> object:
    made: object = {"bottom": True}
    for _ in range(depth - 1):
        made = {"in": made}
    return made


def _generator() -> Iterator[int]:
    yield from (1, 2, 3)


def _open_file() -> object:
    return open(os.devnull, "rb")


def _lock() -> object:
    import threading

    return threading.Lock()


def _local_object() -> object:
    class Local:
        pass

    return Local()


def _prose(size: int) -> str:
    """Text of that many ASCII characters that compresses very well."""
    sentence = "The quick brown fox jumps over the lazy dog. "
    return (sentence * (size // len(sentence) + 1))[:size]


def _noise_text(size: int) -> str:
    """Text of that many ASCII characters that compresses to no less than half."""
    import hashlib

    return hashlib.shake_256(b"celery-roundtrip").hexdigest(size // 2 + 1)[:size]


def _noise(size: int) -> bytes:
    """Bytes that do not compress."""
    import hashlib

    return hashlib.shake_256(b"celery-roundtrip").digest(size)


_KIB = 1024
_MIB = 1024 * 1024
_UTC = datetime.UTC
_INDIA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
_ODD_OFFSET = datetime.timezone(datetime.timedelta(hours=1, minutes=23, seconds=45))

_ONE_MIB = "one MiB and more: serializing, storing and reading it takes a moment in every store"
_SIXTEEN_MIB = "16 MiB: yaml, in pure Python, takes ten seconds and more to write and read it"

# Factors for deadlines; yaml, written and read in pure Python, sets them.
_PATIENT = 3.0
_VERY_PATIENT = 20.0

VALUES: tuple[Value, ...] = (
    # v-none
    Value("none", "v-none", "None also means that a task has no result yet.", lambda: None),
    Value("true", "v-none", "A store that keeps integers turns it into 1.", lambda: True),
    Value("false", "v-none", "Falsy: code that tests for truth takes it for no result.", lambda: False),
    Value("str_empty", "v-none", "Some stores keep empty text as NULL.", lambda: ""),
    Value("list_empty", "v-none", "Falsy, and some stores have no empty collection.", list),
    Value("dict_empty", "v-none", "Falsy, and some stores have no empty document.", dict),
    # v-int
    Value("int_0", "v-int", "Falsy: code that tests for truth takes it for no result.", lambda: 0),
    Value("int_42", "v-int", "An ordinary integer: if this fails, everything does.", lambda: 42),
    Value("int_2_31_less_1", "v-int", "The largest signed 32-bit integer.", lambda: 2**31 - 1),
    Value("int_2_31", "v-int", "One more than a signed 32-bit integer holds.", lambda: 2**31),
    Value("int_minus_2_31_less_1", "v-int", "One less than signed 32 bits hold.", lambda: -(2**31) - 1),
    Value("int_2_53", "v-int", "The last integer up to which a double knows each.", lambda: 2**53),
    Value("int_2_53_plus_1", "v-int", "The first integer that a double loses.", lambda: 2**53 + 1),
    Value("int_minus_2_53_less_1", "v-int", "The same on the negative side.", lambda: -(2**53) - 1),
    Value("int_2_63_less_1", "v-int", "The largest signed 64-bit integer.", lambda: 2**63 - 1),
    Value("int_2_63", "v-int", "One more than a signed 64-bit integer holds.", lambda: 2**63),
    Value("int_minus_2_63", "v-int", "The smallest signed 64-bit integer.", lambda: -(2**63)),
    Value("int_minus_2_63_less_1", "v-int", "One less than signed 64 bits hold.", lambda: -(2**63) - 1),
    Value("int_2_64_less_1", "v-int", "The largest unsigned 64-bit integer.", lambda: 2**64 - 1),
    Value("int_2_64", "v-int", "Beyond every fixed-size integer.", lambda: 2**64),
    Value("int_minus_2_64", "v-int", "Beyond every fixed-size integer, negative.", lambda: -(2**64)),
    Value(
        "int_4000_digits",
        "v-int",
        "Long, but within Python's limit of 4,300 digits between int and text.",
        lambda: _digits(4000),
    ),
    Value(
        "int_5000_digits",
        "v-int",
        "Above Python's limit of 4,300 digits: a serializer that goes through text must refuse it.",
        lambda: _digits(5000),
    ),
    # v-float
    Value("float_whole", "v-float", "1.0 is easily shortened to the integer 1.", lambda: 1.0),
    Value("float_minus_0", "v-float", "Its sign is lost where zeros are compared.", lambda: -0.0),
    Value("float_nan", "v-float", "JSON has no NaN; databases may refuse it.", lambda: float("nan")),
    Value("float_inf", "v-float", "JSON has no infinity.", lambda: float("inf")),
    Value("float_denormal", "v-float", "The smallest positive double: easily flushed to 0.", lambda: 5e-324),
    Value("float_max", "v-float", "The largest double.", lambda: 1.7976931348623157e308),
    Value("float_17_digits", "v-float", "Needs all 17 digits to come back.", lambda: 0.30000000000000004),
    Value("float_1e16", "v-float", "Its short form 1e+16 is text to some YAML readers.", lambda: 1e16),
    # v-str
    Value("str_ascii", "v-str", "Ordinary text.", lambda: "hello world"),
    Value(
        "str_accents", "v-str", "One code point, two bytes in UTF-8.", lambda: "na\u00efve caf\u00e9 \u00df"
    ),
    Value(
        "str_combining",
        "v-str",
        "Looks like the composed form; a store that normalizes text changes it.",
        lambda: "cafe\u0301 A\u030a",
    ),
    Value(
        "str_emoji",
        "v-str",
        "Beyond the basic plane: MySQL's utf8mb3 refuses it; joiners and skin tones may be split.",
        lambda: "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd",
    ),
    Value(
        "str_right_to_left",
        "v-str",
        "Right-to-left text with direction marks.",
        lambda: "\u05e9\u05dc\u05d5\u05dd \u200f\u0645\u0631\u062d\u0628\u0627\u202e abc\u202c",
    ),
    Value("str_nul", "v-str", "PostgreSQL text refuses NUL; C code stops at it.", lambda: "before\x00after"),
    Value(
        "str_controls",
        "v-str",
        "Every C0 and C1 control character.",
        lambda: "".join(map(chr, [*range(1, 32), *range(127, 160)])),
    ),
    Value("str_bom", "v-str", "A leading byte order mark is eaten by decoders.", lambda: "\ufeffmarked"),
    Value("str_crlf", "v-str", "Text modes rewrite line ends.", lambda: "one\r\ntwo\rthree\nfour\r\n"),
    Value(
        "str_line_separators",
        "v-str",
        "Line ends of Unicode, which YAML and splitlines treat as such.",
        lambda: "one\u2028two\u2029three\x85four",
    ),
    Value("str_surrogate_lone", "v-str", "Not valid Unicode: UTF-8 refuses it.", lambda: "\ud800"),
    Value(
        "str_surrogate_pair",
        "v-str",
        "Two surrogates, which JSON joins into one character.",
        lambda: "\ud83d\ude00",
    ),
    Value(
        "str_noncharacters", "v-str", "Code points that are no characters.", lambda: "\ufffe\uffff\U0010ffff"
    ),
    Value("str_blanks_around", "v-str", "Blanks at both ends are easily trimmed.", lambda: "  \t text \t  "),
    Value(
        "str_quotes",
        "v-str",
        "Quotes and backslashes need escaping.",
        lambda: "it's \"so\" \\ `x` \\n %s {0}'); --",
    ),
    Value(
        "str_html", "v-str", "Markup: a report must escape it.", lambda: "<script>alert('x')</script>&amp;"
    ),
    Value("str_like_yaml_bool", "v-str", "Unquoted, YAML reads it as False.", lambda: "no"),
    Value("str_like_yaml_null", "v-str", "Unquoted, YAML reads it as None.", lambda: "~"),
    Value("str_like_yaml_date", "v-str", "Unquoted, YAML reads it as a date.", lambda: "2024-02-29"),
    Value("str_like_yaml_base_60", "v-str", "Unquoted, YAML reads it as 45045.", lambda: "12:30:45"),
    Value(
        "str_like_yaml_tag",
        "v-str",
        "Unquoted, an unsafe YAML reader would call it.",
        lambda: "!!python/object/apply:os.getcwd []",
    ),
    Value(
        "str_like_json", "v-str", "Decoded once too often, it is a dict.", lambda: '{"a": [1, null, true]}'
    ),
    Value("str_like_python", "v-str", "Evaluated, it would run.", lambda: "__import__('os').getcwd()"),
    # v-bytes
    Value("bytes_empty", "v-bytes", "Falsy, and some stores keep it as NULL.", lambda: b""),
    Value("bytes_ascii", "v-bytes", "Easily turned into text.", lambda: b"hello"),
    Value(
        "bytes_utf8", "v-bytes", "Decodable: easily turned into text.", lambda: "caf\u00e9 \u20ac".encode()
    ),
    Value("bytes_not_utf8", "v-bytes", "Cannot be text.", lambda: b"\xff\xfe\x80\x00\xc3\x28"),
    Value("bytes_all", "v-bytes", "Every byte value once.", lambda: bytes(range(256))),
    Value("bytes_long", "v-bytes", "Longer than one line of base64.", lambda: bytes(range(256)) * 16),
    Value(
        "bytes_like_marker",
        "v-bytes",
        "Starts like Celery's own mark of a compressed result.",
        lambda: b"\x00celery-compressed\x00application/x-gzip\x00not compressed",
    ),
    Value("bytearray_ascii", "v-bytes", "Bytes that can change.", lambda: bytearray(b"hello")),
    Value("memoryview_ascii", "v-bytes", "A view of bytes: pickle refuses it.", lambda: memoryview(b"hello")),
    # v-seq
    Value("list_ints", "v-seq", "An ordinary list.", lambda: [1, 2, 3]),
    Value("list_mixed", "v-seq", "Types side by side.", lambda: [None, True, 1, 1.5, "one", [1], {"a": 1}]),
    Value("list_nested", "v-seq", "Lists in lists, empty ones too.", lambda: [[], [[]], [[1, [2]], 3]]),
    Value("tuple_flat", "v-seq", "Most serializers make lists of tuples.", lambda: (1, "two", 3.0)),
    Value("tuple_empty", "v-seq", "Falsy; there is one empty tuple only.", lambda: ()),
    Value("tuple_nested", "v-seq", "Tuples in lists and dicts.", lambda: [(1, (2,)), {"pair": (3, 4)}]),
    Value("set_ints", "v-seq", "No order, no duplicates.", lambda: {3, 1, 2}),
    Value("frozenset_ints", "v-seq", "A set that can be a key.", lambda: frozenset({3, 1, 2})),
    Value("deque_ints", "v-seq", "A queue, easily a list.", lambda: collections.deque([1, 2, 3])),
    Value("deque_bounded", "v-seq", "Its bound is lost.", lambda: collections.deque([2, 3], maxlen=2)),
    # v-dict
    Value("dict_str_keys", "v-dict", "An ordinary dict.", lambda: {"a": 1, "b": [2], "c": {"d": None}}),
    Value("dict_int_keys", "v-dict", "JSON makes text of keys.", lambda: {1: "one", 2: "two"}),
    Value("dict_float_keys", "v-dict", "JSON makes text of keys.", lambda: {1.5: "a", -0.5: "b"}),
    Value("dict_bool_keys", "v-dict", "JSON makes 'true' of True.", lambda: {True: "yes", False: "no"}),
    Value("dict_none_key", "v-dict", "JSON makes 'null' of None.", lambda: {None: "nothing"}),
    Value("dict_bytes_keys", "v-dict", "JSON has no such key.", lambda: {b"key": 1, b"\xff": 2}),
    Value("dict_tuple_keys", "v-dict", "A key that a list cannot be.", lambda: {(1, 2): "a", ("x",): "b"}),
    Value(
        "dict_date_keys",
        "v-dict",
        "A key that only some serializers know.",
        lambda: {datetime.date(2024, 2, 29): "leap"},
    ),
    Value("dict_enum_key", "v-dict", "A key that is also text.", lambda: {Season.WINTER: 1}),
    Value("dict_empty_key", "v-dict", "MongoDB once refused an empty name.", lambda: {"": "empty"}),
    Value("dict_mixed_keys", "v-dict", "Keys that cannot be sorted.", lambda: {"a": 1, 2: "b", None: 3}),
    Value("dict_keys_collide", "v-dict", "As text, the two keys are one.", lambda: {1: "int", "1": "str"}),
    Value("dict_order", "v-dict", "An order that sorting changes.", lambda: {"z": 1, "a": 2, "m": 3}),
    Value(
        "dict_dollar_dot_keys",
        "v-dict",
        "Names that mean something to MongoDB and Elasticsearch.",
        lambda: {"$set": 1, "a.b": {"c..d": 2}, "_id": 3},
    ),
    Value("dict_yaml_merge_key", "v-dict", "Unquoted, YAML merges it.", lambda: {"<<": {"a": 1}, "b": 2}),
    Value(
        "dict_like_type_tag",
        "v-dict",
        "Exactly kombu's own tag of a UUID in JSON.",
        lambda: {"__type__": "uuid", "__value__": {"hex": "12345678123456781234567812345678"}},
    ),
    Value(
        "dict_like_type_tag_wrong",
        "v-dict",
        "Kombu's tag of a date and time over text that is none: reading it raises.",
        lambda: {"__type__": "datetime", "__value__": "yesterday"},
    ),
    Value(
        "dict_like_failure",
        "v-dict",
        "Looks like an exception as Celery stores it.",
        lambda: {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"},
    ),
    Value(
        "dict_like_result",
        "v-dict",
        "Looks like a whole result as Celery stores it.",
        lambda: {"status": "FAILURE", "result": None, "traceback": None, "children": [], "task_id": "x"},
    ),
    # v-time
    Value(
        "datetime_naive",
        "v-time",
        "No zone: a store may add one.",
        lambda: datetime.datetime(2024, 2, 29, 12, 30, 45),
    ),
    Value(
        "datetime_utc",
        "v-time",
        "In UTC: a store may drop the zone.",
        lambda: datetime.datetime(2024, 2, 29, 12, 30, 45, tzinfo=_UTC),
    ),
    Value(
        "datetime_fixed_offset",
        "v-time",
        "Half an hour off: a store may convert it to UTC.",
        lambda: datetime.datetime(2024, 2, 29, 12, 30, 45, tzinfo=_INDIA),
    ),
    Value(
        "datetime_offset_seconds",
        "v-time",
        "An offset with seconds, which most formats cannot say.",
        lambda: datetime.datetime(1890, 1, 1, 12, 0, tzinfo=_ODD_OFFSET),
    ),
    Value(
        "datetime_zone",
        "v-time",
        "A zone with a name, easily reduced to its offset.",
        lambda: datetime.datetime(2024, 7, 1, 12, 0, tzinfo=_zone("Europe/Berlin")),
    ),
    Value(
        "datetime_fold",
        "v-time",
        "The second 02:30 of a night with two; without fold it is an hour earlier.",
        lambda: datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=_zone("Europe/Berlin")),
    ),
    Value(
        "datetime_fold_naive",
        "v-time",
        "fold without a zone.",
        lambda: datetime.datetime(2024, 10, 27, 2, 30, fold=1),
    ),
    Value(
        "datetime_microseconds",
        "v-time",
        "One microsecond: milliseconds lose it.",
        lambda: datetime.datetime(2024, 2, 29, 12, 30, 45, 1, tzinfo=_UTC),
    ),
    Value("datetime_max", "v-time", "Year 9999; rounding it up overflows.", lambda: datetime.datetime.max),
    Value("date_leap_day", "v-time", "Easily a datetime.", lambda: datetime.date(2024, 2, 29)),
    Value("time_naive", "v-time", "A time of day.", lambda: datetime.time(12, 30, 45)),
    Value("time_utc", "v-time", "A time of day with a zone.", lambda: datetime.time(12, 30, tzinfo=_UTC)),
    Value(
        "timedelta_negative",
        "v-time",
        "Kept as -1 day and something; refused by most.",
        lambda: datetime.timedelta(microseconds=-1),
    ),
    # v-num
    Value("decimal_plain", "v-num", "A float would change it.", lambda: decimal.Decimal("0.1")),
    Value("decimal_zeros", "v-num", "Final zeros say how precise it is.", lambda: decimal.Decimal("1.00")),
    Value(
        "decimal_long",
        "v-num",
        "More digits than any context keeps.",
        lambda: decimal.Decimal("1." + "3" * 60),
    ),
    Value("decimal_nan", "v-num", "Not a number.", lambda: decimal.Decimal("NaN")),
    Value("decimal_snan", "v-num", "Signalling: comparing it raises.", lambda: decimal.Decimal("sNaN")),
    Value("fraction_third", "v-num", "No decimal form is exact.", lambda: _fraction(1, 3)),
    Value("complex_plain", "v-num", "Two floats in one.", lambda: complex(1.5, -0.0)),
    # v-id
    Value("uuid_plain", "v-id", "Easily its text.", lambda: _uuid("12345678-1234-4678-9234-567812345678")),
    Value(
        "path_concrete", "v-id", "Its class depends on the system.", lambda: _path("Path", "some/file.txt")
    ),
    # v-class
    Value("enum_plain", "v-class", "Easily its value.", lambda: Shade.DARK),
    Value("enum_int", "v-class", "Already an integer.", lambda: Level.HIGH),
    Value("enum_str", "v-class", "Already text.", lambda: Season.SUMMER),
    Value("enum_flag", "v-class", "Two members in one.", lambda: Access.READ | Access.WRITE),
    Value("namedtuple_plain", "v-class", "A tuple with names.", lambda: Pair(1, [2])),
    Value("dataclass_plain", "v-class", "Easily a dict.", lambda: Point(1, 2, ["a"])),
    Value("dataclass_slots", "v-class", "No __dict__ to copy.", lambda: SlottedPoint(1, 2)),
    Value("object_plain", "v-class", "Attributes and nothing else.", lambda: Plain(a=1, b=[2])),
    Value(
        "ordered_dict",
        "v-class",
        "Promises its order.",
        lambda: collections.OrderedDict([("z", 1), ("a", 2), ("m", 3)]),
    ),
    Value("default_dict", "v-class", "Carries a factory.", _default_dict),
    Value("counter_letters", "v-class", "A dict of counts.", lambda: collections.Counter("aab")),
    Value("subclass_str", "v-class", "A subclass is easily its base.", lambda: Text("text")),
    Value("subclass_str_attribute", "v-class", "Its attribute is lost too.", _tagged_text),
    Value("subclass_int", "v-class", "A subclass is easily its base.", lambda: Number(7)),
    Value("subclass_list", "v-class", "A subclass is easily its base.", lambda: Row([1, 2])),
    Value("subclass_tuple", "v-class", "A subclass is easily its base.", lambda: Span((1, 2))),
    Value("subclass_dict", "v-class", "A subclass is easily its base.", lambda: Record(a=1)),
    Value("function_by_name", "v-class", "Pickled by name.", lambda: greeting),
    Value("exception_as_value", "v-class", "Returned, not raised.", lambda: ValueError("returned", 1)),
    # v-hook
    Value("hook_json_dict", "v-hook", "__json__ that gives a dict.", lambda: JsonDict(5)),
    Value("hook_json_str", "v-hook", "__json__ that gives text.", lambda: JsonText("as text")),
    Value("hook_json_raises", "v-hook", "__json__ that raises.", JsonRefuses),
    Value("hook_reduce_raises", "v-hook", "__reduce__ that raises.", PickleRefuses),
    Value("lazy_str", "v-hook", "kombu's lazy text: evaluated, or not?", _lazy_text),
    # v-graph
    Value("graph_shared_list", "v-graph", "One list at two places: two lists?", lambda: _shared([1])),
    Value("graph_self_list", "v-graph", "A list that contains itself.", _self_list),
    Value("graph_self_dict", "v-graph", "A dict that contains itself.", _self_dict),
    Value("graph_depth_10", "v-graph", "10 lists deep.", lambda: _deep_list(10)),
    Value(
        "graph_depth_100", "v-graph", "100 lists deep: document stores stop at 100.", lambda: _deep_list(100)
    ),
    Value("graph_depth_100_dict", "v-graph", "100 dicts deep.", lambda: _deep_dict(100)),
    Value(
        "graph_depth_1000",
        "v-graph",
        "1,000 lists deep: recursive code stops here.",
        lambda: _deep_list(1000),
    ),
    # v-impossible
    Value("impossible_generator", "v-impossible", "Cannot be stored: is that said?", _generator),
    Value("impossible_lambda", "v-impossible", "Cannot be found by name.", lambda: lambda: None),
    Value("impossible_open_file", "v-impossible", "Belongs to its process.", _open_file),
    Value("impossible_lock", "v-impossible", "Belongs to its process.", _lock),
    Value("impossible_local_object", "v-impossible", "Its class cannot be found by name.", _local_object),
    Value("impossible_in_list", "v-impossible", "Hidden in something possible.", lambda: [1, _generator()]),
    # v-size; n characters of ASCII text are n bytes before the serializer adds its own
    Value("size_1kib_text", "v-size", "1 KiB that compresses well.", lambda: _prose(_KIB)),
    Value(
        "record_1kib",
        "v-size",
        "A record that compresses well and looks different in every serializer: what is looked at at rest.",
        lambda: {"title": "at rest", "text": _prose(_KIB), "numbers": [1, 2, 3]},
    ),
    Value("size_64kib_text", "v-size", "64 KiB that compress well.", lambda: _prose(64 * _KIB)),
    Value("size_64kib_bytes", "v-size", "64 KiB that do not compress.", lambda: _noise(64 * _KIB)),
    Value(
        "size_10000_items",
        "v-size",
        "Many small members rather than one long one.",
        lambda: list(range(10_000)),
    ),
    Value(
        "size_32765_text",
        "v-size",
        "One byte below Lucene's longest term (Elasticsearch).",
        lambda: _noise_text(32_766 - 1),
    ),
    Value(
        "size_32767_text",
        "v-size",
        "One byte above Lucene's longest term (Elasticsearch).",
        lambda: _noise_text(32_766 + 1),
    ),
    Value("size_65534_text", "v-size", "One byte below MySQL's BLOB.", lambda: _noise_text(65_535 - 1)),
    Value("size_65536_text", "v-size", "One byte above MySQL's BLOB.", lambda: _noise_text(65_535 + 1)),
    Value(
        "size_1mib_less_1kib",
        "v-size",
        "Fits a Memcached item of 1 MiB with all that is stored beside it.",
        lambda: _noise_text(_MIB - _KIB),
        _ONE_MIB,
        _PATIENT,
    ),
    Value(
        "size_1mib_less_1",
        "v-size",
        "One byte below a Memcached item, whose key and header also count.",
        lambda: _noise_text(_MIB - 1),
        _ONE_MIB,
        _PATIENT,
    ),
    Value(
        "size_1mib_text", "v-size", "1 MiB that compresses well.", lambda: _prose(_MIB), _ONE_MIB, _PATIENT
    ),
    Value(
        "size_1mib_plus_1",
        "v-size",
        "One byte above a Memcached item.",
        lambda: _noise_text(_MIB + 1),
        _ONE_MIB,
        _PATIENT,
    ),
    Value(
        "size_16mib_less_1kib",
        "v-size",
        "Fits a MongoDB document, a RabbitMQ 4 message and a MariaDB packet with what is stored beside it.",
        lambda: _noise_text(16 * _MIB - _KIB),
        _SIXTEEN_MIB,
        _VERY_PATIENT,
    ),
    Value(
        "size_16mib_less_1",
        "v-size",
        "One byte below a MongoDB document, whose field names also count.",
        lambda: _noise_text(16 * _MIB - 1),
        _SIXTEEN_MIB,
        _VERY_PATIENT,
    ),
    Value(
        "size_16mib_text",
        "v-size",
        "16 MiB that compress well: a codec brings them below every limit.",
        lambda: _prose(16 * _MIB),
        _SIXTEEN_MIB,
        _VERY_PATIENT,
    ),
    Value(
        "size_16mib_plus_1",
        "v-size",
        "One byte above a MongoDB document.",
        lambda: _noise_text(16 * _MIB + 1),
        _SIXTEEN_MIB,
        _VERY_PATIENT,
    ),
)

_VALUES_BY_NAME: dict[str, Value] = {each.name: each for each in VALUES}


# -- failures ------------------------------------------------------------------------------------------


class CustomError(Exception):
    """Several positional arguments, all handed on."""

    def __init__(self, code: int, text: str, detail: dict[str, int]) -> None:
        super().__init__(code, text, detail)
        self.code = code
        self.text = text
        self.detail = detail


class KeywordError(Exception):
    """A keyword-only argument, which ``args`` does not keep."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


class ReshapedError(Exception):
    """Hands other arguments to its base class than it takes."""

    def __init__(self, user: str, attempts: int) -> None:
        super().__init__(f"{user} failed after {attempts} attempts")
        self.user = user
        self.attempts = attempts


class DefaultsError(Exception):
    """Arguments that all have defaults."""

    def __init__(self, text: str = "something happened", code: int = 500) -> None:
        super().__init__(text, code)
        self.text = text
        self.code = code


class SpokenError(Exception):
    """What it says is not what it carries."""

    def __str__(self) -> str:
        return f"spoken: {self.args!r}"


class Outer:
    """A class that contains an exception class."""

    class InnerError(ValueError):
        """Found by its qualified name only."""


class MarkedError(Exception):
    """Gets its attributes after it was made."""


def _marked_error() -> MarkedError:
    error = MarkedError("marked")
    error.retry_after = 30  # type: ignore[attr-defined]
    error.tags = ["a", "b"]  # type: ignore[attr-defined]
    return error


def _caused_error() -> ValueError:
    error = ValueError("bad")
    error.__cause__ = KeyError("k")
    return error


def _noted_error() -> ValueError:
    error = ValueError("bad")
    error.add_note("while reading line 7")
    return error


FAILURES: tuple[Failure, ...] = (
    Failure("value_error_args", "f-builtin", "Several arguments.", lambda: ValueError("bad", 7, None)),
    Failure("value_error_bare", "f-builtin", "No arguments at all.", ValueError),
    Failure("key_error", "f-builtin", "Its text is the repr of its key.", lambda: KeyError("k")),
    Failure(
        "os_error",
        "f-builtin",
        "Becomes FileNotFoundError by its number, and args lack the file name.",
        lambda: OSError(2, "No such file or directory", "/missing"),
    ),
    Failure(
        "unicode_error",
        "f-builtin",
        "Five arguments of fixed types, one of them bytes.",
        lambda: UnicodeDecodeError("utf-8", b"\xff\x00", 0, 1, "invalid start byte"),
    ),
    Failure("runtime_error_set", "f-builtin", "An argument JSON has not.", lambda: RuntimeError("bad", {1})),
    Failure("runtime_error_tuple", "f-builtin", "A tuple inside args.", lambda: RuntimeError((1, 2), [3])),
    Failure("value_error_bytes", "f-builtin", "An argument of bytes.", lambda: ValueError(b"\xff\x00")),
    Failure("assertion_error", "f-builtin", "What a failed assert raises.", lambda: AssertionError("1 != 2")),
    Failure("lookup_error_none", "f-builtin", "None is its only argument.", lambda: LookupError(None)),
    Failure("custom_args", "f-custom", "Several arguments.", lambda: CustomError(7, "bad", {"a": 1})),
    Failure("custom_keyword", "f-custom", "args do not rebuild it.", lambda: KeywordError("bad", code=7)),
    Failure("custom_attributes", "f-custom", "Attributes set afterwards.", _marked_error),
    Failure("custom_reshaped", "f-custom", "args are not its arguments.", lambda: ReshapedError("ann", 3)),
    Failure("custom_nested", "f-custom", "A qualified name.", lambda: Outer.InnerError("inside")),
    Failure("custom_text", "f-custom", "Its text is not its args.", lambda: SpokenError("said", 1)),
    Failure("custom_defaults", "f-custom", "Made without arguments.", DefaultsError),
    Failure("cause", "f-cause", "Raised from another exception.", _caused_error),
    Failure("notes", "f-cause", "Somebody added a note.", _noted_error),
    Failure(
        "group",
        "f-cause",
        "Holds exceptions among its arguments.",
        lambda: ExceptionGroup("several", [ValueError("bad", 7), KeyError("k")]),
    ),
    Failure("text_nul", "f-text", "NUL, which is no text to some.", lambda: ValueError("before\0after")),
    Failure("text_surrogate", "f-text", "Is no UTF-8.", lambda: ValueError("before\ud800after")),
    Failure("text_1mib", "f-text", "Its traceback is as long.", lambda: ValueError("x" * 2**20)),
)

_FAILURES_BY_NAME: dict[str, Failure] = {each.name: each for each in FAILURES}
