"""Observes worker configurations from a pytest process: takes a worker, feeds a client, survives both.

What can go wrong with a batch, and what becomes of its cells:

- the worker dies: the tasks that ran are suspects; each is asked again alone, and the one that kills its
  worker again is ``indeterminate``, blame ``worker``; all others are submitted again to a fresh worker
- the pool is stuck or silent: fresh worker, the unanswered cells are submitted again
- the client hangs in a read: it is ended, its cell is ``hung``, a fresh client takes the rest
- three times in one configuration: the rest is ``indeterminate``, the run goes on
- a service ends: the batch is ended, its unanswered cells are ``indeterminate``; later configurations that
  need that service are ``not-run``

A deviation is held back until it is known that no service had ended when it was seen.
"""

from __future__ import annotations

import json
import queue
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener, wait
from pathlib import Path
from typing import Any

from harness import doing, poll
from harness.doing import Doing
from harness.errors import RoundtripError
from harness.matrix import Cell
from harness.registry import load
from harness.supervisor import Asker, Endings
from harness.verdict import Blame, Observation, Verdict
from harness.watching import Ending
from harness.worker import Setup, runs

Message = dict[str, Any]

TROUBLES_AT_MOST = 3
CLIENT_STARTS_WITHIN = 30.0
LOOK_EVERY = 1.0
"""Seconds between two looks at the services while a batch goes on, if something was held back."""


@dataclass(frozen=True)
class Asked:
    """A cell and where its scenario is defined."""

    cell: Cell
    module: str
    file: str

    def request(self) -> Message:
        return {
            "id": self.cell.cell_id,
            "axes": dict(self.cell.axes),
            "module": self.module,
            "file": self.file,
            "scenario": self.cell.scenario,
        }


class ClientHung(Exception):
    """The client did not come back from what it had announced."""

    def __init__(self, cell: str, phase: str, limit: float) -> None:
        self.cell, self.phase, self.limit = cell, phase, limit
        super().__init__(f"{phase} of {cell}")


class ClientDied(Exception):
    """The client process ended."""


class ServiceEnded(Exception):
    """A service that a configuration needs has ended."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        super().__init__(str(ending))


class ClientProcess:
    """A client in a process of its own. One per backend and pytest process, or per configuration."""

    def __init__(self, asker: Asker, endings: Endings, setup: Setup) -> None:
        self._asker, self._endings = asker, endings
        # the name of a socket must be short: it lies in the run's folder, whatever the client's is
        path = tempfile.mktemp(prefix="c", dir=asker.folder)
        self._listener = Listener(path, family="AF_UNIX")
        # Listener has no way to wait for a while only
        self._listener._listener._socket.settimeout(0.2)  # type: ignore[attr-defined]
        told = {"environment": dict(setup.environment), "imports": setup.client_imports}
        made = asker.ask("client", name=_client_name(setup), socket=path, **told)
        self.pid, self.folder = int(made["pid"]), Path(made["folder"])
        self._connection: Connection | None = None

    def _connected(self) -> Connection:
        """The connection to the process, which was started ahead of need."""
        if self._connection is None:
            poll.until(self._accepts, CLIENT_STARTS_WITHIN)
            if self._connection is None:
                raise ClientDied(f"the client did not start: {self.log_tail()}")
        return self._connection

    def _accepts(self) -> bool:
        try:
            self._connection = self._listener.accept()
        except TimeoutError:
            return not runs(self.pid)
        self._listener.close()  # one client only
        return True

    def run(self, request: Message, needs: Collection[str]) -> Iterator[Message]:
        """Feed a batch and yield the client's answers up to the last one.

        :param needs: services without which it makes no sense to go on.
        :raises ClientHung: it does not come back from what it announced.
        :raises ClientDied: it is gone.
        :raises ServiceEnded: a needed service has ended.
        """
        try:
            connection = self._connected()
            connection.send_bytes(json.dumps(request).encode("ascii"))
            asked = Doing("", "start", CLIENT_STARTS_WITHIN, time.monotonic())
            while True:
                self._await(connection, asked, needs)
                answer: Message = json.loads(connection.recv_bytes())
                yield answer
                if answer["type"] in ("done", "trouble"):
                    return
        except (EOFError, OSError) as error:
            raise ClientDied(f"the client process ended: {self.log_tail()}") from error

    def _await(self, connection: Connection, asked: Doing, needs: Collection[str]) -> None:
        """Wait for an answer.

        :param asked: what the client is at if it has said nothing since.
        :raises ClientHung: it is at something for longer than that may take.
        :raises ServiceEnded: a needed service has ended.
        """
        last = asked
        while True:
            there = wait([connection, self._endings.connection], max(0.0, last.until - time.monotonic()))
            if self._endings.connection in there and (ending := self._endings.of(needs)):
                raise ServiceEnded(ending)
            if connection in there:
                return
            told = doing.read(self.folder)
            now = max((one for one in (last, told) if one), key=lambda one: one.since)
            if not there and now == last:
                raise ClientHung(last.cell, last.phase, last.limit)
            last = now

    def stop(self, stacks: bool = False) -> str:
        """End the process; with `stacks`, return where it was."""
        answer = self._asker.ask("kill", pid=self.pid, stacks=str(self.folder) if stacks else "")
        if self._connection:
            self._connection.close()
        else:
            self._listener.close()
        return str(answer.get("stack", ""))

    def log_tail(self) -> str:
        log = self.folder / "client.log"
        lines = log.read_text(errors="backslashreplace").strip().splitlines() if log.exists() else []
        return lines[-1] if lines else "it left no message"


class InlineClient:
    """Runs bodies inside pytest, for a debugger. Nothing can end a body that hangs, or lacks its service."""

    def run(self, request: Message, needs: Collection[str]) -> Iterator[Message]:  # noqa: ARG002
        from harness.client import Runner

        answers: queue.SimpleQueue[Message] = queue.SimpleQueue()
        Runner(answers.put).run(request)
        while not answers.empty():
            # the same form as over a pipe
            yield json.loads(json.dumps(answers.get()))

    def stop(self, stacks: bool = False) -> str:  # noqa: ARG002 - there is no process whose stack to show
        return ""

    def log_tail(self) -> str:
        return "it runs inside pytest"


Client = ClientProcess | InlineClient


@dataclass(frozen=True)
class Held:
    """What was seen of a cell that is still waiting.

    :param at: when, on the monotonic clock.
    :param provisional: whether the client will look again.
    """

    seen: Observation
    at: float
    provisional: bool


@dataclass
class Progress:
    """Where the observation of one configuration stands."""

    waiting: dict[str, Asked]
    batches: list[list[str]]
    worker: Message
    began: float
    troubles: int = 0
    held: dict[str, Held] = field(default_factory=dict)
    looked_at: float = 0.0
    """When the services were last looked at (monotonic clock)."""


class Conductor:
    """Observes configurations one after the other."""

    def __init__(self, asker: Asker, inline: bool, deadline: float, seed: int) -> None:
        self._asker, self._inline, self._deadline, self._seed = asker, inline, deadline, seed
        self._endings = Endings(asker.folder)
        self._clients: dict[str, Client] = {}
        self._making = threading.Lock()
        self._stopped = False
        self.configurations: list[Message] = []
        """Records for the run log, of configurations that are finished."""

    def observe(self, setup: Setup, asked: Sequence[Asked]) -> Iterator[tuple[str, Observation]]:
        """Observe all cells of a configuration: (cell id, observation), each cell once."""
        key = setup.configuration.key
        if ending := self._endings.of(setup.servers):
            yield from ((item.cell.cell_id, _not_run(ending)) for item in asked)
            return
        began = time.monotonic()
        worker = self._asker.ask("worker", key=key)
        ids = [item.cell.cell_id for item in asked]
        progress = Progress({item.cell.cell_id: item for item in asked}, [ids], worker, began)
        while progress.batches:
            ids = [name for name in progress.batches.pop(0) if name in progress.waiting]
            if not ids:
                continue
            if progress.troubles >= TROUBLES_AT_MOST:
                yield from self._give_up(progress)
                break
            try:
                yield from self._batch(progress, setup, ids, len(asked))
            except ServiceEnded as ended:
                yield from self._service_ended(progress, setup, ended.ending)
        self._asker.ask("release", key=key)
        if load(setup.source).own_client and (done := self._clients.pop(_client_name(setup), None)):
            done.stop()

    def _batch(
        self, progress: Progress, setup: Setup, ids: list[str], cells: int
    ) -> Iterator[tuple[str, Observation]]:
        """Observe some cells of a configuration.

        :raises ServiceEnded: a service that it needs has ended.
        """
        request = {
            "worker": progress.worker,
            "deadline": self._deadline,
            "seed": self._seed,
            "cells": [progress.waiting[name].request() for name in ids],
        }
        client = self._client(setup)
        try:
            for answer in client.run(request, setup.servers):
                if answer["type"] == "observation":
                    yield from self._observation(progress, answer)
                    if progress.held and time.monotonic() - progress.looked_at > LOOK_EVERY:
                        yield from self._flush(progress, setup, provisional=False)
                elif answer["type"] == "done":
                    yield from self._flush(progress, setup)
                    self._note(answer["configuration"], progress.worker, cells, progress.began)
                else:
                    yield from self._flush(progress, setup)
                    yield from self._worker_trouble(progress, ids, answer)
                    progress.worker = self._asker.ask("renew", key=setup.configuration.key)
        except ClientHung as hung:
            yield from self._flush(progress, setup)
            yield from self._client_hung(progress, setup, client, hung)
        except ClientDied as died:
            yield from self._flush(progress, setup)
            yield from self._client_died(progress, setup, ids, died)

    def stop(self) -> None:
        """End all clients. A thread that observes something meanwhile gets an error."""
        with self._making:
            if self._stopped:
                return
            self._stopped = True
            for client in list(self._clients.values()):
                client.stop()

    def close(self) -> None:
        """Stop, and hear of no more endings. Not while a thread observes something."""
        self.stop()
        self._endings.close()

    def _client(self, setup: Setup) -> Client:
        name = _client_name(setup)
        with self._making:
            if self._stopped:
                raise RoundtripError("the run is ending")
            if name not in self._clients:
                self._clients[name] = (
                    InlineClient() if self._inline else ClientProcess(self._asker, self._endings, setup)
                )
            return self._clients[name]

    def _observation(self, progress: Progress, answer: Message) -> Iterator[tuple[str, Observation]]:
        seen = Observation(
            Verdict(answer["verdict"]),
            Blame(answer["blame"]) if answer["blame"] else None,
            answer["holds"],
            answer["detail"],
            answer["oracle"],
            answer["evidence"],
            answer["seconds"],
        )
        name = answer["cell"]
        if name not in progress.waiting:
            return
        if not answer["provisional"] and (seen.holds or seen.verdict is Verdict.NOT_RUN):
            del progress.waiting[name]
            progress.held.pop(name, None)
            yield name, seen
        else:
            progress.held[name] = Held(seen, time.monotonic(), answer["provisional"])

    def _note(self, configuration: Message, worker: Message, cells: int, began: float) -> None:
        ready = configuration["worker_ready_seconds"]
        configuration["worker_ready_seconds"] = round(ready - worker["began"], 3) if ready else None
        configuration["seconds"] = round(time.monotonic() - began, 3)
        self.configurations.append({"kind": "configuration", **configuration, "cells": cells})

    def _flush(
        self, progress: Progress, setup: Setup, provisional: bool = True
    ) -> Iterator[tuple[str, Observation]]:
        """What was held back, if all services that the configuration needs still answer.

        :param provisional: also what the client will not come to look at again.
        :raises ServiceEnded: one does not.
        """
        if not progress.waiting:
            return
        told = self._asker.ask("look", services=sorted(setup.servers))["endings"]
        if told:
            raise ServiceEnded(Ending(**told[0]))
        progress.looked_at = time.monotonic()
        for name, held in list(progress.held.items()):
            if provisional or not held.provisional:
                del progress.waiting[name], progress.held[name]
                yield name, held.seen

    def _service_ended(
        self, progress: Progress, setup: Setup, ending: Ending
    ) -> Iterator[tuple[str, Observation]]:
        """End the batch; what was seen while the service certainly lived counts."""
        client = self._clients.pop(_client_name(setup), None)
        if client is not None:
            client.stop()
        for name in progress.waiting:
            held = progress.held.get(name)
            counts = held is not None and held.at < ending.alive_at
            yield name, held.seen if held and counts else _cut_off(ending, held)
        progress.waiting.clear()

    def _worker_trouble(
        self, progress: Progress, ids: list[str], answer: Message
    ) -> Iterator[tuple[str, Observation]]:
        suspects = [name for name in answer["suspects"] if name in progress.waiting]
        if answer["kind"] == "died" and len(suspects) == 1:
            name = suspects[0]
            del progress.waiting[name]
            yield (
                name,
                _indeterminate(f"its task killed the worker: {answer['detail']}", Blame.WORKER, answer),
            )
        elif answer["kind"] == "died" and suspects:
            progress.batches[:0] = [[name] for name in suspects]
        else:
            progress.troubles += 1
        if not answer["ready"]:
            # a worker that cannot even start will not start the next time
            why = answer["unprepared"]
            blame = Blame.HARNESS if why else Blame.WORKER
            for name in list(progress.waiting):
                del progress.waiting[name]
                detail = f"the worker did not start: {why}" if why else "the worker did not start"
                yield name, _indeterminate(detail, blame, answer)
        rest = [name for name in ids if name in progress.waiting and name not in suspects]
        progress.batches.append(rest if answer["kind"] == "died" else [*rest, *suspects])

    def _client_hung(
        self, progress: Progress, setup: Setup, client: Client, hung: ClientHung
    ) -> Iterator[tuple[str, Observation]]:
        stack = client.stop(stacks=True)
        del self._clients[_client_name(setup)]
        progress.troubles += 1
        if hung.cell in progress.waiting:
            del progress.waiting[hung.cell]
            detail = f"the {hung.phase} gave no answer within {hung.limit:g} s; its client was ended"
            blame = Blame.BACKEND if hung.phase in ("read", "late look") else Blame.HARNESS
            evidence: dict[str, object] = {"stack": stack[-4000:]}
            yield hung.cell, Observation(Verdict.HUNG, blame, False, detail, None, evidence, hung.limit)
        progress.batches.append(list(progress.waiting))

    def _client_died(
        self, progress: Progress, setup: Setup, ids: list[str], died: ClientDied
    ) -> Iterator[tuple[str, Observation]]:
        self._clients.pop(_client_name(setup)).stop()
        progress.troubles += 1
        if progress.troubles >= TROUBLES_AT_MOST or len(ids) == 1:
            for name in ids:
                if name in progress.waiting:
                    del progress.waiting[name]
                    yield name, _indeterminate(str(died), Blame.HARNESS, {})
        progress.batches.append(list(progress.waiting))

    def _give_up(self, progress: Progress) -> Iterator[tuple[str, Observation]]:
        for name in list(progress.waiting):
            del progress.waiting[name]
            detail = (
                f"not asked to its end: worker or client had to be replaced {progress.troubles} times before"
            )
            yield name, _indeterminate(detail, Blame.HARNESS, {})


def _not_run(ending: Ending) -> Observation:
    facts = {"service_ended": ending.name}
    return Observation(Verdict.NOT_RUN, None, False, str(ending), None, {"facts": facts})


def _cut_off(ending: Ending, held: Held | None) -> Observation:
    notes = [f"seen when it was ending or gone: {held.seen.verdict}: {held.seen.detail}"] if held else []
    return Observation(
        Verdict.INDETERMINATE, Blame.HARNESS, False, str(ending), None, {"notes": notes} if notes else {}
    )


def _client_name(setup: Setup) -> str:
    """Configurations that give the same name share a client process."""
    configuration = setup.configuration
    return configuration.key if load(setup.source).own_client else configuration.backend


def _indeterminate(detail: str, blame: Blame, answer: Message) -> Observation:
    log = answer.get("log") or []
    return Observation(Verdict.INDETERMINATE, blame, False, detail, None, {"worker_log": log} if log else {})
