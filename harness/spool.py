"""kombu's filesystem transport, which loses nothing: what appears in its folders is whole.

kombu's own (5.7.0, kombu/transport/filesystem.py) opens a file first, and locks and writes it then. Who
reads in between finds it empty: a message is lost, or a queue's declaration raises `JSONDecodeError`; and of
two queues that are declared at once one may be forgotten. docs/brokers.md shows it.
"""

from __future__ import annotations

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Writes each file under another name, and renames it when it is whole."""

    def _put(self, queue: str, payload: object, **_: object) -> None:  # type: ignore[override]
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        _write_whole(Path(self.data_folder_out, name), payload)

    def _queue_bind(
        self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None
    ) -> None:
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changed(exchange) as table:
            if bound not in table:
                table.insert(0, bound)

    def _delete(
        self, queue: str, exchange: str, routing_key: str | None, pattern: str | None, *_: Any, **__: Any
    ) -> None:
        self._purge(queue)  # type: ignore[no-untyped-call]
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._changed(exchange) as table:
            if bound in table:
                table.remove(bound)

    @contextmanager
    def _changed(self, exchange: str) -> Iterator[list[filesystem.exchange_queue_t]]:
        """The queues of an exchange, to be changed; of all processes one at a time comes to it."""
        file: Path = self._exchange_file(exchange)  # type: ignore[no-untyped-call]
        with file.with_name(f"{file.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            table = self.get_table(exchange)  # type: ignore[no-untyped-call]
            before = list(table)
            yield table
            if table != before:
                _write_whole(file, table)


class Transport(filesystem.Transport):
    Channel = Channel


def _write_whole(file: Path, content: object) -> None:
    # no file of this name is anybody's: a queue's messages end in .msg, an exchange in .exchange
    written = file.with_name(f"{file.name}.new")
    written.write_text(dumps(content))  # type: ignore[no-untyped-call]
    written.rename(file)
