"""Strict comparison of what was sent with what was received.

`compare` gives the verdict: ``exact`` without any difference; ``coerced`` when each difference is the
type of something whose content is the same; ``altered`` when any content changed. `difference` gives the
first difference of any kind. Both walk the two values side by side, in a fixed order, on a stack of their
own: neither depth nor self-reference stops them. They never trust ``==`` of a class they do not know, and
never raise for a hostile object.

The rules, for those who must rely on them:

Types
    Equal types all the way down (``type(a) is type(b)``); anything else is a difference. It is the type
    alone, so coerced, within these families: text (str, its subclasses, StrEnum); bytes, bytearray and
    memoryview; numbers; list, tuple, named tuple, deque and range; set and frozenset; dict and its
    subclasses; paths. Between families it is altered: text and bytes, list and set, date and datetime,
    UUID, Path or plain Enum and their text, an object and a dict of its fields.
Numbers
    bool, int and float of the same value: coerced. NaN equals NaN; -0.0 differs from 0.0 and 0. Decimals are
    the same if ``as_tuple`` is: 1.0 and 1.00 differ. Decimal and int or float: coerced when the decimal is
    exactly what ``Decimal(number)`` gives, so ``Decimal('1.00')`` for 1 and ``Decimal('0.1')`` for 0.1 are
    altered. Fraction, complex and other numbers: coerced when equal exactly.
Dicts
    A key of another type, inside a tuple key too, is altered: look-ups break. A changed order is coerced;
    if an OrderedDict was sent, whose order is part of its content, it is altered.
Sets
    Members are matched by value, then compared strictly: {1} and {True} are coerced.
Dates and times
    Altered: any field, fold included; a zone that was dropped or added; another UTC offset, even for the
    same instant. Coerced: the same offset under another tzinfo; fold then does not count, because the
    offset says what fold said.
Classes
    Enum members are the same only if identical (an IntEnum or StrEnum is also a number or text). Objects and
    data classes: type, then fields, slots too. Attributes of subclasses, a defaultdict's factory and a
    deque's bound count where the type was kept; attributes that were lost always count.
Exceptions
    Type, args, attributes, notes, cause, members of a group. Another class is coerced if it is a subclass
    of what was sent, and altered otherwise: ``except`` of the sent class no longer catches it.
Sharing
    One object at two places that comes back as two, or the reverse: coerced, kind ``sharing``.
Opaque
    Functions, classes, modules, locks, files, generators: the same only if identical, else altered.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import math
import numbers
import pathlib
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.ascii import OPAQUE, attributes_of, describe, escape, has_attributes
from harness.verdict import Verdict


class DifferenceKind(StrEnum):
    """What differs."""

    TYPE = "type"
    CONTENT = "content"
    LENGTH = "length"
    KEY = "key"
    """A dict key is missing, new, or of another type."""
    MEMBER = "member"
    """A member of a set is missing or new."""
    ORDER = "order"
    ZONE = "zone"
    ATTRIBUTE = "attribute"
    SHARING = "sharing"
    OPAQUE = "opaque"
    """Two things that cannot be looked into, and are not one."""
    INCOMPARABLE = "incomparable"
    """Looking at it raised."""


@dataclass(frozen=True)
class Difference:
    """One difference, where it is, and whether the content is the same all the same."""

    path: str
    """From ``$``, the whole value: ``$[0]['key'].attribute``; ``<key 1>`` and ``<member 1>`` are inside a
    dict key and a set member; ``[12:]`` says at which character long text begins to differ."""
    kind: DifferenceKind
    sent: str
    """ASCII form, bounded."""
    received: str
    """ASCII form, bounded."""
    content_same: bool


@dataclass(frozen=True)
class Comparison:
    """The verdict, and the first difference that is as bad as the verdict."""

    verdict: Verdict
    """``EXACT``, ``COERCED`` or ``ALTERED``."""
    first: Difference | None


def compare(sent: object, received: object) -> Comparison:
    """What became of a value. ``first`` is None only for ``exact``; see the module for the rules."""
    first = None
    for found in _Walk(sent, received).differences():
        if not found.content_same:
            return Comparison(Verdict.ALTERED, found)
        first = first or found
    return Comparison(Verdict.EXACT if first is None else Verdict.COERCED, first)


def difference(sent: object, received: object) -> Difference | None:
    """The first difference of any kind, None when the values are strictly equal."""
    return next(_Walk(sent, received).differences(), None)


# -- the walk ----------------------------------------------------------------------------------------

_SHOWN = 300
"""Characters of a difference's values and path."""
_KEY = "\0"
"""Where the form of a step shows its key."""
_LONG = 60
"""Text and bytes above this length are shown from where they begin to differ."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a path; rendered only when a difference is reported."""

    parent: _Step | None
    form: str
    key: Any

    def render(self) -> str:
        parts = []
        step: _Step | None = self
        while step is not None:
            parts.append(step.form.replace(_KEY, describe(step.key, 80)))
            step = step.parent
        parts.append("$")
        path = "".join(reversed(parts))
        return path if len(path) <= _SHOWN else f"{path[:140]}...<{len(parts) - 1} steps>...{path[-140:]}"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two values that stand at the same place."""

    step: _Step | None
    sent: Any
    received: Any
    in_key: bool

    def at(self, form: str, key: Any, sent: Any, received: Any, in_key: bool = False) -> _Pair:
        return _Pair(_Step(self.step, form, key), sent, received, self.in_key or in_key)

    def differs(self, kind: DifferenceKind, *, same: bool = False) -> Difference:
        return self.reports(kind, self.sent, self.received, same=same)

    def reports(self, kind: DifferenceKind, sent: Any, received: Any, *, same: bool = False) -> Difference:
        path = "$" if self.step is None else self.step.render()
        if self.in_key:
            # Whatever changes inside a key, the look-up of that key breaks.
            kind, same = DifferenceKind.KEY, False
        return Difference(path, kind, _shown(sent), _shown(received), same)


class _Nothing:
    """Stands where one side has no such key or attribute."""


_NOTHING = _Nothing()


def _shown(value: Any) -> str:
    return "<nothing>" if value is _NOTHING else describe(value, _SHOWN)


_Found = Iterator["Difference | _Pair"]
"""What looking at a pair gives: differences, and pairs to look at next, in order."""


class _Walk:
    """One comparison: the pairs still to look at, and what was paired with what."""

    def __init__(self, sent: object, received: object) -> None:
        self.stack: list[_Pair] = [_Pair(None, sent, received, False)]
        self.seen: set[tuple[int, int, bool]] = set()
        self.partner_of_sent: dict[int, int] = {}
        self.partner_of_received: dict[int, int] = {}
        # Ids are only good while their objects live; some are made during the walk.
        self.alive: list[object] = []

    def differences(self) -> Iterator[Difference]:
        while self.stack:
            pair = self.stack.pop()
            children: list[_Pair] = []
            try:
                for found in self.look(pair):
                    if isinstance(found, Difference):
                        yield found
                    else:
                        children.append(found)
            except Exception:  # noqa: BLE001 - a hostile value may raise anything
                yield pair.differs(DifferenceKind.INCOMPARABLE)
            self.stack.extend(reversed(children))

    def look(self, pair: _Pair) -> _Found:
        sent, received = pair.sent, pair.received
        family = _family(type(sent))
        if family is not _family(type(received)):
            yield pair.differs(DifferenceKind.TYPE)
            return
        if family in _CONTAINERS:
            yield from self.sharing(pair)
            visit = (id(sent), id(received), pair.in_key)
            if visit in self.seen:
                return
            self.seen.add(visit)
            self.alive += (sent, received)
        yield from _LOOK[family](pair)

    def sharing(self, pair: _Pair) -> Iterator[Difference]:
        if pair.in_key or not (_can_change(type(pair.sent)) and _can_change(type(pair.received))):
            return
        sent, received = id(pair.sent), id(pair.received)
        before = self.partner_of_sent.setdefault(sent, received)
        after = self.partner_of_received.setdefault(received, sent)
        if before != received or after != sent:
            yield pair.differs(DifferenceKind.SHARING, same=True)


class _Family(StrEnum):
    """What can be the same content under another type."""

    NOTHING = "nothing"
    ENUM = "enum"
    TEXT = "text"
    BYTES = "bytes"
    NUMBER = "number"
    SEQUENCE = "sequence"
    SET = "set"
    MAPPING = "mapping"
    DATETIME = "datetime"
    DATE = "date"
    TIME = "time"
    TIMEDELTA = "timedelta"
    ZONE = "zone"
    PATH = "path"
    ARRAY = "array"
    EXCEPTION = "exception"
    OPAQUE = "opaque"
    OBJECT = "object"


# The order decides: an IntEnum is a number, a datetime is also a date.
_FAMILIES: tuple[tuple[_Family, tuple[type, ...]], ...] = (
    (_Family.NOTHING, (type(None), type(...), type(NotImplemented))),
    (_Family.TEXT, (str,)),
    (_Family.BYTES, (bytes, bytearray, memoryview)),
    (_Family.NUMBER, (int, float, complex, decimal.Decimal)),
    (_Family.ENUM, (enum.Enum,)),
    (_Family.SEQUENCE, (list, tuple, collections.deque, range)),
    (_Family.SET, (set, frozenset)),
    (_Family.MAPPING, (dict,)),
    (_Family.DATETIME, (datetime.datetime,)),
    (_Family.DATE, (datetime.date,)),
    (_Family.TIME, (datetime.time,)),
    (_Family.TIMEDELTA, (datetime.timedelta,)),
    (_Family.ZONE, (datetime.tzinfo,)),
    (_Family.PATH, (pathlib.PurePath,)),
    (_Family.ARRAY, (array.array,)),
    (_Family.EXCEPTION, (BaseException,)),
    (_Family.OPAQUE, (type, *OPAQUE)),
)

_CONTAINERS = {
    _Family.BYTES,
    _Family.SEQUENCE,
    _Family.SET,
    _Family.MAPPING,
    _Family.EXCEPTION,
    _Family.OBJECT,
    _Family.ARRAY,
}


def _family(kind: type) -> _Family:
    # Never isinstance of the value itself: an object may lie about its __class__.
    for family, members in _FAMILIES:
        if issubclass(kind, members):
            return family
    # Registered by their abstract class: Fraction, and numbers of other libraries.
    if issubclass(kind, numbers.Number):
        return _Family.NUMBER
    if kind is object or has_attributes(kind) or _own_equality(kind):
        return _Family.OBJECT
    return _Family.OPAQUE


def _own_equality(kind: type) -> bool:
    return getattr(kind, "__eq__", None) is not object.__eq__


def _can_change(kind: type) -> bool:
    """Whether it matters that two places hold the same object.

    A class that hashes by value, such as UUID or a frozen data class, says that it does not.
    """
    if issubclass(kind, (bytes, memoryview, tuple, range, frozenset)):
        return False
    return kind.__hash__ is None or kind.__hash__ is object.__hash__


# -- leaves ------------------------------------------------------------------------------------------


def _type_only(pair: _Pair) -> Iterator[Difference]:
    if type(pair.sent) is not type(pair.received):
        yield pair.differs(DifferenceKind.TYPE, same=True)


def _look_identical(pair: _Pair) -> _Found:
    if pair.sent is not pair.received:
        yield pair.differs(DifferenceKind.CONTENT)


def _look_opaque(pair: _Pair) -> _Found:
    if pair.sent is not pair.received:
        yield pair.differs(DifferenceKind.OPAQUE)


def _look_text(pair: _Pair) -> _Found:
    sent, received = str.__str__(pair.sent), str.__str__(pair.received)
    if sent != received:
        yield _differs_inside(pair, sent, received)
        return
    yield from _type_only(pair)
    yield from _look_attributes(pair)


def _look_bytes(pair: _Pair) -> _Found:
    sent, received = _raw(pair.sent), _raw(pair.received)
    if sent != received:
        yield _differs_inside(pair, sent, received)
        return
    yield from _type_only(pair)
    yield from _look_attributes(pair)


def _raw(value: bytes | bytearray | memoryview) -> bytes:
    return memoryview(value).tobytes()


def _differs_inside(pair: _Pair, sent: str | bytes, received: str | bytes) -> Difference:
    """Shows long text from a little before the place where it begins to differ."""
    if max(len(sent), len(received)) <= _LONG:
        return pair.differs(DifferenceKind.CONTENT)
    start = max(_common_length(sent, received) - 8, 0)
    inside = pair.at(f"[{start}:]", None, None, None) if start else pair
    return inside.reports(DifferenceKind.CONTENT, sent[start:], received[start:])


def _common_length(sent: Any, received: Any) -> int:
    """How many leading characters are the same, by halving: C compares the halves."""
    low, high = 0, min(len(sent), len(received))
    while low < high:
        middle = (low + high + 1) // 2
        if sent[low:middle] == received[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _look_number(pair: _Pair) -> _Found:
    if not _same_number(_plain(pair.sent), _plain(pair.received)):
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)
    yield from _look_attributes(pair)


def _plain(number: Any) -> Any:
    """The number of the base class, past any method of a subclass."""
    kind = type(number)
    if issubclass(kind, int):
        return int.__int__(number)
    if issubclass(kind, float):
        return float.__float__(number)
    return complex.__complex__(number) if issubclass(kind, complex) else number


def _same_number(sent: Any, received: Any) -> bool:
    if isinstance(sent, complex) or isinstance(received, complex):
        return _same_number(sent.real, received.real) and _same_number(sent.imag, received.imag)
    if isinstance(sent, decimal.Decimal) or isinstance(received, decimal.Decimal):
        return _same_decimal(sent, received)
    if _is_nan(sent) and _is_nan(received):
        return True
    return bool(sent == received) and _sign(sent) == _sign(received)


def _sign(number: Any) -> float:
    """-1.0 for negative zero alone: comparing zeros does not tell."""
    return math.copysign(1.0, number) if number == 0 else 1.0


def _same_decimal(sent: Any, received: Any) -> bool:
    forms = []
    for number in (sent, received):
        if not isinstance(number, (int, float, decimal.Decimal)):
            # A Fraction or another library's number: equal exactly, or not.
            return not any(_is_nan(each) for each in (sent, received)) and bool(sent == received)
        # as_tuple, because comparing a signalling NaN raises.
        forms.append(decimal.Decimal.as_tuple(decimal.Decimal(number)))
    return forms[0] == forms[1]


def _is_nan(number: Any) -> bool:
    if isinstance(number, decimal.Decimal):
        return number.is_nan()  # comparing a signalling one raises
    # The one test that numbers of every type answer.
    return bool(number != number)


def _look_path(pair: _Pair) -> _Found:
    if str(pair.sent) != str(pair.received):
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)


# -- dates and times ---------------------------------------------------------------------------------

_DATE_FIELDS = ("year", "month", "day")
_TIME_FIELDS = ("hour", "minute", "second", "microsecond")


def _fields(value: Any, names: Iterable[str]) -> list[Any]:
    return [getattr(value, name) for name in names]


def _look_date(pair: _Pair) -> _Found:
    if _fields(pair.sent, _DATE_FIELDS) != _fields(pair.received, _DATE_FIELDS):
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)
    yield from _look_attributes(pair)


def _look_timedelta(pair: _Pair) -> _Found:
    names = ("days", "seconds", "microseconds")
    if _fields(pair.sent, names) != _fields(pair.received, names):
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)


def _look_datetime(pair: _Pair) -> _Found:
    yield from _look_clock(pair, _DATE_FIELDS + _TIME_FIELDS)


def _look_time(pair: _Pair) -> _Found:
    yield from _look_clock(pair, _TIME_FIELDS)


def _look_clock(pair: _Pair, names: tuple[str, ...]) -> _Found:
    sent, received = pair.sent, pair.received
    if _fields(sent, names) != _fields(received, names):
        yield pair.differs(DifferenceKind.CONTENT)
        return
    if (sent.tzinfo is None) != (received.tzinfo is None) or sent.utcoffset() != received.utcoffset():
        yield pair.differs(DifferenceKind.ZONE)
        return
    same_zone = _same_zone(sent.tzinfo, received.tzinfo)
    if same_zone and sent.fold != received.fold:
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)
    if not same_zone:
        zones = pair.at(".tzinfo", None, sent.tzinfo, received.tzinfo)
        yield zones.differs(DifferenceKind.ZONE, same=True)
    yield from _look_attributes(pair)


def _look_zone(pair: _Pair) -> _Found:
    if not _same_zone(pair.sent, pair.received):
        yield pair.differs(DifferenceKind.CONTENT)


def _same_zone(sent: Any, received: Any) -> bool:
    if sent is received:
        return True
    if type(sent) is not type(received):
        return False
    if isinstance(sent, datetime.timezone):
        one, other = ((zone.utcoffset(None), zone.tzname(None)) for zone in (sent, received))
        return one == other
    return describe(sent) == describe(received)


# -- containers --------------------------------------------------------------------------------------


def _look_sequence(pair: _Pair) -> _Found:
    yield from _type_only(pair)
    sent, received = _members(pair.sent), _members(pair.received)
    if len(sent) != len(received):
        yield pair.differs(DifferenceKind.LENGTH)
    for position, (one, other) in enumerate(zip(sent, received, strict=False)):
        if not _plainly_same(one, other):
            yield pair.at(f"[{position}]", None, one, other)
    if type(pair.sent) is type(pair.received) and isinstance(pair.sent, collections.deque):
        yield pair.at(".maxlen", None, pair.sent.maxlen, pair.received.maxlen)
    yield from _look_attributes(pair)


def _plainly_same(one: Any, other: Any) -> bool:
    """Whether there is nothing to look at: of ten thousand members, most are such."""
    return type(one) is type(other) and type(one) in _PLAIN and bool(one == other)


_PLAIN = {type(None), bool, int, str}
"""Where equal values of this very type are the same in all that a difference may be."""


def _members(value: Any) -> list[Any]:
    """Members as the base class knows them, past any ``__iter__`` of a subclass."""
    base: Any = next(
        each for each in (list, tuple, collections.deque, range) if issubclass(type(value), each)
    )
    return list(base.__iter__(value))


def _look_array(pair: _Pair) -> _Found:
    if pair.sent.typecode != pair.received.typecode or pair.sent.tobytes() != pair.received.tobytes():
        yield pair.differs(DifferenceKind.CONTENT)
        return
    yield from _type_only(pair)


def _look_set(pair: _Pair) -> _Found:
    yield from _type_only(pair)
    sent, received = (_set_members(each) for each in (pair.sent, pair.received))
    matched, missing, added = _match(sent, received)
    if len(sent) != len(received):
        yield pair.differs(DifferenceKind.LENGTH)
    for one, other in matched:
        yield pair.at(f"<member {_KEY}>", one, one, other)
    for one, other in zip(missing, added, strict=False):
        yield pair.at(f"<member {_KEY}>", one, None, None).reports(DifferenceKind.MEMBER, one, other)
    yield from _look_attributes(pair)


def _set_members(value: Any) -> list[Any]:
    base: Any = frozenset if issubclass(type(value), frozenset) else set
    return sorted(base.__iter__(value), key=describe)


def _look_mapping(pair: _Pair) -> _Found:
    yield from _type_only(pair)
    kept: dict[Any, Any] = pair.sent
    came: dict[Any, Any] = pair.received
    sent, received = list(dict.items(kept)), list(dict.items(came))
    matched, missing, added = _match([key for key, _ in sent], [key for key, _ in received])
    if missing or added:
        yield _key_difference(pair, missing, added)
    elif any(
        one is not other for (one, _), other in zip(matched, _keys_in_order(matched, received), strict=True)
    ):
        yield pair.differs(DifferenceKind.ORDER, same=not isinstance(kept, collections.OrderedDict))
    values_sent = {id(key): item for key, item in sent}
    values_received = {id(key): item for key, item in received}
    for one, other in matched:
        yield pair.at(f"<key {_KEY}>", one, one, other, in_key=True)
        yield pair.at(f"[{_KEY}]", one, values_sent[id(one)], values_received[id(other)])
    if type(kept) is type(came) and isinstance(kept, collections.defaultdict):
        yield pair.at(".default_factory", None, pair.sent.default_factory, pair.received.default_factory)
    yield from _look_attributes(pair)


def _keys_in_order(matched: list[tuple[Any, Any]], received: list[tuple[Any, Any]]) -> list[Any]:
    """The sent keys in the order in which their partners were received."""
    partner = {id(other): one for one, other in matched}
    return [partner[id(key)] for key, _ in received]


def _key_difference(pair: _Pair, missing: list[Any], added: list[Any]) -> Difference:
    """The first missing key beside the key that stands for it, if its text does."""
    if not missing:
        return pair.reports(DifferenceKind.KEY, _NOTHING, added[0])
    lost = missing[0]
    alike = [key for key in added if _as_text(key) == _as_text(lost)]
    other = (alike or added or [_NOTHING])[0]
    return pair.at(f"<key {_KEY}>", lost, None, None).reports(DifferenceKind.KEY, lost, other)


def _as_text(key: Any) -> str:
    return (str(key) if isinstance(key, str) else describe(key)).lower()


def _match(sent: list[Any], received: list[Any]) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
    """Pairs of hashable members that are equal, then of those that look the same; and what is left.

    Equality finds 1 for True, whose types are compared afterwards. Looks find a NaN, and objects that
    are equal to themselves only.
    """
    where: dict[Any, int] = {}
    for position, member in enumerate(received):
        _quietly(functools.partial(where.setdefault, member, position))
    partner: dict[int, int] = {}
    for position, member in enumerate(sent):
        found = _quietly(functools.partial(where.get, member))
        if found is not None:
            partner[position] = found
    left = sorted(set(range(len(received))) - set(partner.values()))
    looks: dict[str, list[int]] = {}
    for position in left:
        looks.setdefault(describe(received[position]), []).append(position)
    for position, member in enumerate(sent):
        if position not in partner and (alike := looks.get(describe(member))):
            partner[position] = alike.pop(0)
    taken = set(partner.values())
    return (
        [(sent[one], received[other]) for one, other in sorted(partner.items())],
        [member for position, member in enumerate(sent) if position not in partner],
        [member for position, member in enumerate(received) if position not in taken],
    )


def _quietly(ask: Callable[[], Any]) -> Any:
    """The answer, or None when a hostile ``__hash__`` or ``__eq__`` raised."""
    try:
        return ask()
    except Exception:  # noqa: BLE001 - a hostile value may raise anything
        return None


# -- objects -----------------------------------------------------------------------------------------


def _look_exception(pair: _Pair) -> _Found:
    sent, received = pair.sent, pair.received
    if type(sent) is not type(received):
        # Handlers break unless the class that was sent still catches it.
        yield pair.differs(DifferenceKind.TYPE, same=issubclass(type(received), type(sent)))
    for name in ("args", "__cause__"):
        descriptor = BaseException.__dict__[name]
        yield pair.at(f".{name}", None, descriptor.__get__(sent), descriptor.__get__(received))
    if isinstance(sent, BaseExceptionGroup) and isinstance(received, BaseExceptionGroup):
        # they were taken from args when it was made: who changes those does not change these
        yield pair.at(".exceptions", None, sent.exceptions, received.exceptions)
    yield from _look_attributes(pair)


def _look_object(pair: _Pair) -> _Found:
    sent, received = pair.sent, pair.received
    kind = type(sent)
    if kind is not type(received):
        yield pair.differs(DifferenceKind.TYPE)
        return
    if has_attributes(kind) or kind is object:
        yield from _look_attributes(pair)
        if (
            isinstance(kind.__reduce__, types.MethodDescriptorType)
            and kind.__reduce__ is not object.__reduce__
        ):
            # An extension type that keeps more than its attributes, such as functools.partial.
            yield pair.at(".__reduce__()", None, sent.__reduce__(), received.__reduce__())
    elif sent is not received and (sent == received) is not True:
        yield pair.differs(DifferenceKind.CONTENT)


def _look_attributes(pair: _Pair) -> _Found:
    """Attributes of an instance: of an object, or of a subclass of something else."""
    sent, received = (_own_attributes(each) for each in (pair.sent, pair.received))
    for name in [*sent, *(name for name in received if name not in sent)]:
        inside = pair.at(f".{escape(name, 80)}", None, sent.get(name), received.get(name))
        if name in sent and name in received:
            yield inside
        else:
            yield inside.reports(
                DifferenceKind.ATTRIBUTE, sent.get(name, _NOTHING), received.get(name, _NOTHING)
            )


def _own_attributes(value: Any) -> dict[str, Any]:
    kind = type(value)
    return {} if kind in _BARE or issubclass(kind, enum.Enum) else attributes_of(value)


# Exact types without attributes, or with none that their family does not already compare.
_BARE: frozenset[type] = frozenset(
    {str, bytes, bytearray, memoryview, bool, int, float, complex, list, tuple, dict, set, frozenset, range}
    | {decimal.Decimal, fractions.Fraction, datetime.datetime, datetime.date, datetime.time}
)

_LOOK: dict[_Family, Callable[[_Pair], _Found]] = {
    _Family.NOTHING: _look_identical,
    _Family.ENUM: _look_identical,
    _Family.TEXT: _look_text,
    _Family.BYTES: _look_bytes,
    _Family.NUMBER: _look_number,
    _Family.SEQUENCE: _look_sequence,
    _Family.SET: _look_set,
    _Family.MAPPING: _look_mapping,
    _Family.DATETIME: _look_datetime,
    _Family.DATE: _look_date,
    _Family.TIME: _look_time,
    _Family.TIMEDELTA: _look_timedelta,
    _Family.ZONE: _look_zone,
    _Family.PATH: _look_path,
    _Family.ARRAY: _look_array,
    _Family.EXCEPTION: _look_exception,
    _Family.OPAQUE: _look_opaque,
    _Family.OBJECT: _look_object,
}
