"""pytest-xdist: one worker configuration stays on one process, and one backend as far as possible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

from harness import questions
from harness.matrix import backend_in, scope
from harness.verdict import Axis

if TYPE_CHECKING:
    import pytest


class ConfigurationScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out whole worker configurations.

    A process stays with a backend as long as that has any left: it needs one client, with one driver, and
    the others ask other servers meanwhile. Then it takes the next backend that no process is at, and where
    there is none it helps at the one with most left.

    ``--dist loadgroup`` would do for the first, but is silently dead on pytest 9.2 with xdist 3.8: xdist
    writes ``item._nodeid``, which pytest reads no longer.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: Any,
        backends: Sequence[str],
        pins: Mapping[str, Mapping[Axis, str]],
    ) -> None:
        super().__init__(config, log)
        self._backends, self._pins = backends, pins
        self._scenarios = {scenario.name: scenario for scenario in questions.scenarios()}
        self._scopes: dict[str, str] = {}
        self._places: dict[str, int] = {}
        """Of all node ids, in the order in which they were collected."""
        self._at: dict[Any, str] = {}
        """The backend that each process is at."""
        # the supervisor starts workers ahead in the order of the matrix: keep that order
        config.option.loadscopereorder = False

    def remove_node(self, node: Any) -> str | None:
        self._at.pop(node, None)
        crashed: str | None = super().remove_node(node)
        return crashed

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:  # noqa: ARG002
        """As xdist's, but what is done is forgotten: xdist counts all that a process ever had, each time."""
        node_id = self.registered_collections[node][item_index]
        key = self._split_scope(node_id)
        unit = self.assigned_work[node][key]
        del unit[node_id]
        if not unit:
            del self.assigned_work[node][key]
        self._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        """As xdist's, but of the right backend, and node ids are looked up in a table."""
        waiting: dict[str, list[str]] = defaultdict(list)
        for key in self.workqueue:
            waiting[backend_in(key, self._backends) or ""].append(key)
        self._at[node] = next_backend(
            {backend: len(scopes) for backend, scopes in waiting.items()},
            self._at.get(node),
            {backend for other, backend in self._at.items() if other is not node},
        )
        key = waiting[self._at[node]][0]
        unit = self.assigned_work[node][key] = self.workqueue.pop(key)
        if not self._places:
            assert self.collection is not None
            self._places = {node_id: place for place, node_id in enumerate(self.collection)}
        node.send_runtest_some([self._places[node_id] for node_id, done in unit.items() if not done])

    def _split_scope(self, nodeid: str) -> str:
        if nodeid not in self._scopes:
            self._scopes[nodeid] = scope(
                nodeid, self._backends, self._scenarios, self.config.option.pool, self._pins
            )
        return self._scopes[nodeid]


def next_backend(waiting: Mapping[str, int], last: str | None, others: Collection[str]) -> str:
    """The backend of which a process takes a configuration.

    :param waiting: how many each has left, in the order of the matrix; not empty.
    :param last: the one that the process was at.
    :param others: those that other processes are at.
    """
    if last is not None and last in waiting:
        return last
    free = [backend for backend in waiting if backend not in others]
    return free[0] if free else max(waiting, key=waiting.__getitem__)
