"""The user's own Celery configuration, as one more worker configuration beside the matrix: ``--settings``.

It becomes a backend of its own, ``redis-own`` beside ``redis``: the same class, so that results are still
looked at natively, in a namespace of the run, but on the user's server and under the user's settings.
Serializer and compression sit where those settings put them. What in them cannot hold in a run is said.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from harness import services
from harness.ascii import escape, redact
from harness.backend import Backend, Namespace
from harness.errors import RoundtripError, UnknownName
from harness.matrix import ALL_COMPRESSIONS, OWN, SERIALIZERS, own_name
from harness.services import Server
from harness.sources import Source, module_of_file
from harness.verdict import Axis

KEPT_OUT: Mapping[str, tuple[str, ...]] = {
    "messages travel over the run's own broker, on queues of its own": (
        *("broker_", "task_queue", "task_default_queue", "task_default_exchange", "task_default_routing"),
        *("task_routes", "task_create_missing", "task_default_delivery"),
    ),
    "task arguments are names, and the message serializer must not judge a value first": (
        *("accept_content", "task_serializer", "task_compression"),
    ),
    "with it, no worker would store a result": ("task_always_eager", "task_ignore_result"),
    "the suite runs tasks of its own": ("imports", "include", "task_annotations", "task_cls", "beat_"),
    "pool and size are the run's: --pool": ("worker_",),
}
"""Why settings of the user cannot hold in a run -> what their names begin with."""
NAMES_THE_STORE = "a run keeps to a namespace of its own"


@dataclass(frozen=True)
class Own:
    """The user's settings, as a run uses them.

    :param given: as ``--settings`` named them, for messages.
    :param name: of the backend that they make.
    :param base: the backend of which it is the same.
    :param settings: `Source.settings`.
    :param pins: where they put the axes.
    :param urls: the user's servers, by the name of the service that stands for them.
    :param notes: what of them is not used, and why; a line each, without credentials.
    """

    given: str
    name: str
    base: str
    settings: str
    pins: Mapping[Axis, str]
    urls: Mapping[str, str]
    notes: tuple[str, ...]


def read(given: str, folder: Path, candidates: Mapping[str, type[Backend]]) -> Own:
    """The configuration that ``--settings`` names.

    :param given: ``[BACKEND=]MODULE_OR_FILE[:NAME]``
    :param folder: where a relative path begins.
    :param candidates: the backends of which it may be one.
    :raises RoundtripError: it cannot be read or asked; says what to change.
    """
    name, found, where = given.rpartition("=")
    settings = _settings(where if found else given, folder)
    url = settings.get("result_backend")
    if not isinstance(url, str) or url.startswith("disabled"):
        raise RoundtripError(
            f"--settings {given}: it sets no result_backend, so there is nothing to ask; set it, or name "
            "the app: --settings myproject.celery:app"
        )
    base = _base(given, name, url, candidates)
    pins = {Axis.SERIALIZER: _serializer(given, settings), Axis.COMPRESSION: _compression(given, settings)}
    notes: list[str] = []
    used = _usable(settings, notes)
    urls = _servers(base, url)
    if base.services and base.broker is None and not urls:
        notes.append(
            f"result_backend names no server of {', '.join(base.services)}: the run's own is used, "
            "or what --service names"
        )
    names = {service.removesuffix(f"-{OWN}"): service for service in urls}
    for service, renamed in names.items():
        services.plug(Source(renamed, services.__name__, base=service))
    notes += _overruled(base, used, urls)
    told = json.dumps({"settings": used, "servers": names}, default=_tagged)
    return Own(given, own_name(base.name), base.name, told, pins, urls, tuple(notes))


def derive(base: type[Backend], told: str) -> type[Backend]:
    """The backend's class under the user's settings.

    :param told: `Source.settings`.
    """
    from harness.worker import untagged

    given = json.loads(told)
    own = {name: untagged(setting) for name, setting in given["settings"].items()}
    renamed: Mapping[str, str] = given["servers"]

    class Under(base):  # type: ignore[valid-type, misc]  # mypy cannot follow a class made at run time
        name = own_name(base.name)
        description = f"{base.description}, under your own settings"
        services = tuple(renamed.get(service, service) for service in base.services)

        def __init__(self, namespace: Namespace, servers: Mapping[str, Server]) -> None:
            theirs = {plain: servers[mine] for plain, mine in renamed.items() if mine in servers}
            super().__init__(namespace, {**servers, **theirs})

        def settings(self) -> dict[str, object]:
            return merged(own, super().settings())

    Under.__name__, Under.__module__ = base.__name__, base.__module__
    return Under


def merged(own: Mapping[str, object], needed: Mapping[str, object]) -> dict[str, object]:
    """The user's settings, with what the namespace needs put over them, option by option."""
    both = dict(own)
    for name, setting in needed.items():
        mine = own.get(name)
        both[name] = {**mine, **setting} if isinstance(mine, dict) and isinstance(setting, dict) else setting
    return both


def _settings(where: str, folder: Path) -> dict[str, Any]:
    """What the user has set: Celery's new names, whatever the old or prefixed ones were."""
    import celery
    from celery.app.defaults import DEFAULTS, SETTING_KEYS

    path, _, attribute = where.partition(":")
    made: object = _module(path, folder, where)
    if attribute:
        if not hasattr(made, attribute):
            raise RoundtripError(f"--settings {where}: {path} has no {attribute!a}: correct the name")
        made = getattr(made, attribute)
    if isinstance(made, celery.Celery):
        app = made
    else:
        app = celery.Celery("own", set_as_current=False, fixups=[])
        app.config_from_object(made, namespace=_prefix(vars(made), SETTING_KEYS) if vars(made) else None)
    try:
        conf = app.conf
        return {key: conf[key] for key in sorted(SETTING_KEYS) if conf.get(key) != DEFAULTS.get(key)}
    except Exception as error:
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise RoundtripError(
            f"--settings {where}: Celery cannot use it: {escape(first[0], 200)}; mend it"
        ) from error


def _module(path: str, folder: Path, where: str) -> ModuleType:
    file = folder / path
    if path.endswith(".py") or file.is_file():
        return module_of_file(str(file.resolve()), "--settings")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # as `celery -A` does
    try:
        return importlib.import_module(path)
    except Exception as error:
        raise RoundtripError(
            f"--settings {where}: {type(error).__name__}: {error}; name a module that can be imported from "
            "here, or a Python file"
        ) from error


def _prefix(names: Iterable[str], known: Iterable[str]) -> str | None:
    """``CELERY`` where new names carry that prefix, as Django projects have them."""
    keys = set(known)
    prefixed = [name for name in names if name.startswith("CELERY_")]
    return "CELERY" if prefixed and all(name[7:].lower() in keys for name in prefixed) else None


def _base(given: str, name: str, url: str, candidates: Mapping[str, type[Backend]]) -> type[Backend]:
    if name:
        if name not in candidates:
            raise UnknownName("backend", name, candidates)
        return candidates[name]
    scheme = url.partition("://")[0]
    fitting = [made for made in candidates.values() if {scheme, scheme.rpartition("+")[2]} & {*made.schemes}]
    if len(fitting) == 1:
        return fitting[0]
    shown = ", ".join(made.name for made in fitting) or ", ".join(candidates)
    told = "several backends here take" if fitting else "no backend here says that it takes"
    first = fitting[0].name if fitting else next(iter(candidates))
    raise RoundtripError(
        f"--settings {given}: {told} {scheme}://; say which one is meant, of {shown}: "
        f"--settings {first}={given}"
    )


def _serializer(given: str, settings: Mapping[str, Any]) -> str:
    found = settings.get("result_serializer", "json")
    if found not in SERIALIZERS:
        raise RoundtripError(
            f"--settings {given}: result_serializer is {found!a}; the suite can judge "
            f"{', '.join(SERIALIZERS)} only"
        )
    return str(found)


def _compression(given: str, settings: Mapping[str, Any]) -> str:
    """The codec's name on the axis: kombu has several names for some."""
    from kombu.compression import get_encoder

    found = settings.get("result_compression")
    if not found:
        return ALL_COMPRESSIONS[0]
    if found in ALL_COMPRESSIONS:
        return str(found)
    look: Any = get_encoder
    for codec in ALL_COMPRESSIONS[1:]:
        try:
            if look(codec)[1] == look(found)[1]:
                return codec
        except KeyError:
            continue  # its package is not installed, or there is no such codec
    raise RoundtripError(
        f"--settings {given}: result_compression is {found!a}; the suite can judge "
        f"{', '.join(ALL_COMPRESSIONS[1:])} only"
    )


def _usable(settings: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The settings that hold in a run; the others go to the notes, by reason."""
    from harness.contract import is_plain

    used: dict[str, Any] = {}
    out: dict[str, list[str]] = {}
    for name, setting in settings.items():
        reason = next((why for why, starts in KEPT_OUT.items() if name.startswith(starts)), None)
        if reason is None and not is_plain(setting):
            reason = "it is neither what JSON can hold nor a timedelta, and cannot travel to a worker"
        if reason is None:
            used[name] = setting
        else:
            out.setdefault(reason, []).append(name)
    if "accept_content" in settings and "result_accept_content" not in settings:
        # where the one is not set, Celery takes the other for results
        used["result_accept_content"] = list(settings["accept_content"])
    notes += [f"not used: {', '.join(names)} ({why})" for why, names in out.items()]
    return used


def _servers(base: type[Backend], url: str) -> dict[str, str]:
    """The user's server, where the backend needs exactly one and the URL names it."""
    if base.broker is not None or len(base.services) != 1:
        return {}
    service = services.service(base.services[0])
    scheme, _, rest = url.partition("://")
    words = scheme.split("+")
    for candidate in (scheme, words[-1], words[0], *words[1:]):
        made = f"{candidate}://{rest}"
        if candidate in service.schemes and urlsplit(made).hostname:
            return {f"{service.name}-{OWN}": service.checked_url(made)}
    return {}


def _overruled(base: type[Backend], used: Mapping[str, Any], urls: Mapping[str, str]) -> list[str]:
    """What the namespace puts over the user's settings, found by asking for a namespace's settings."""
    servers = {
        name: Server(name, "external", urls.get(f"{name}-{OWN}", f"{name}://the-run"), "", "", False)
        for name in base.services
    }
    needed = base(Namespace("roundtrip-run-own", Path("the-run"), "roundtrip-run"), servers).settings()
    found = []
    for name, setting in needed.items():
        mine = used.get(name)
        if isinstance(mine, dict) and isinstance(setting, dict):
            pairs = [(f"{name}[{key!r}]", mine[key], setting[key]) for key in setting if key in mine]
        else:
            pairs = [] if name not in used else [(name, mine, setting)]
        found += [f"{path} = {mine!r}" for path, mine, needs in pairs if mine != needs]
    return [f"overruled: {escape(redact(text), 300)} ({NAMES_THE_STORE})" for text in found]


def _tagged(setting: object) -> object:
    from harness.worker import tagged

    return tagged(setting)
