"""Holds a plug-in against the contract: one message that names file, class, method and fix.

`check_backend` and `check_service` look at a class when it is loaded; `checked_settings`,
`checked_environment`, `checked_stored` and `checked_places` look at what its methods give.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from harness.backend import CONTRACT_VERSION, Backend, Stored
from harness.brokers import BROKERS
from harness.errors import RoundtripError
from harness.services import Service
from harness.sources import BadPlugin, file_of

Answer = TypeVar("Answer")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_good: set[type[Backend]] = set()
NAME_MEANS = "lower-case letters and digits, words joined by hyphens"


class BrokenPromise(BadPlugin):
    """A method of a plug-in raised, or gave something else than the contract says."""


def check_backend(made: type[Backend]) -> None:
    """Find out what can be known of a backend's class without making an instance. A good one is asked once.

    :raises BadPlugin: it does not keep the contract.
    """
    if made in _good:
        return
    where = f"{file_of(made)}: {made.__name__}"
    version = getattr(made, "contract", None)
    if not isinstance(version, int):
        raise BadPlugin(
            f"{where}.contract is {version!a}: it must be a number, {CONTRACT_VERSION} at present"
        )
    if version > CONTRACT_VERSION:
        raise BadPlugin(
            f"{where} asks for contract {version}, this celery-roundtrip has {CONTRACT_VERSION}: "
            "pip install --upgrade celery-roundtrip"
        )
    _check_name(where, made)
    _check_methods(where, made, Backend)
    texts = "one line of text"
    _check(where, made, "description", texts, lambda found: isinstance(found, str) and bool(found))
    _check(where, made, "documentation", "a link", lambda found: isinstance(found, str) and "://" in found)
    services = 'a tuple of names of services, e.g. services = ("mystore",)'
    _check(where, made, "services", services, _is_names)
    schemes = 'a tuple of URL schemes, e.g. schemes = ("mystore",)'
    _check(where, made, "schemes", schemes, _is_names)
    packages = 'a table, import name -> what pip installs, e.g. {"mystore": "mystore>=2"}'
    _check(where, made, "packages", packages, _is_texts)
    imports = 'a tuple of names of modules, e.g. imports = ("mystore.client",)'
    _check(where, made, "imports", imports, _is_names)
    for flag in ("stores_meta", "reading_consumes"):
        _check(where, made, flag, "True or False", lambda found: isinstance(found, bool))
    brokers = f"one of {', '.join(BROKERS)}, or None"
    _check(where, made, "broker", brokers, lambda found: found in (None, *BROKERS))
    _good.add(made)


def check_service(made: type[Service]) -> None:
    """The same of a service's class.

    :raises BadPlugin: it does not keep the contract.
    """
    where = f"{file_of(made)}: {made.__name__}"
    _check_name(where, made)
    _check_methods(where, made, Service)
    schemes = 'a tuple of URL schemes, e.g. schemes = ("mystore",)'
    _check(where, made, "schemes", schemes, lambda found: _is_names(found) and bool(found))
    _check(where, made, "image", "an image's name, or empty", lambda found: isinstance(found, str))


def _check_name(where: str, made: type[Any]) -> None:
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not NAME.match(name):
        told = "is missing" if name is None else f"is {name!a}"
        raise BadPlugin(f"{where}.name {told}: use {NAME_MEANS}")


def _check(where: str, made: type[Any], name: str, kind: str, fits: Callable[[Any], bool]) -> None:
    if not hasattr(made, name):
        raise BadPlugin(f"{where}.{name} is missing: it must be {kind}")
    found = getattr(made, name)
    if not fits(found):
        raise BadPlugin(f"{where}.{name} is {found!a}: it must be {kind}")


def _is_names(found: object) -> bool:
    return isinstance(found, tuple) and all(isinstance(name, str) for name in found)


def _is_texts(found: object) -> bool:
    return isinstance(found, Mapping) and all(
        isinstance(name, str) and isinstance(text, str) for name, text in found.items()
    )


def _check_methods(where: str, made: type[Any], base: type[Any]) -> None:
    for name in sorted(getattr(made, "__abstractmethods__", ())):
        raise BadPlugin(f"{where}.{name}() is missing: add {_signature(base, name)}")
    theirs = {name for name in vars(made) if not name.startswith("_")}
    for name, method in inspect.getmembers(base, inspect.isfunction):
        if name.startswith("_"):
            continue
        own = inspect.getattr_static(made, name)
        wanted = list(inspect.signature(method).parameters)
        if not callable(getattr(made, name)) or isinstance(own, property):
            raise BadPlugin(f"{where}.{name} must be a method: write {_signature(base, name)}")
        if isinstance(own, staticmethod | classmethod):
            continue
        try:
            inspect.signature(own).bind(*wanted)
        except (TypeError, ValueError):
            raise BadPlugin(
                f"{where}.{name}{inspect.signature(own)} does not take what it is given: "
                f"write {_signature(base, name)}"
            ) from None
        theirs.discard(name)
    known = [name for name, _ in inspect.getmembers(base) if not name.startswith("_")]
    for name in sorted(theirs - set(known)):
        # but for case, underscores or the order of letters; what is merely similar may be a helper
        meant = [other for other in known if _letters(other) == _letters(name)]
        if meant:
            raise BadPlugin(f"{where}.{name} is not part of the contract: did you mean {meant[0]}?")


def _letters(name: str) -> list[str]:
    return sorted(name.lower().replace("_", ""))


def _signature(base: type[Any], name: str) -> str:
    return f"def {name}{inspect.signature(getattr(base, name))}"


# -- what methods give


def ask(plugin: Backend | Service, method: str, *arguments: object) -> Any:
    """Call a method of a plug-in; what it raises is told as the plug-in's.

    :raises BrokenPromise: it raised.
    """
    try:
        return getattr(plugin, method)(*arguments)
    except RoundtripError:
        raise  # it says itself what is wrong
    except Exception as error:
        raise broken(plugin, method, error) from error


def ask_for(kind: type[Answer], service: Service, method: str, *arguments: object) -> Answer:
    """The same, where the answer must be of a class.

    :raises BrokenPromise: it raised, or gave something else.
    """
    found = ask(service, method, *arguments)
    if not isinstance(found, kind):
        raise BrokenPromise(
            f"{_where(service, method)} returned {_kind(found)}: return {kind.__module__}.{kind.__name__}"
        )
    return found


def broken(plugin: Backend | Service, method: str, error: BaseException) -> BrokenPromise:
    """What to say of a method that raised."""
    told = f"{type(error).__name__}: {error}"
    return BrokenPromise(f"{_where(plugin, method)} raised {told}; mend it ({_innermost(error)})")


def raised_by_itself(plugin: Backend, error: BaseException) -> bool:
    """Whether the plug-in's own code raised, not the client library below it."""
    return _innermost(error).endswith(f" of {file_of(type(plugin))}")


def checked_settings(backend: Backend) -> dict[str, object]:
    """`Backend.settings`, held against its promise.

    :raises BrokenPromise: it raised, or gave something else than Celery settings that JSON can hold.
    """
    found = ask(backend, "settings")
    where = _where(backend, "settings")
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BrokenPromise(
            f"{where} returned {_kind(found)}: return a dict of Celery settings, "
            'e.g. {"result_backend": "redis://..."}'
        )
    if not isinstance(found.get("result_backend"), str):
        raise BrokenPromise(
            f'{where} names no result_backend: put {{"result_backend": URL}} into what it returns'
        )
    for name, setting in found.items():
        if not is_plain(setting):
            raise BrokenPromise(
                f"{where} returned {name} as {_kind(setting)}, which cannot travel to a worker: "
                "use what JSON can hold, or a timedelta"
            )
    return found


def is_plain(setting: object) -> bool:
    """Whether a setting can travel to a worker: JSON can hold it, or it is a timedelta."""
    if isinstance(setting, timedelta):
        return True
    try:
        json.dumps(setting)
    except (TypeError, ValueError):
        return False
    return True


def checked_environment(backend: Backend) -> dict[str, str]:
    """`Backend.environment`, held against its promise.

    :raises BrokenPromise: it raised, or gave something else than texts by name.
    """
    found = ask(backend, "environment")
    if not isinstance(found, dict) or not _is_texts(found):
        raise BrokenPromise(
            f"{_where(backend, 'environment')} returned {_kind(found)}: return a dict of texts by name"
        )
    return found


def checked_stored(backend: Backend, found: object) -> Stored | None:
    """What `Backend.at_rest` returned.

    :raises BrokenPromise: it is no `Stored`.
    """
    where = _where(backend, "at_rest")
    if found is None:
        return None
    if not isinstance(found, Stored):
        raise BrokenPromise(
            f"{where} returned {_kind(found)}: return harness.backend.Stored(raw, place), or None"
        )
    if not isinstance(found.raw, bytes):
        raise BrokenPromise(
            f"{where} returned a Stored whose raw is {_kind(found.raw)}: give the bytes as they are stored"
        )
    if not isinstance(found.place, str):
        raise BrokenPromise(f"{where} returned a Stored whose place is {_kind(found.place)}: give text")
    if not (found.lifetime is None or isinstance(found.lifetime, int | float)):
        raise BrokenPromise(
            f"{where} returned a Stored whose lifetime is {_kind(found.lifetime)}: give seconds, or None"
        )
    return found


def checked_places(backend: Backend, found: object) -> Sequence[str]:
    """What `Backend.inventory` returned.

    :raises BrokenPromise: it is no list of texts.
    """
    if not isinstance(found, list | tuple) or not all(isinstance(place, str) for place in found):
        raise BrokenPromise(
            f"{_where(backend, 'inventory')} returned {_kind(found)}: return a list of texts, one a place"
        )
    return found


def checked_answer(service: Service, found: object) -> tuple[str, str]:
    """What `Service.probe` returned.

    :raises BrokenPromise: it is no pair of texts.
    """
    if not isinstance(found, tuple) or len(found) != 2 or not _is_names(found):
        raise BrokenPromise(
            f"{_where(service, 'probe')} returned {found!a:.80}: return a tuple (product, version)"
        )
    return found


def _where(plugin: Backend | Service, method: str) -> str:
    made = type(plugin)
    return f"{file_of(made)}: {made.__name__}.{method}()"


def _kind(found: object) -> str:
    return "None" if found is None else f"{type(found).__name__}"


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"line {trace.tb_lineno} of {trace.tb_frame.f_code.co_filename}"
