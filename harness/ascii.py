"""The one place that bounds, escapes and redacts what a store, a worker or a value produced.

Hostile output is normal here: values with lone surrogates, objects whose ``repr`` raises, results of
16 MiB, URLs with passwords. Everything that goes into the run log, a report, a node id or a terminal
passes through one of three functions:

* `describe` writes any Python value in a type-tagged ASCII form;
* `escape` turns any text into bounded, printable ASCII;
* `redact` hides passwords and given secrets. Redact before you bound: a cut may remove the mark by
  which a password is recognised. What a password is called by a setting's name alone, `is_secret` knows.

The form that `describe` writes is Python's own ``repr`` for exact None, bool, int, float, str, bytes,
list, tuple and dict, and ``type(content)`` for everything else: ``set({1, 2})``,
``collections.deque([1])``, ``decimal.Decimal('1.0')``, ``harness.corpus.Point(x=1, y=2)``. Floats that
``repr`` would blur are ``float('nan')``, ``float('inf')``, ``float('-0.0')``; integers too long to print
are ``int(123...<4980 digits>...789)``; long text is ``'abc'...<+100 chars>``; a cycle is ``<cycle>``; what
lies too deep is ``<deeper>``; what cannot be looked into is ``<module.Type>``. It shows no addresses, so
equal values have equal forms in every process.
"""

# ruff: noqa: ARG001, ARG005 - the functions of a table share one signature, and few need all of it
from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import io
import math
import pathlib
import re
import types
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

MAX_DEPTH = 24
"""How many containers deep `describe` looks."""


def describe(value: object, limit: int = 2000) -> str:
    """The type-tagged ASCII form of any value, at most ``limit`` characters (never less than 40).

    Never raises: an object that resists is shown as ``<module.Type that raises ...>``.
    """
    limit = max(limit, 40)
    writer = _Writer(limit)
    try:
        _write(writer, value, ())
    except _Full:
        pass
    return writer.text()


def escape(text: object, limit: int = 2000, *, newlines: bool = False) -> str:
    """Printable ASCII, at most ``limit`` characters, with backslash escapes for everything else.

    ``newlines`` keeps line feeds as they are. What is not text is shown by its own ``str``, or by
    `describe` where that raises.
    """
    # issubclass of the real type: isinstance asks the object, which may be hostile.
    if not issubclass(type(text), str):
        try:
            text = str(text)
        except Exception:  # noqa: BLE001 - a hostile __str__ may raise anything
            text = describe(text, limit)
    # The exact str: a subclass may lie about its length and its parts.
    exact = str.__str__(text)
    whole = len(exact)
    shown = _escaped(exact[: max(limit, 0)], newlines)
    if whole <= limit and len(shown) <= limit:
        return shown
    mark = f"...<{whole} chars>"
    return (shown[: max(limit - len(mark), 0)] + mark)[: max(limit, 0)]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with ``***`` for passwords in URLs, password-like query arguments and given secrets.

    Secrets are hidden in their URL-quoted form too; empty ones are ignored. Call it before `escape`
    or any other cut.
    """
    for secret in sorted({each for each in secrets if each}, key=len, reverse=True):
        for form in (secret, quote(secret, safe="", errors="surrogatepass")):
            text = text.replace(form, "***")
    text = _URL_PASSWORD.sub(r"\1***@", text)
    return _QUERY_PASSWORD.sub(r"\1***", text)


# Up to the last @ before a blank, quote or bracket: a password may hold an unquoted slash or @. Digits up
# to a slash are a port, not a password. Every repetition is bounded: a long run of letters must not cost its
# square.
_URL_PASSWORD = re.compile(
    r"""([a-z][a-z0-9+.\-]{0,40}://[^\s:/?#@'"<>]{0,200}:)(?!\d{1,5}(?:[/?#;,\s'"]|$))[^\s'"<>;]{0,1000}@""",
    re.IGNORECASE,
)
_QUERY_PASSWORD = re.compile(
    r"""([?&;](?:password|passwd|pwd|secret|token|api_?key|secret_?access_?key)=)[^&;\s'"<>]+""",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether a setting of that name holds a password or the like, which must not be shown."""
    return _SECRET_NAME.search(name) is not None


_SECRET_NAME = re.compile(r"password|passwd|pwd|secret|api_?key", re.IGNORECASE)


def type_name(kind: type) -> str:
    """``module.Qualname`` in ASCII; builtins without their module."""
    try:
        module = str(type.__getattribute__(kind, "__module__"))
        name = str(type.__getattribute__(kind, "__qualname__"))
    except Exception:  # noqa: BLE001 - a hostile metaclass may raise anything
        return "<nameless type>"
    # Python 3.13 keeps pathlib's classes in a private module.
    module = module.replace("pathlib._local", "pathlib").replace("pathlib._pathlib", "pathlib")
    full = name if module == "builtins" else f"{module}.{name}"
    return _escaped(full[:200])


def _escaped(text: str, newlines: bool = False) -> str:
    # An exact str first: a subclass may lie about its own methods.
    text = str.__str__(text)
    if text.isascii() and text.isprintable():
        return text
    parts = text.split("\n") if newlines else [text]
    return "\n".join("".join(map(_escaped_character, part)) for part in parts)


def _escaped_character(character: str) -> str:
    if " " <= character <= "~":
        return character
    return ascii(character)[1:-1]


# -- describe ---------------------------------------------------------------------------------------


class _Full(Exception):
    """The limit is reached; nothing more will be shown."""


class _Writer:
    """Collects text up to a limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.parts: list[str] = []
        self.size = 0

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size > self.limit:
            raise _Full

    @property
    def room(self) -> int:
        return max(self.limit - self.size, 0)

    def text(self) -> str:
        whole = "".join(self.parts)
        if len(whole) <= self.limit:
            return whole
        return whole[: self.limit - 6] + "...<+>"


_Parents = tuple[int, ...]
"""Ids of the containers that are being written, outermost first."""


def _write(writer: _Writer, value: Any, parents: _Parents) -> None:
    kind = type(value)
    atom = _ATOMS.get(kind)
    try:
        if atom is not None:
            writer.add(atom(value, writer.room))
            return
        if id(value) in parents:
            writer.add("<cycle>")
            return
        if len(parents) >= MAX_DEPTH:
            writer.add("<deeper>")
            return
        _write_container(writer, value, kind, (*parents, id(value)))
    except _Full:
        raise
    except Exception as error:  # noqa: BLE001 - a hostile value may raise anything
        writer.add(f"<{type_name(kind)} that raises {type_name(type(error))}>")


def _write_container(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    for family, write in _CONTAINERS:
        # issubclass of the real type: an object may lie about its __class__.
        if issubclass(kind, family):
            write(writer, value, kind, parents)
            return
    _write_object(writer, value, kind, parents)


def _write_items(writer: _Writer, items: Iterable[Any], parents: _Parents) -> None:
    for position, item in enumerate(items):
        if position:
            writer.add(", ")
        _write(writer, item, parents)


def _write_list(writer: _Writer, value: list[Any], kind: type, parents: _Parents) -> None:
    _tagged(writer, kind, list, "[", list.__iter__(value), "]", parents)


def _write_tuple(writer: _Writer, value: tuple[Any, ...], kind: type, parents: _Parents) -> None:
    if isinstance(fields := getattr(kind, "_fields", None), tuple) and len(fields) == tuple.__len__(value):
        names = [_escaped(str(field)) for field in fields]
        _write_named(writer, type_name(kind), zip(names, tuple.__iter__(value), strict=True), parents)
        return
    end = ",)" if tuple.__len__(value) == 1 else ")"
    _tagged(writer, kind, tuple, "(", tuple.__iter__(value), end, parents)


def _tagged(
    writer: _Writer, kind: type, base: type, start: str, items: Iterator[Any], end: str, parents: _Parents
) -> None:
    exact = kind is base
    writer.add(start if exact else f"{type_name(kind)}({start}")
    _write_items(writer, items, parents)
    writer.add(end if exact else f"{end})")


def _write_dict(writer: _Writer, value: dict[Any, Any], kind: type, parents: _Parents) -> None:
    exact = kind is dict
    writer.add("{" if exact else f"{type_name(kind)}(")
    if issubclass(kind, collections.defaultdict):
        _write(writer, getattr(value, "default_factory", None), parents)
        writer.add(", ")
    if not exact:
        writer.add("{")
    for position, (key, item) in enumerate(dict.items(value)):
        if position:
            writer.add(", ")
        _write(writer, key, parents)
        writer.add(": ")
        _write(writer, item, parents)
    writer.add("}" if exact else "})")


def _write_set(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    base: Any = frozenset if issubclass(kind, frozenset) else set
    # Sorting needs every member's form: of a large set only a bounded part of each.
    limit = writer.limit if base.__len__(value) <= 50 else 200
    forms = sorted(_form(member, limit, parents) for member in base.__iter__(value))
    writer.add(f"{type_name(kind)}({{")
    for position, form in enumerate(forms):
        if position:
            writer.add(", ")
        writer.add(form)
    writer.add("})")


def _form(value: Any, limit: int, parents: _Parents) -> str:
    writer = _Writer(limit)
    try:
        _write(writer, value, parents)
    except _Full:
        pass
    return writer.text()


def _write_deque(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    writer.add(f"{type_name(kind)}([")
    _write_items(writer, collections.deque.__iter__(value), parents)
    bound = value.maxlen
    writer.add("])" if bound is None else f"], maxlen={bound})")


def _write_enum(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    name = getattr(value, "_name_", None)
    if isinstance(name, str):
        shown = _escaped(name)
        writer.add(f"{type_name(kind)}({shown})" if "|" in shown else f"{type_name(kind)}.{shown}")
        return
    writer.add(f"{type_name(kind)}(")
    _write(writer, getattr(value, "_value_", None), parents)
    writer.add(")")


def _write_scalar(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    """A subclass of a scalar: its type, what the base class knows of it, and its own attributes."""
    base = next(each for each in _SCALARS if issubclass(kind, each))
    exact = _SCALARS[base](value)
    writer.add(f"{type_name(kind)}(")
    writer.add(_ATOMS[type(exact)](exact, writer.room))
    for name, attribute in attributes_of(value).items():
        writer.add(f", {_escaped(name)}=")
        _write(writer, attribute, parents)
    writer.add(")")


def _write_exception(writer: _Writer, value: BaseException, kind: type, parents: _Parents) -> None:
    writer.add(f"{type_name(kind)}(")
    arguments = BaseException.__dict__["args"].__get__(value)
    _write_items(writer, arguments, parents)
    named = dict(sorted(attributes_of(value).items()))
    cause = BaseException.__dict__["__cause__"].__get__(value)
    if cause is not None:
        named["__cause__"] = cause
    for position, (name, attribute) in enumerate(named.items()):
        writer.add(f", {_escaped(name)}=" if position or arguments else f"{_escaped(name)}=")
        _write(writer, attribute, parents)
    writer.add(")")


def _write_date(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    if issubclass(kind, datetime.datetime):
        numbers = [value.year, value.month, value.day, value.hour, value.minute, value.second]
    elif issubclass(kind, datetime.date):
        numbers = [value.year, value.month, value.day]
    else:
        numbers = [value.hour, value.minute, value.second]
    if getattr(value, "microsecond", 0):
        numbers.append(value.microsecond)
    writer.add(f"{type_name(kind)}({', '.join(map(str, numbers))}")
    if getattr(value, "fold", 0):
        writer.add(", fold=1")
    zone = getattr(value, "tzinfo", None)
    if zone is not None:
        writer.add(", tzinfo=")
        _write(writer, zone, parents)
    writer.add(")")


def _write_timedelta(writer: _Writer, value: datetime.timedelta, kind: type, parents: _Parents) -> None:
    parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    shown = {name: number for name, number in parts.items() if number}
    _write_named(writer, type_name(kind), shown.items(), parents)


def _write_zone(writer: _Writer, value: datetime.tzinfo, kind: type, parents: _Parents) -> None:
    key = getattr(value, "key", None)
    if isinstance(key, str):
        _write_named(writer, type_name(kind), [("key", key)], parents)
    elif value is datetime.UTC:
        writer.add("datetime.timezone.utc")
    elif issubclass(kind, datetime.timezone):
        offset = str(value.utcoffset(None))
        name = value.tzname(None) or ""
        writer.add(f"{type_name(kind)}({offset}")
        writer.add(")" if name.startswith("UTC") else f", {_text(name, writer.room)})")
    else:
        _write_object(writer, value, kind, parents)


def _write_as_text(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    """Classes of the standard library whose ``str`` is their whole content."""
    writer.add(f"{type_name(kind)}({_text(str(value), writer.room)})")


def _write_decimal(writer: _Writer, value: decimal.Decimal, kind: type, parents: _Parents) -> None:
    writer.add(f"{type_name(kind)}({_text(decimal.Decimal.__str__(value), writer.room)})")


def _write_memoryview(writer: _Writer, value: memoryview, kind: type, parents: _Parents) -> None:
    writer.add(f"memoryview({_bytes(value.tobytes(), writer.room)})")


def _write_bytearray(writer: _Writer, value: bytearray, kind: type, parents: _Parents) -> None:
    # Cut before it is copied: it may be long.
    room = writer.room
    writer.add(f"{type_name(kind)}({_bytes(bytes(value[: room + 1]), room, len(value))})")


def _write_array(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    writer.add(f"{type_name(kind)}('{value.typecode}', [")
    _write_items(writer, iter(value), parents)
    writer.add("])")


def _write_class(writer: _Writer, value: type, kind: type, parents: _Parents) -> None:
    writer.add(f"<class '{type_name(value)}'>")


def _write_function(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    module = _escaped(str(getattr(value, "__module__", None) or "?")[:200])
    name = _escaped(str(getattr(value, "__qualname__", None) or "?")[:200])
    writer.add(f"<function {module}.{name}>")


def _write_module(writer: _Writer, value: types.ModuleType, kind: type, parents: _Parents) -> None:
    writer.add(f"<module {_escaped(str(value.__dict__.get('__name__', '?'))[:200])}>")


def _write_object(writer: _Writer, value: Any, kind: type, parents: _Parents) -> None:
    if issubclass(kind, OPAQUE) or not has_attributes(kind):
        writer.add(f"{type_name(kind)}()" if kind is object else f"<{type_name(kind)}>")
        return
    named = [(_escaped(name), attribute) for name, attribute in attributes_of(value).items()]
    _write_named(writer, type_name(kind), named, parents)


def _write_named(writer: _Writer, name: str, items: Iterable[tuple[str, Any]], parents: _Parents) -> None:
    writer.add(f"{name}(")
    for position, (key, item) in enumerate(items):
        writer.add(f", {key}=" if position else f"{key}=")
        _write(writer, item, parents)
    writer.add(")")


# -- what an object consists of (fidelity compares the same things) --------------------------------------

OPAQUE: tuple[type, ...] = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    types.CodeType,
)
"""Types whose attributes do not tell what an object is."""


def has_attributes(kind: type) -> bool:
    """Whether objects of this type carry a ``__dict__`` or slots, or have nothing to carry at all."""
    if issubclass(kind, io.IOBase):
        return False
    if any("__dict__" in vars(each) for each in kind.__mro__ if each is not type):
        return True
    return any("__slots__" in vars(each) for each in kind.__mro__)


def attributes_of(value: object) -> dict[str, Any]:
    """What an object carries in its ``__dict__`` and its slots, in that order; unset slots are left out.

    For an exception also what the interpreter keeps beside ``args``, such as the file name of an OSError.
    Asks the object's class past any ``__getattribute__`` of its own.
    """
    found: dict[str, Any] = {}
    try:
        own = object.__getattribute__(value, "__dict__")
        if isinstance(own, dict):
            found.update((str(name), attribute) for name, attribute in dict.items(own))
    except AttributeError:
        pass
    for owner in type(value).__mro__:
        for descriptor_name, descriptor in list(vars(owner).items()):
            if isinstance(descriptor, types.MemberDescriptorType) and "__slots__" in vars(owner):
                try:
                    found.setdefault(descriptor_name, descriptor.__get__(value))
                except AttributeError:
                    continue
    for owner, names in _BESIDE_ARGS:
        if issubclass(type(value), owner):
            kept = {name: owner.__dict__[name].__get__(value) for name in names}
            found.update((name, each) for name, each in kept.items() if each is not None)
    return found


_BESIDE_ARGS: tuple[tuple[type[BaseException], tuple[str, ...]], ...] = (
    (OSError, ("filename", "filename2")),
    (ImportError, ("name", "path")),
    (NameError, ("name",)),
    (AttributeError, ("name",)),
)


# -- atoms ------------------------------------------------------------------------------------------


def _text(text: str, room: int, whole: int | None = None) -> str:
    whole = len(text) if whole is None else whole
    shown = ascii(text[: room + 1])
    if whole <= room + 1 and len(shown) <= room + 1:
        return shown
    kept = text[: max(room - 30, 10)]
    while len(ascii(kept)) > max(room - 20, 20):
        kept = kept[: len(kept) * 3 // 4]
    return f"{kept!a}...<+{whole - len(kept)} chars>"


def _bytes(raw: bytes, room: int, whole: int | None = None) -> str:
    whole = len(raw) if whole is None else whole
    shown = repr(raw[: room + 1])
    if whole <= room + 1 and len(shown) <= room + 1:
        return shown
    kept = raw[: max(room - 30, 10)]
    while len(repr(kept)) > max(room - 20, 20):
        kept = kept[: len(kept) * 3 // 4]
    return f"{kept!r}...<+{whole - len(kept)} bytes>"


def _integer(number: int, room: int) -> str:
    # 4,000 bits are some 1,200 digits: below every limit of Python between int and text.
    if number.bit_length() <= 4000:
        shown = str(number)
        if len(shown) <= max(room, 40):
            return shown
        return f"int({shown[:10]}...<{len(shown) - 20} digits>...{shown[-10:]})"
    sign = "-" if number < 0 else ""
    size = abs(number)
    if number.bit_length() > 300_000:
        # Counting decimal digits would take long; the top and bottom bits do not.
        return f"int({sign}{hex(size >> (number.bit_length() - 40))}...<{number.bit_length()} bits>)"
    digits = int(number.bit_length() * math.log10(2))
    digits += size >= 10**digits
    return f"int({sign}{size // 10 ** (digits - 10)}...<{digits - 20} digits>...{size % 10**10:010})"


def _number(number: float, room: int) -> str:
    if number == 0.0 and math.copysign(1.0, number) < 0:
        return "float('-0.0')"
    shown = float.__repr__(number)
    return shown if math.isfinite(number) else f"float('{shown}')"


def _complex(number: complex, room: int) -> str:
    return f"complex({_number(number.real, room)}, {_number(number.imag, room)})"


_ATOMS: dict[type, Callable[[Any, int], str]] = {
    type(None): lambda value, room: "None",
    type(...): lambda value, room: "Ellipsis",
    type(NotImplemented): lambda value, room: "NotImplemented",
    bool: lambda value, room: repr(value),
    int: _integer,
    float: _number,
    complex: _complex,
    str: _text,
    bytes: _bytes,
}

# The base class's own method, past any override of the subclass.
_SCALARS: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    bytes: bytes.__bytes__,
}

_CONTAINERS: tuple[tuple[Any, Callable[[_Writer, Any, type, _Parents], None]], ...] = (
    (enum.Enum, _write_enum),
    ((str, int, float, complex, bytes), _write_scalar),
    (list, _write_list),
    (tuple, _write_tuple),
    (dict, _write_dict),
    ((set, frozenset), _write_set),
    (collections.deque, _write_deque),
    (BaseException, _write_exception),
    ((datetime.date, datetime.time), _write_date),
    (datetime.timedelta, _write_timedelta),
    (datetime.tzinfo, _write_zone),
    (decimal.Decimal, _write_decimal),
    ((fractions.Fraction, uuid.UUID, pathlib.PurePath, range), _write_as_text),
    (bytearray, _write_bytearray),
    (memoryview, _write_memoryview),
    (array.array, _write_array),
    (type, _write_class),
    ((types.FunctionType, types.BuiltinFunctionType, types.MethodType), _write_function),
    (types.ModuleType, _write_module),
)
