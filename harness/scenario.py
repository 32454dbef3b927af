"""The ``@scenario`` declaration: one question, the axes that it needs, the question ids that it answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import brokers
from harness.errors import RoundtripError
from harness.matrix import POINT, OwnWorker
from harness.verdict import Axis, Observation

if TYPE_CHECKING:
    from harness.cell import Cell

Body = Callable[["Cell"], Generator[None, None, Observation] | Observation]

FAMILIES = (
    *("values", "at_rest", "state", "failures", "reading", "lifetime", "identity", "canvas", "pools"),
    *("notes", "django"),
)
"""Markers of scenario families: the part of the file's name behind ``test_``."""

STORELESS: Mapping[str, Sequence[str]] = {"backend": [brokers.DEFAULT]}  # its server runs anyhow
"""`only` of questions in which no store has a part (what a codec does, how many processes a pool has): they
are asked beside one store, for every other one would give the same answer."""


_LINK = re.compile(r"https?://[^\s)>\]]*[^\s)>\].,;]")


@dataclass(frozen=True)
class Scenario:
    """A declared scenario. pytest collects it as cells, never as a test function.

    :param axes: what the scenario varies; ``backend`` comes first.
    :param answers: question ids of docs/questions, ``v-*`` for all of a family.
    :param cases: points of the ``case`` axis.
    :param only: restricts an axis to some of its points.
    :param in_broker: only of backends that live in a broker.
    :param slow: why it is slow, or None.
    :param worker: its own kind of worker, or one by case or by pool; None: the matrix's.
    """

    body: Body
    axes: tuple[Axis, ...]
    answers: tuple[str, ...]
    cases: tuple[str, ...] = ()
    only: Mapping[Axis, tuple[str, ...]] = field(default_factory=dict)
    slow: str | None = None
    in_broker: bool = False
    worker: OwnWorker | Mapping[str, OwnWorker] | None = None

    @property
    def name(self) -> str:
        return self.body.__name__

    @property
    def module(self) -> str:
        return self.body.__module__

    @property
    def promise(self) -> str:
        """The first paragraph of the docstring."""
        return (inspect.getdoc(self.body) or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def links(self) -> tuple[str, ...]:
        """The addresses in the docstring: where the promise is given."""
        return tuple(dict.fromkeys(_LINK.findall(inspect.getdoc(self.body) or "")))

    @property
    def family(self) -> str:
        return self.module.rpartition(".")[2].removeprefix("test_")

    def worker_of(self, case: str, pool: str = "") -> OwnWorker | None:
        """The kind of worker that serves a case in a pool."""
        if isinstance(self.worker, Mapping):
            return self.worker.get(case) or self.worker.get(pool)
        return self.worker

    def families(self) -> tuple[str, ...]:
        return tuple({*FAMILIES, self.family})


def scenario(
    *axes: str,
    answers: Sequence[str],
    cases: Sequence[str] = (),
    only: Mapping[str, Sequence[str]] | None = None,
    slow: str | None = None,
    in_broker: bool = False,
    worker: OwnWorker | Mapping[str, OwnWorker] | None = None,
) -> Callable[[Body], Scenario]:
    """Declare a scenario. What stands before ``yield`` in its body submits, what follows checks.

    A body without ``yield`` works too. Bodies return an observation and never assert.

    :raises RoundtripError: an axis or case is misnamed, or the docstring states no promise.
    """

    def declare(body: Body) -> Scenario:
        where = f"{body.__module__}.{body.__name__}"
        try:
            declared = tuple(Axis(axis) for axis in axes)
        except ValueError as error:
            raise RoundtripError(f"{where}: {error}; axes are {', '.join(Axis)}") from error
        if not declared or declared[0] is not Axis.BACKEND:
            raise RoundtripError(f"{where}: the first axis must be 'backend'")
        if (Axis.CASE in declared) != bool(cases):
            raise RoundtripError(f"{where}: a 'case' axis needs cases=..., and cases need that axis")
        for case in cases:
            if not POINT.match(case):
                raise RoundtripError(f"{where}: case {case!a}: use lower-case letters, digits, _ and .")
        restricted = {Axis(axis): tuple(points) for axis, points in (only or {}).items()}
        made = Scenario(body, declared, tuple(answers), tuple(cases), restricted, slow, in_broker, worker)
        for kind in worker.values() if isinstance(worker, Mapping) else filter(None, [worker]):
            if not POINT.match(kind.name):
                raise RoundtripError(f"{where}: worker {kind.name!a}: use lower-case letters, digits and _")
        if not made.promise:
            raise RoundtripError(f"{where}: the docstring must state the promise")
        return made

    return declare
