"""Services: the servers that backends and brokers need, one file each, and how they are provided.

A `Service` knows how to start a server as a process on loopback, how to tell by its own protocol that
it answers (one probe for every runtime), and which product and version really answered.
Service modules import their driver inside methods only: listing services costs nothing.
"""

from __future__ import annotations

import abc
import functools
import importlib
import pkgutil
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from harness.errors import RoundtripError, UnknownName
from harness.sources import BadPlugin, Source, load_module, own_classes

RUNTIMES = ("auto", "docker", "local")
"""What ``--runtime`` takes. ``auto``: Docker if it answers and has or can pull the image, else local."""


@dataclass(frozen=True)
class Server:
    """A running service, as backends and brokers see it.

    :param url: where it answers, with credentials. Never printed: see `harness.ascii.redact`.
    :param owned: whether this run started it; if not, only the run's own namespace may be touched.
    """

    name: str
    runtime: str
    url: str
    product: str
    version: str
    owned: bool
    ready_seconds: float = 0.0
    image: str | None = None
    digest: str | None = None
    standin: bool = False
    """Whether the image says of itself that it stands in for a public one."""
    kept: bool = False
    """Whether ``roundtrip services up`` had started it; its runtime says how."""


@dataclass(frozen=True)
class LocalCommand:
    """How to start a server as a process: argument list and what it needs in its environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Container:
    """What a service's public image is started with.

    :param port: the port inside the container.
    :param command: arguments, where the image's own do not fit a test.
    """

    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


class Service(abc.ABC):
    """One kind of server. Subclasses live in ``harness/services/NAME.py`` and fit a screen."""

    name: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    """URL schemes that ``--service NAME=URL`` takes."""
    image: ClassVar[str] = ""
    """A plug-in's public image, with its tag. Those of core services stand in ``images.toml``."""
    ready_within: ClassVar[float] = 20.0
    """Seconds after which a start counts as failed."""

    def fetch(self, say: Callable[[str], None]) -> None:
        """Get, once for all runs, what `local_command` needs beside wheels and system packages.

        Called before each local start: it must return at once where everything is there. A step that
        lasts is announced through `say`. Default: nothing to get.

        :raises ServiceUnavailable: it cannot be had; names the mending command.
        """

    @abc.abstractmethod
    def local_command(self, port: int, folder: Path) -> LocalCommand:
        """The command that serves on ``127.0.0.1:port`` and keeps its data in `folder`.

        :raises ServiceUnavailable: nothing on this machine can serve it; names the mending command.
        """

    @abc.abstractmethod
    def local_url(self, port: int) -> str:
        """Where a server started by `local_command` answers."""

    @abc.abstractmethod
    def container(self) -> Container:
        """What its public image is started with."""

    @abc.abstractmethod
    def container_url(self, port: int) -> str:
        """Where a container answers that is published on ``127.0.0.1:port``."""

    @abc.abstractmethod
    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        """Ask the server who it is, by its own protocol: (product, version).

        :raises NotReady: no answer yet.
        :raises Rejected: it answered and refused.
        """

    def checked_url(self, url: str) -> str:
        """The URL as every process of a run can use it, whatever its folder.

        :raises RoundtripError: it lacks what Celery or the driver insists on.
        """
        return url

    def preserve(self, url: str) -> None:
        """Make the server's data survive its end in its folder (``--keep``). Default: nothing to do."""


def in_turn(*commands: Sequence[str]) -> tuple[str, ...]:
    """One command out of several: each runs when the one before has succeeded, and the last is the server.

    So what a first one creates (a database's files, for one) counts as part of the server's start.
    """
    *first, server = map(shlex.join, commands)
    return ("sh", "-c", " && ".join([*first, f"exec {server}"]))


def with_whole_paths(query: Mapping[str, str], names: Sequence[str], scheme: str) -> dict[str, str]:
    """A URL's query with absolute paths in the arguments `names`: a run's processes have their own folders.

    :raises RoundtripError: one of the files is not there.
    """
    whole = {name: str(Path(query[name]).resolve()) for name in names if name in query}
    for name, file in whole.items():
        if not Path(file).exists():
            raise RoundtripError(f"{name} of the {scheme}:// URL: there is no file {file}")
    return {**query, **whole}


_plugged: dict[str, Source] = {}


def plug(source: Source) -> None:
    """Make a plug-in's service known in this process. Nothing is imported."""
    _plugged[source.name] = source


def plugged(names: Iterable[str]) -> dict[str, Source]:
    """Those of the named services that a plug-in brought, so that another process can `plug` them."""
    return {name: _plugged[name] for name in names if name in _plugged}


@functools.cache
def core() -> tuple[str, ...]:
    """Names of the project's own services, by file name, without importing any."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__)))


def known() -> tuple[str, ...]:
    """Names of all services, those of plug-ins included."""
    return (*core(), *sorted(_plugged))


def service(name: str) -> Service:
    """The service of that name.

    :raises UnknownName: with the nearest names.
    :raises BadPlugin: a plug-in's does not keep the contract.
    """
    if name in _plugged:
        return _load(_plugged[name])
    if name not in core():
        raise UnknownName("service", name, known())
    made = importlib.import_module(f"{__name__}.{name}").SERVICE
    assert isinstance(made, Service)
    return made


def _load(source: Source) -> Service:
    from harness.contract import check_service

    if source.base:  # the same kind of server, but the user's own
        kind = type(service(source.base))
        renamed: Service = type(
            kind.__name__, (kind,), {"name": source.name, "__module__": kind.__module__}
        )()
        return renamed
    module = load_module(source)
    found = [getattr(module, source.attribute, None)] if source.attribute else own_classes(module, Service)
    for made in found:
        if isinstance(made, type) and issubclass(made, Service) and getattr(made, "name", "") == source.name:
            check_service(made)
            instance: Service = made()
            return instance
    raise BadPlugin(
        f"{source.where} defines no service called {source.name!a}: give a subclass of "
        f"harness.services.Service the attribute name = {source.name!a}"
    )
