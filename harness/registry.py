"""Finds backends: core ones by file name, without importing them, and those of ``--backend FILE``."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.backend import CONTRACT_VERSION, Backend
from harness.errors import RoundtripError, UnknownName

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")


class BadBackend(RoundtripError):
    """A backend file that cannot be used: names file, fault and fix."""


@dataclass(frozen=True)
class BackendSource:
    """Where a backend class lives: what a worker or client needs to load it again.

    :param module: module name for core backends, "" for a file.
    :param file: absolute path for ``--backend FILE``, "" for core backends.
    """

    name: str
    module: str
    file: str


class Registry:
    """The backends of one run, in the order in which the matrix shows them.

    :param files: paths given with ``--backend``; their classes come after the core ones.
    :raises BadBackend: a file is missing, fails on import, holds no backend, or clashes.
    """

    def __init__(self, files: Iterable[str] = ()) -> None:
        import backends

        self.sources: dict[str, BackendSource] = {}
        modules = sorted(m.name for m in pkgutil.iter_modules(backends.__path__))
        for module in (name for name in modules if not name.startswith("_")):
            name = module.replace("_", "-")
            self.sources[name] = BackendSource(name, f"backends.{module}", "")
        for file in files:
            self._add_file(Path(file))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.sources)

    def source(self, name: str) -> BackendSource:
        if name not in self.sources:
            raise UnknownName("backend", name, self.sources)
        return self.sources[name]

    def load(self, name: str) -> type[Backend]:
        """Import the backend's module and return its class.

        :raises UnknownName: no such backend.
        """
        return load(self.source(name))

    def broker_of(self, name: str) -> str | None:
        """The broker that a backend lives in, if it does."""
        return self.load(name).broker

    def _add_file(self, file: Path) -> None:
        path = file.resolve()
        classes = _classes(_module(str(path)))
        if not classes:
            raise BadBackend(f"{file} defines no subclass of harness.backend.Backend: add one")
        for found in classes:
            name = getattr(found, "name", None)
            if not isinstance(name, str) or not NAME.match(name):
                raise BadBackend(
                    f"{file}: {found.__name__}.name is {name!a}; use lower-case letters, digits and hyphens"
                )
            if name in self.sources:
                taken = self.sources[name]
                raise BadBackend(
                    f"{file}: the name {name!a} is taken by {taken.file or taken.module}: choose another"
                )
            if found.contract > CONTRACT_VERSION:
                raise BadBackend(
                    f"{file}: {found.__name__} asks for contract {found.contract}, this is "
                    f"{CONTRACT_VERSION}: upgrade celery-roundtrip"
                )
            self.sources[name] = BackendSource(name, "", str(path))


def load(source: BackendSource) -> type[Backend]:
    """The class behind a source."""
    module = importlib.import_module(source.module) if source.module else _module(source.file)
    for found in _classes(module):
        if found.name == source.name:
            return found
    raise BadBackend(f"{source.file or source.module} defines no backend called {source.name!a}")


def _classes(module: ModuleType) -> list[type[Backend]]:
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, Backend)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
        and not getattr(item, "__abstractmethods__", None)
    ]


def _module(path: str) -> ModuleType:
    """Import a file by path, once. Its folder joins sys.path, so that a worker finds its classes."""
    name = Path(path).stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == path:
        return loaded
    if loaded is not None:
        raise BadBackend(f"{path}: a module called {name!a} is already imported: rename the file")
    if not Path(path).is_file():
        raise BadBackend(f"{path}: no such file: --backend takes the path of a Python file")
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise BadBackend(f"{path} fails on import: {type(error).__name__}: {error}") from error
