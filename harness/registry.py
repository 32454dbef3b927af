"""Finds backends: core ones by file name, installed plug-ins by entry point, and those of ``--backend FILE``.

Of core and installed ones nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from harness import contract, own, services
from harness.backend import Backend
from harness.errors import UnknownName, suggest
from harness.matrix import ALL_COMPRESSIONS, OWN, SERIALIZERS, backend_markers, base_name, groups
from harness.scenario import FAMILIES
from harness.services import Service
from harness.sources import BadPlugin, Source, file_of, load_module, module_of_file, own_classes
from harness.verdict import Axis

BACKENDS = "celery_roundtrip.backends"
"""Group of entry points: the name of a backend -> its module, or ``module:Class``."""
SERVICES = "celery_roundtrip.services"
"""The same for the servers that such a backend brings."""
RESERVED = frozenset((*SERIALIZERS, *ALL_COMPRESSIONS, *FAMILIES, "slow", OWN))
"""Markers that mean something else than a backend."""


class Registry:
    """The backends of one run, in the order in which the matrix shows them.

    :param files: paths given with ``--backend``; their classes come last.
    :raises BadPlugin: a file is missing, fails on import, holds no backend, or names clash.
    """

    def __init__(self, files: Iterable[str] = ()) -> None:
        import backends

        self.sources: dict[str, Source] = {}
        self._loaded: dict[str, type[Backend]] = {}
        self.own: own.Own | None = None
        """What ``--settings`` has made."""
        self._services: dict[str, Source] = {name: _core_service(name) for name in services.core()}
        modules = sorted(m.name for m in pkgutil.iter_modules(backends.__path__))
        for module in (name for name in modules if not name.startswith("_")):
            name = module.replace("_", "-")
            self.sources[name] = Source(name, f"backends.{module}")
        for point in _entry_points(BACKENDS):
            self._add_backend(_installed(point))
        for point in _entry_points(SERVICES):
            self._add_service(_installed(point))
        for file in files:
            self._add_file(Path(file))

    def add_own(self, given: str, folder: Path) -> None:
        """Add the backend that the user's own settings make; see `harness.own.read`.

        :raises RoundtripError: they cannot be read, or asked.
        """
        candidates: dict[str, type[Backend]] = {}
        for name in self.names:
            try:
                candidates[name] = self.load(name)
            except BadPlugin:
                continue  # an installed one: it must not stand in the way of the others
        made = own.read(given, folder, candidates)
        base = self.source(made.base)
        self.sources[made.name] = replace(base, name=made.name, base=base.name, settings=made.settings)
        self.own = made

    @property
    def pins(self) -> Mapping[str, Mapping[Axis, str]]:
        """Where the user's own settings put the axes, by backend."""
        return {self.own.name: self.own.pins} if self.own else {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.sources)

    def source(self, name: str) -> Source:
        if name not in self.sources:
            raise UnknownName("backend", name, self.sources)
        return self.sources[name]

    def load(self, name: str) -> type[Backend]:
        """Import the backend's module and return its class.

        :raises UnknownName: no such backend, or it needs a service that nobody brings.
        :raises BadPlugin: it does not keep the contract.
        """
        if name in self._loaded:
            return self._loaded[name]
        found = load(self.source(name))
        for needed in found.services:
            if needed not in services.known():
                known = ", ".join(services.known())
                raise BadPlugin(
                    f"{file_of(found)}: {found.__name__}.services names {needed!a}, and there is no such "
                    f"service: known are {known}; add a Service subclass of that name"
                )
        core = [one for one, source in self.sources.items() if source.is_core]
        if found.derived_from not in ("", *core):
            raise BadPlugin(
                f"{file_of(found)}: {found.__name__}.derived_from names {found.derived_from!a}, and the "
                f"project has no such backend: {suggest(str(found.derived_from), core)}"
            )
        self._loaded[name] = found
        return found

    def broker_of(self, name: str) -> str | None:
        """The broker that a backend lives in, if it does."""
        return self.load(name).broker

    def known_as(self, name: str) -> tuple[str, ...]:
        """What expectations call a backend: its own name, and that of the project's backend it derives from.

        Under the user's own settings a backend is the same backend.
        """
        name = base_name(name)
        base = "" if self.source(name).is_core else self.load(name).derived_from
        return (name, base) if base else (name,)

    def distributions(self) -> list[str]:
        """Distributions of plug-ins, and those that the backends of ``--backend`` files need."""
        found = [source.distribution for source in self.sources.values() if source.distribution]
        for source in self.sources.values():
            if source.file:  # was imported when it was given
                for text in load(source).packages.values():
                    try:
                        found.append(Requirement(text).name)
                    except InvalidRequirement:
                        continue  # what pip takes may be more than a requirement: a path, an option
        return list(dict.fromkeys(found))

    def plugin_files(self) -> list[str]:
        """The files of all backends that are not the project's own. Nothing is imported."""
        plugins = [source for source in self.sources.values() if not source.is_core]
        found = [source.file or _file_of_module(source.module) for source in plugins]
        return list(dict.fromkeys(filter(None, found)))

    def _add_file(self, file: Path) -> None:
        path = str(file.resolve())
        module = module_of_file(path)
        bases = {base for made in own_classes(module, Backend) for base in made.__mro__[1:]}
        # an abstract class that others in the file build upon is no backend
        found = [
            made
            for made in own_classes(module, Backend)
            if made not in bases or not getattr(made, "__abstractmethods__", None)
        ]
        if not found:
            raise BadPlugin(f"{file} defines no subclass of harness.backend.Backend: add one")
        for made in own_classes(module, Service):
            contract.check_service(made)
            self._add_service(Source(made.name, "", path))
        for made in found:
            contract.check_backend(made)
            self._add_backend(Source(made.name, "", path))

    def _add_service(self, source: Source) -> None:
        self._add(self._services, "service", source)
        services.plug(source)

    def _add_backend(self, source: Source) -> None:
        core = backend_markers([name for name in self.sources if self.sources[name].is_core])
        for word in sorted({source.name, *groups(source.name)} - set(core)):
            if word in RESERVED:
                raise BadPlugin(
                    f"{source.where}: no backend may be called {source.name!a}: -m {word} means "
                    "something else; choose another name"
                )
        self._add(self.sources, "backend", source)

    def _add(self, table: dict[str, Source], kind: str, source: Source) -> None:
        remedy = f", or pip uninstall {source.distribution}" if source.distribution else ""
        if not contract.NAME.match(source.name):
            raise BadPlugin(
                f"{source.where}: no {kind} may be called {source.name!a}: use {contract.NAME_MEANS}{remedy}"
            )
        if source.name in table:
            other = table[source.name].where
            raise BadPlugin(
                f"{source.where}: the name {source.name!a} is taken by the {kind} of {other}: "
                f"choose another{remedy}"
            )
        table[source.name] = source


def load(source: Source) -> type[Backend]:
    """The class behind a source.

    :raises BadPlugin: there is none, or it does not keep the contract.
    """
    if source.base:
        return own.derive(load(replace(source, name=source.base, base="")), source.settings)
    module = load_module(source) if source.module else module_of_file(source.file)
    if source.attribute:
        candidates = [getattr(module, source.attribute, None)]
    else:
        candidates = list(own_classes(module, Backend))
    for found in candidates:
        if not isinstance(found, type) or not issubclass(found, Backend):
            raise BadPlugin(
                f"{source.where} has no class {source.attribute} that is a subclass of "
                "harness.backend.Backend: correct the entry point, or the class"
            )
        if getattr(found, "name", None) == source.name:
            contract.check_backend(found)
            return found
    raise BadPlugin(
        f"{source.where} defines no backend called {source.name!a}: give a subclass of "
        f"harness.backend.Backend the attribute name = {source.name!a}, or correct the entry point"
    )


def _core_service(name: str) -> Source:
    return Source(name, f"harness.services.{name}")


def _entry_points(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda point: point.name)


def _installed(point: EntryPoint) -> Source:
    distribution = point.dist.name if point.dist else ""
    return Source(point.name, point.module, attribute=point.attr, distribution=distribution)


def _file_of_module(name: str) -> str | None:
    """Where a module lies, without importing it or the packages around it."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    for depth in range(len(rest)):
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(".".join((top, *rest[: depth + 1])), spec.submodule_search_locations)
    return spec.origin if spec else None
