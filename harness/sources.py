"""Where a plug-in's class lives, so that every process of a run can load it again: a module, or a file."""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import RoundtripError


class BadPlugin(RoundtripError):
    """A plug-in that cannot be used: names file, method and fix."""


@dataclass(frozen=True)
class Source:
    """What a worker, a client or the supervisor needs to load a class again.

    :param name: of the backend or service.
    :param module: module name, "" for a file.
    :param file: absolute path of a Python file, "" for a module.
    :param attribute: what an entry point names in its module, "" to find the class by its `name`.
    :param base: the backend or service of which this is the same one, but the user's own; see `harness.own`.
    :param settings: the user's own settings, as JSON; they hold credentials.
    :param distribution: who installed it, for messages; "" for core ones and files.
    """

    name: str
    module: str
    file: str = ""
    attribute: str = ""
    base: str = ""
    settings: str = field(default="", repr=False)
    distribution: str = ""

    @property
    def is_core(self) -> bool:
        """Whether it is the project's own."""
        return self.module.partition(".")[0] in ("backends", "harness")

    @property
    def where(self) -> str:
        """For messages."""
        if self.file:
            return self.file
        return f"{self.module} of {self.distribution}" if self.distribution else self.module


def load_module(source: Source) -> ModuleType:
    """Import what a source names.

    :raises BadPlugin: it is not there, or fails on import.
    """
    if source.file:
        return module_of_file(source.file)
    try:
        return importlib.import_module(source.module)
    except Exception as error:
        raise BadPlugin(
            f"{source.where} fails on import: {type(error).__name__}: {error}; mend that line{_line(error)}"
            + (f", or pip uninstall {source.distribution}" if source.distribution else "")
        ) from error


def module_of_file(path: str, option: str = "--backend") -> ModuleType:
    """Import a file by path, once. Its folder joins sys.path, so that a worker finds its classes.

    :param option: the option that named it, for messages.
    """
    name = Path(path).stem
    loaded = sys.modules.get(name)
    if getattr(loaded, "__file__", None) != path:
        if not Path(path).is_file():
            raise BadPlugin(f"{path}: no such file: {option} takes the path of a Python file")
        if loaded is not None:
            raise BadPlugin(f"{path}: a module called {name!a} is already imported: rename the file")
        folder = str(Path(path).parent)
        if folder not in sys.path:
            sys.path.insert(0, folder)
    # also where it is loaded: another thread may still be at it, and import waits for that
    try:
        made = importlib.import_module(name)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise BadPlugin(f"{path} fails on import: {why}; mend it{_line(error)}") from error
    if getattr(made, "__file__", None) != path:
        raise BadPlugin(f"{path}: a module called {name!a} is found elsewhere first: rename the file")
    return made


def _line(error: BaseException) -> str:
    """Where a plug-in's own code raised."""
    trace = error.__traceback__
    last = None
    while trace is not None:
        if "importlib" not in trace.tb_frame.f_code.co_filename:
            last = trace
        trace = trace.tb_next
    if isinstance(error, SyntaxError) or last is None:
        return ""
    return f" ({Path(last.tb_frame.f_code.co_filename).name}, line {last.tb_lineno})"


def own_classes(module: ModuleType, base: type[Any]) -> list[type[Any]]:
    """The public subclasses of `base` that a module defines itself, in its order."""
    return [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and issubclass(item, base)
        and item.__module__ == module.__name__
        and not item.__name__.startswith("_")
    ]


def file_of(made: type[Any]) -> str:
    """The file that defines a class, for messages."""
    try:
        return inspect.getfile(made)
    except (TypeError, OSError):
        return made.__module__
