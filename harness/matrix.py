"""Axes, cells and ids; and what is selected before anything is multiplied, imported or started."""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import brokers, corpus
from harness.errors import RoundtripError, UnknownName, suggest
from harness.verdict import Axis

if TYPE_CHECKING:
    from _pytest.mark.expression import Expression

    from harness.scenario import Scenario

SERIALIZERS = ("json", "pickle", "yaml", "msgpack")
COMPRESSIONS = ("uncompressed", "zlib", "bzip2")
"""The compression axis of every scenario that does not say otherwise."""
OTHER_COMPRESSIONS = ("gzip", "lzma", "brotli", "zstd")
"""Codecs that only some scenarios ask for: they multiply workers, not insight."""
ALL_COMPRESSIONS = (*COMPRESSIONS, *OTHER_COMPRESSIONS)
BROKERS = tuple(brokers.BROKERS)
POOLS = ("prefork", "threads", "solo", "gevent", "eventlet")

DEFAULTS: Mapping[Axis, str] = {
    Axis.SERIALIZER: "json",
    Axis.COMPRESSION: "uncompressed",
    Axis.BROKER: brokers.DEFAULT,
    Axis.POOL: "prefork",
}
"""Where an axis sits that a scenario does not declare."""

OWN = "own"
"""Last word and marker of the backend that ``--settings`` makes."""

POINT = re.compile(r"[a-z0-9_.]+\Z")
"""What a value, case, serializer or codec may be called: no hyphen, so that ids decode by table."""


@dataclass(frozen=True, order=True)
class Configuration:
    """What one worker process serves. Cells that share it share the worker."""

    backend: str
    serializer: str
    compression: str
    broker: str
    pool: str
    worker: str = ""
    """Name of the scenario's own kind of worker; empty: the matrix's."""

    @property
    def key(self) -> str:
        parts = (self.backend, self.serializer, self.compression, self.broker, self.pool, self.worker)
        return "-".join(filter(None, parts))


@dataclass(frozen=True)
class OwnWorker:
    """A kind of worker beside the matrix's, in a namespace of its own.

    For scenarios that need other settings than their neighbours, or that could harm them.

    :param name: names the kind: scenarios that share it share the worker. Lower-case letters, digits, _.
    :param settings: Celery settings beside the matrix's, for worker and client: JSON-able or timedelta.
    :param pool: the pool where the question does not depend on it (``solo`` starts twice as fast); None: the
        one that ``--pool`` names.
    :param arguments: of ``celery worker``, in the place of ``-c 2``.
    :param environment: environment variables beside those of the backend.
    """

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    pool: str | None = None
    arguments: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def spread(found: Iterable[Configuration], abreast: int = 4) -> list[Configuration]:
    """Worker configurations in the order in which they are asked.

    Some mostly compute; others mostly wait: for deadlines, where a store loses everything, or because they
    have a worker of their own. So a few backends take turns, and own workers come evenly among the matrix's.

    :param found: in the order of the matrix.
    :param abreast: how many backends take turns; when one has had its last, the next takes its place.
    """
    kinds: dict[str, dict[bool, list[Configuration]]] = {}
    for configuration in found:
        of_backend = kinds.setdefault(configuration.backend, {False: [], True: []})
        of_backend[bool(configuration.worker)].append(configuration)
    waiting: deque[deque[Configuration]] = deque()
    for of_backend in kinds.values():
        part = [((n + 0.5) / len(kind), one) for kind in of_backend.values() for n, one in enumerate(kind)]
        waiting.append(deque(one for _, one in sorted(part, key=lambda pair: pair[0])))
    order: list[Configuration] = []
    turns: list[deque[Configuration]] = []
    while turns or waiting:
        while waiting and len(turns) < abreast:
            turns.append(waiting.popleft())
        order.extend(backend.popleft() for backend in turns)
        turns = [backend for backend in turns if backend]
    return order


@dataclass(frozen=True)
class Cell:
    """One scenario at one point of its axes.

    :param axes: one point per axis, the undeclared ones at their default.
    :param id: the points of the declared axes, joined by hyphens.
    """

    scenario: str
    configuration: Configuration
    axes: Mapping[Axis, str]
    id: str
    slow: str | None = None
    worker: OwnWorker | None = None

    @property
    def cell_id(self) -> str:
        return f"{self.scenario}[{self.id}]"


@dataclass
class Selection:
    """What the user asked for, as far as it is known before cells exist.

    :param expression: three-valued reading of ``-m``; see `MarkExpression`.
    :param ids: per scenario, the bracket texts of node ids that were typed; none: all.
    :param options: where ``--broker`` and ``--pool`` put the axes that no scenario declares.
    :param slow: whether slow cells are asked at all.
    :param broker_of: the broker that a backend lives in, if it does; asked of selected backends only.
    """

    expression: MarkExpression
    ids: Mapping[str, frozenset[str]] = field(default_factory=dict)
    options: Mapping[Axis, str] = field(default_factory=dict)
    broker_of: Callable[[str], str | None] = lambda _: None
    slow: bool = True
    pins: Mapping[str, Mapping[Axis, str]] = field(default_factory=dict)
    """Where the user's own settings put the axes, by backend."""

    def point(self, axis: Axis) -> str:
        return self.options.get(axis, DEFAULTS[axis])


class MarkExpression:
    """The ``-m`` expression, evaluated while some names are undecided.

    :raises RoundtripError: it does not parse.
    """

    def __init__(self, text: str) -> None:
        from _pytest.mark.expression import Expression

        self.text = text.strip()
        self._compiled: Expression | None = None
        self.names: tuple[str, ...] = ()
        if self.text:
            try:
                self._compiled = Expression.compile(self.text)
            except SyntaxError as error:
                raise RoundtripError(f"-m {self.text!a} does not parse: {error.msg}") from error
            self.names = tuple(sorted(_identifiers(self.text)))

    def check(self, known: Iterable[str]) -> None:
        """Stop at a name that no cell can carry.

        :raises UnknownName: with the right name, where one is near.
        """
        names = set(known)
        for name in self.names:
            if name not in names:
                raise UnknownName("marker", name, names)

    def possible(self, decided: Mapping[str, bool]) -> bool:
        """Whether some choice of the undecided names makes the expression true."""
        if self._compiled is None:
            return True
        undecided = [name for name in self.names if name not in decided]
        for choice in itertools.product((True, False), repeat=len(undecided)):
            if self._true(self._compiled, {**decided, **dict(zip(undecided, choice, strict=True))}):
                return True
        return False

    @staticmethod
    def _true(compiled: Expression, table: Mapping[str, bool]) -> bool:
        return bool(compiled.evaluate(lambda name, /, **_: table.get(name, False)))


def _identifiers(text: str) -> set[str]:
    # the tokens of pytest's own grammar (_pytest/mark/expression.py)
    bare = re.sub(r"\([^()]*=[^()]*\)", "", text)
    found = re.findall(r"[\w:+\-.\[\]\\/]+", bare)
    return {name for name in found if name not in ("and", "or", "not")}


def multiply(scenario: Scenario, backends: Sequence[str], selection: Selection) -> Iterator[Cell]:
    """Every selected cell of a scenario, pruned axis by axis before the next axis is multiplied."""
    wanted = selection.ids.get(scenario.name)
    names = {*backend_markers(backends), *SERIALIZERS, *ALL_COMPRESSIONS}
    undeclared = {
        axis: selection.point(axis) for axis in (Axis.SERIALIZER, Axis.COMPRESSION, Axis.BROKER, Axis.POOL)
    }

    def extend(
        axes: Sequence[Axis], chosen: dict[Axis, str], parts: tuple[str, ...], marks: dict[str, bool]
    ) -> Iterator[Cell]:
        if not axes:
            text = "-".join(parts)
            if wanted is None or text in wanted:
                pinned = selection.pins.get(chosen[Axis.BACKEND], {})
                cell = _cell(scenario, {**undeclared, **pinned, **chosen, **_home(chosen, selection)}, text)
                if selection.slow or not cell.slow:
                    yield cell
            return
        axis, rest = axes[0], axes[1:]
        pin = selection.pins.get(chosen.get(Axis.BACKEND, ""), {}).get(axis)
        for point in points(axis, scenario, backends) if pin is None else _pinned(pin, axis, scenario):
            reached = (*parts, point)
            if wanted is not None and not _may_reach("-".join(reached), bool(rest), wanted):
                continue
            if (axis, point) not in deciding:
                found = _decide(axis, point, scenario, backends)
                deciding[axis, point] = {name: found[name] for name in asked if name in found}
            decided = {**marks, **deciding[axis, point]}
            if not selection.expression.possible(decided):
                continue
            if scenario.in_broker and axis is Axis.BACKEND and selection.broker_of(point) is None:
                continue
            yield from extend(rest, {**chosen, axis: point}, reached, decided)

    asked = selection.expression.names
    deciding: dict[tuple[Axis, str], dict[str, bool]] = {}
    start = {name: False for name in names if not _varies(name, scenario, backends)}
    # a family may be called like a group of backends, as django is: then the backend decides
    shared = set(backend_markers(backends)) - {scenario.family}
    start |= {family: family == scenario.family for family in scenario.families() if family not in shared}
    if Axis.VALUE not in scenario.axes:
        start["slow"] = scenario.slow is not None
    if selection.expression.possible(start):
        yield from extend(scenario.axes, {}, (), {name: start[name] for name in asked if name in start})


def _pinned(pin: str, axis: Axis, scenario: Scenario) -> Sequence[str]:
    """The one point of an axis that is settled, if the scenario asks for it."""
    return [pin] if pin in scenario.only.get(axis, (pin,)) else []


def points(axis: Axis, scenario: Scenario, backends: Sequence[str]) -> Sequence[str]:
    """The points of an axis that a scenario asks for, in the order in which the matrix shows them."""
    if axis is Axis.BACKEND:
        wanted = scenario.only.get(axis, ("*",))
        return [
            name for name in backends if any(fnmatch.fnmatchcase(base_name(name), point) for point in wanted)
        ]
    if axis in scenario.only:
        return scenario.only[axis]
    if axis is Axis.SERIALIZER:
        return SERIALIZERS
    if axis is Axis.COMPRESSION:
        return COMPRESSIONS
    if axis is Axis.BROKER:
        return BROKERS
    if axis is Axis.POOL:
        return POOLS
    if axis is Axis.VALUE:
        return value_names()
    return scenario.cases


def value_names() -> list[str]:
    """Names of all values, without building any."""
    return [value.name for value in corpus.VALUES]


def explain_unknown_id(scenario: Scenario, text: str, backends: Sequence[str]) -> str:
    """Which part of a typed id names nothing, and what was meant.

    :param text: what stands between the brackets.
    """
    rest, known = text, ""
    for axis in scenario.axes:
        names = list(points(axis, scenario, backends))
        fitting = [name for name in names if rest == name or rest.startswith(name + "-")]
        if not fitting:
            wrong = rest.partition("-")[0] if axis is not scenario.axes[-1] else rest
            return f"{scenario.name}[{text}]: no {axis} is called {wrong!a}: {suggest(wrong, names)}"
        known = max(fitting, key=len)
        rest = rest[len(known) + 1 :]
    if rest:
        return f"{scenario.name}[{text}]: {rest!a} is too much: its axes are {', '.join(scenario.axes)}"
    return f"{scenario.name}[{text}] is no cell of this matrix"


def markers(cell: Cell, declared: Sequence[Axis]) -> list[str]:
    """The marker names that a cell carries: those of the axes that its scenario varies."""
    varied = [axis for axis in (Axis.BACKEND, Axis.SERIALIZER, Axis.COMPRESSION) if axis in declared]
    backend = cell.configuration.backend
    names = [cell.axes[axis] for axis in varied] + (["slow"] if cell.slow else [])
    return [*groups(backend), *names]


def groups(backend: str) -> list[str]:
    """The first words of a backend's name, which select it too.

    ``django-db-sqlite`` is selected by ``django`` and ``django-db``, ``rpc-redis`` by ``rpc``; and what the
    user's own settings make, by ``own``.
    """
    words = backend.split("-")
    return ["-".join(words[:count]) for count in range(1, len(words))] + [OWN] * (words[-1] == OWN)


def own_name(backend: str) -> str:
    """What the backend is called under the user's own settings."""
    return f"{backend}-{OWN}"


def base_name(backend: str) -> str:
    """What it is called without them."""
    return backend.removesuffix(f"-{OWN}")


def backend_markers(backends: Sequence[str]) -> list[str]:
    """The markers that select backends: their names, and the first words of those of several words."""
    return list(dict.fromkeys([*backends, *(group for name in backends for group in groups(name))]))


def backend_in(text: str, backends: Sequence[str]) -> str | None:
    """The backend whose name a cell's id, or a configuration's key, begins with; None if there is none."""
    fitting = [name for name in backends if text == name or text.startswith(name + "-")]
    return max(fitting, key=len, default=None)


def scope(
    node_id: str,
    backends: Sequence[str],
    scenarios: Mapping[str, Scenario],
    pool: str = DEFAULTS[Axis.POOL],
    pins: Mapping[str, Mapping[Axis, str]] | None = None,
) -> str:
    """The worker configuration of a node id, decoded by table; its file where it is no cell.

    Points other than backends hold no hyphen: the longest backend name that fits is the right one, and
    what follows are the points of the scenario's other axes.

    :param scenarios: by name. A file of others' scenarios stays whole, as one of other tests does.
    :param pool: the pool of scenarios that say nothing of it.
    :param pins: see `Selection`.
    """
    path, _, rest = node_id.partition("::")
    name, _, bracket = rest.partition("[")
    bracket = bracket.removesuffix("]")
    backend = backend_in(bracket, backends)
    asked = scenarios.get(name)
    if backend is None or asked is None:
        return path
    parts = bracket[len(backend) + 1 :].split("-")
    found = dict(zip(asked.axes[1:], parts, strict=False))
    worker = asked.worker_of(found.get(Axis.CASE, ""), found.get(Axis.POOL, pool))
    settled = {**DEFAULTS, **(pins or {}).get(backend, {})}
    serializer = found.get(Axis.SERIALIZER, settled[Axis.SERIALIZER])
    compression = found.get(Axis.COMPRESSION, settled[Axis.COMPRESSION])
    pool = found.get(Axis.POOL, (worker and worker.pool) or pool)
    return "-".join(filter(None, (backend, serializer, compression, pool, worker.name if worker else "")))


def _home(chosen: Mapping[Axis, str], selection: Selection) -> dict[Axis, str]:
    broker = selection.broker_of(chosen[Axis.BACKEND])
    return {Axis.BROKER: broker} if broker else {}


def _decide(axis: Axis, point: str, scenario: Scenario, backends: Sequence[str]) -> dict[str, bool]:
    if axis is Axis.BACKEND:
        return {name: name == point or name in groups(point) for name in backend_markers(backends)}
    if axis is Axis.SERIALIZER:
        return {name: name == point for name in SERIALIZERS}
    if axis is Axis.COMPRESSION:
        return {name: name == point for name in ALL_COMPRESSIONS}
    if axis is Axis.VALUE:
        return {"slow": corpus.value(point).slow is not None or scenario.slow is not None}
    return {}


def _varies(name: str, scenario: Scenario, backends: Sequence[str]) -> bool:
    return (
        (name in backend_markers(backends) and Axis.BACKEND in scenario.axes)
        or (name in SERIALIZERS and Axis.SERIALIZER in scenario.axes)
        or (name in ALL_COMPRESSIONS and Axis.COMPRESSION in scenario.axes)
    )


def _may_reach(prefix: str, more: bool, wanted: frozenset[str]) -> bool:
    return any(text.startswith(prefix + "-") if more else text == prefix for text in wanted)


def _cell(scenario: Scenario, axes: Mapping[Axis, str], text: str) -> Cell:
    worker = scenario.worker_of(axes.get(Axis.CASE, ""), axes[Axis.POOL])
    if worker and worker.pool and Axis.POOL not in scenario.axes:
        axes = {**axes, Axis.POOL: worker.pool}
    configuration = Configuration(
        axes[Axis.BACKEND],
        axes[Axis.SERIALIZER],
        axes[Axis.COMPRESSION],
        axes[Axis.BROKER],
        axes[Axis.POOL],
        worker.name if worker else "",
    )
    slow = scenario.slow
    if Axis.VALUE in axes:
        slow = slow or corpus.value(axes[Axis.VALUE]).slow
    return Cell(scenario.name, configuration, axes, text, slow, worker)
