"""What the ``rpc`` backends have in common: results are messages on the caller's own reply queue."""

from __future__ import annotations

from harness.backend import Backend


class RPC(Backend):
    documentation = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#rpc-backend-settings"
    reading_consumes = True

    def settings(self) -> dict[str, object]:
        return {"result_backend": "rpc://"}
