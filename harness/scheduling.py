"""pytest-xdist: one worker configuration stays on one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

from harness import questions
from harness.matrix import scope
from harness.verdict import Axis

if TYPE_CHECKING:
    import pytest


class ConfigurationScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out whole worker configurations, in the order of the matrix.

    ``--dist loadgroup`` would do, but is silently dead on pytest 9.2 with xdist 3.8: xdist writes
    ``item._nodeid``, which pytest reads no longer.
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
        # the supervisor starts workers ahead in the order of the matrix: keep that order
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        if nodeid not in self._scopes:
            self._scopes[nodeid] = scope(
                nodeid, self._backends, self._scenarios, self.config.option.pool, self._pins
            )
        return self._scopes[nodeid]
