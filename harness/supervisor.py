"""The supervisor: one process per run that spawns and ends services, workers and clients.

pytest holds a pipe to its standard input. At end of file, whatever killed pytest, it ends everything
that it started, wipes the run's namespaces on servers that it did not start, and removes the run's
folder. It never sees a scenario: it cannot be blocked by one.

Any pytest process of the run (xdist makes several) connects to the socket in the run's folder and
asks; one request is one JSON object, answered by one. What it learns of services goes to standard
output, a JSON line each, for the run log.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from harness import containers, kept, poll, services, stacks
from harness.ascii import redact
from harness.brokers import broker
from harness.contract import ask, ask_for, checked_answer
from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable, SupervisorGone
from harness.nursery import Nursery
from harness.processes import SUPERVISOR_LOG, Child, Leader, environment_of, free_port, own, sweep
from harness.services import LocalCommand, Server, Service
from harness.sources import BadPlugin, Source
from harness.watching import Ending, Wait, Watcher, how_it_ended
from harness.worker import PATCHING, SETUP_VARIABLE, Setup, run_namespace, words_of

SOCKET = "supervisor.sock"
NURSERY_LOG = "nursery.log"
LOGS = ("services/*/service.log", "workers/*/worker.log", "clients/*/client.log", SUPERVISOR_LOG, NURSERY_LOG)
"""What ``--logs`` copies of a run's folder; the rest are stores, and set-ups with credentials."""
AHEAD = 2
"""Workers of a backend that are started ahead of need, so that their start costs nobody time."""
WIPE_WITHIN = 5.0
EXTERNAL_ANSWERS_WITHIN = 5.0
"""Seconds that a server gets that runs already."""
CONTAINER_GONE_WITHIN = 5.0
"""Seconds that Docker gets to remove a container, before its process is ended like any other."""

Message = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """How a service is to be provided."""

    url: str | None
    runtime: str
    image: str
    fresh: bool = False
    """Whether one that is kept between runs will not do."""
    source: Mapping[str, str] | None = None
    """Where a plug-in's service is defined."""


class Services:
    """Starts each service once, however many ask, and remembers why one could not be had."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder, self._supervisor = folder, supervisor
        self.running: dict[str, Server] = {}
        self.watcher = Watcher(self._ended)
        self._failed: dict[str, ServiceUnavailable] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, name: str, wanted: Wanted) -> Server:
        """The running server; starts it if need be.

        :raises ServiceUnavailable: it cannot be had.
        """
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name in self._failed:
                raise self._failed[name]
            if name not in self.running:
                try:
                    self.running[name], wait = self._start(services.service(name), wanted)
                except ServiceUnavailable as error:
                    self._failed[name] = error
                    self._tell(name, None, error)
                    raise
                self._tell(name, self.running[name])
                self.watcher.watch(self.running[name], wait)
            return self.running[name]

    def _start(self, service: Service, wanted: Wanted) -> tuple[Server, Wait | None]:
        began = time.monotonic()
        if wanted.url is not None:
            product, version = ready(service, wanted.url, lambda: None, EXTERNAL_ANSWERS_WITHIN)
            seconds = time.monotonic() - began
            return Server(service.name, "external", wanted.url, product, version, False, seconds), None
        if not wanted.fresh:
            server, notice = kept.find(service, wanted.runtime, wanted.image)
            if notice:
                self._supervisor.tell({"kind": "notice", "text": notice})
            if server is not None:
                return replace(server, ready_seconds=time.monotonic() - began), None
        folder = self.folder / "services" / service.name
        folder.mkdir(parents=True)
        if wanted.runtime == "docker":
            return self._start_container(service, wanted.image, folder, began)
        if wanted.runtime == "auto":
            try:
                return self._start_container(service, wanted.image, folder, began)
            except (containers.NoDocker, containers.NoImage):
                pass  # what auto means: then as a local process
        return self._start_process(service, folder)

    def _start_container(
        self, service: Service, image: str, folder: Path, began: float
    ) -> tuple[Server, Wait]:
        running = containers.start(service, image, folder, self.folder)
        self._supervisor.at_end(running.end)
        product, version = ready(service, running.url, running.ended, service.ready_within)
        server = Server(
            *(service.name, "docker", running.url, product, version, True, time.monotonic() - began),
            *(running.image, running.digest, running.standin),
        )
        return server, running.wait

    def _start_process(self, service: Service, folder: Path) -> tuple[Server, Wait]:
        service.fetch(lambda text: self._supervisor.tell({"kind": "notice", "text": text}))
        began = time.monotonic()
        port = free_port()
        log = folder / "service.log"
        command = ask_for(LocalCommand, service, "local_command", port, folder)
        child = self._supervisor.spawn("service " + service.name, command.argv, log, command.environment)
        url = service.local_url(port)

        def ended() -> str | None:
            return None if child.exit_code is None else how_it_ended(child.exit_code, log)

        def wait() -> str | None:
            child.process.wait()
            child.kill()  # what a wrapper script leaves behind
            return ended()

        product, version = ready(service, url, ended, service.ready_within)
        return Server(service.name, "local", url, product, version, True, time.monotonic() - began), wait

    def _ended(self, ending: Ending) -> None:
        self._tell(ending.name, self.running[ending.name], ending=ending)
        self._supervisor.service_ended(ending)

    def _tell(
        self,
        name: str,
        server: Server | None,
        problem: ServiceUnavailable | None = None,
        ending: Ending | None = None,
    ) -> None:
        self._supervisor.tell(
            {
                "kind": "service",
                "name": name,
                "runtime": server.runtime if server else None,
                "url": redact(server.url) if server else None,
                "product": server.product if server else None,
                "version": server.version if server else None,
                "image": server.image if server else None,
                "digest": server.digest if server else None,
                "standin": server.standin if server else False,
                "kept": server.kept if server else False,
                "ready_seconds": server.ready_seconds if server else None,
                "problem": problem.problem if problem else None,
                "remedy": (problem.remedy or None) if problem else None,
                "ended": ending.how if ending else None,
            }
        )


def ready(service: Service, url: str, ended: Callable[[], str | None], within: float) -> tuple[str, str]:
    """Wait until the server answers its probe: (product, version).

    :param within: seconds.
    :param ended: tells why the server's process ended, or None while it runs.
    :raises ServiceUnavailable: it refused, ended or did not answer in time.
    :raises BrokenPromise: the probe does not keep its contract.
    """
    where = f"{service.name} at {redact(url)}"
    last = ["no answer"]

    def answer() -> tuple[str, str] | None:
        why = ended()
        if why:
            raise ServiceUnavailable(f"{where} did not start: {why}")
        try:
            return checked_answer(service, ask(service, "probe", url, 2.0))
        except NotReady as error:
            last[0] = str(error)
            return None
        except Rejected as error:
            raise ServiceUnavailable(f"{where}: {error}", error.remedy) from error

    found = poll.until(answer, within, longest=0.1)
    if found is None:
        raise ServiceUnavailable(f"{where} did not answer within {within:g} s: {redact(last[0])}")
    return found


class Workers:
    """Worker processes by configuration, spawned ahead in the planned order."""

    def __init__(self, folder: Path, supervisor: Supervisor) -> None:
        self.folder, self._supervisor = folder, supervisor
        self._plan: dict[str, Setup] = {}
        self._waiting: list[str] = []
        self._alive: dict[str, Message] = {}
        self._taken: set[str] = set()
        self._made = 0
        self.queues: list[str] = []
        """Every task queue of the run."""
        self._lock = threading.RLock()

    def plan(self, setups: list[Setup]) -> None:
        """Say what will be asked for, in order. Every process of a run plans the same; the first counts."""
        with self._lock:
            for setup in setups:
                key = setup.configuration.key
                if key not in self._plan:
                    self._plan[key] = setup
                    self._waiting.append(key)
            self._spawn_ahead(setups[0].configuration.backend)

    def take(self, key: str) -> Message:
        """The worker of a configuration; spawned now if it was not ahead of need.

        Whoever takes one takes the next of the same backend after it, or goes on to a backend that nobody
        has been at: those are spawned now.
        """
        with self._lock:
            self._taken.add(key)
            if key in self._waiting:
                self._waiting.remove(key)
            if key not in self._alive:
                self._spawn(key)
            self._spawn_ahead(self._backend(key))
            return self._alive[key]

    def renew(self, key: str) -> Message:
        """A fresh worker with a fresh queue, in the place of one that died or is stuck."""
        with self._lock:
            self._end(key)
            self._spawn(key)
            return self._alive[key]

    def release(self, key: str) -> None:
        """End a worker that nobody needs any more, without waiting for it."""
        with self._lock:
            self._end(key)

    def drop(self, service: str) -> None:
        """Start no more workers that need a service, and end those that nobody has asked for yet."""
        with self._lock:
            for key, setup in self._plan.items():
                if service in setup.servers:
                    if key in self._waiting:
                        self._waiting.remove(key)
                    if key not in self._taken:
                        self._end(key)

    def planned(self) -> list[Setup]:
        return list(self._plan.values())

    def _backend(self, key: str) -> str:
        return self._plan[key].configuration.backend

    def _spawn_ahead(self, backend: str) -> None:
        """Spawn the next workers of a backend; if it has none left, of one at which nobody is."""
        ahead = [key for key in self._alive.keys() - self._taken if self._backend(key) == backend]
        left = [key for key in self._waiting if self._backend(key) == backend]
        if not ahead and not left:
            begun = {self._backend(key) for key in self._alive}
            other = next((key for key in self._waiting if self._backend(key) not in begun), None)
            if other is not None:
                self._spawn_ahead(self._backend(other))
        for key in left[: max(0, AHEAD - len(ahead))]:
            self._waiting.remove(key)
            self._spawn(key)

    def _spawn(self, key: str) -> None:
        setup = self._plan[key]
        self._made += 1
        name = f"w{self._made}"
        folder = self.folder / "workers" / name
        folder.mkdir(parents=True)
        queue = f"{setup.namespace}-{name}"
        self.queues.append(queue)
        setup = replace(setup, settings={**setup.settings, "task_default_queue": queue})
        setup.write(folder / "setup.json")
        environment = {**setup.environment, SETUP_VARIABLE: str(folder / "setup.json")}
        words = words_of(setup.configuration.pool, name, setup.arguments)
        began = time.monotonic()
        log = folder / "worker.log"
        if setup.configuration.pool in PATCHING:
            command = [sys.executable, "-m", *words]
            child: Leader = self._supervisor.spawn("worker " + key, command, log, environment)
        else:
            child = self._supervisor.fork(setup.worker_imports, "worker " + key, words, log, environment)
        self._alive[key] = {"pid": child.pid, "folder": str(folder), "began": began}

    def _end(self, key: str) -> None:
        worker = self._alive.pop(key, None)
        if worker:
            self._supervisor.children[worker["pid"]].kill()


class Supervisor:
    """Holds the children and answers requests.

    :param logs: where the logs of the children are copied to at the end, or None.
    """

    def __init__(self, folder: Path, logs: Path | None = None) -> None:
        self.folder, self._logs = folder, logs
        self.children: dict[int, Leader] = {}
        self._nurseries: dict[tuple[str, ...], Nursery] = {}
        self.services = Services(folder, self)
        self.workers = Workers(folder, self)
        self.keep = False
        self._outlives = False
        self._at_end: list[Callable[[], None]] = []
        self._client_numbers = itertools.count(1)
        self._spawning = threading.RLock()
        self._telling = threading.Lock()
        self._ended = False
        self._listeners: list[Connection] = []
        """Lines on which pytest processes hear of endings."""
        self._listening = threading.Lock()

    def spawn(
        self, kind: str, command: tuple[str, ...] | list[str], log: Path, env: Mapping[str, str]
    ) -> Child:
        with self._starting():
            child = Child(kind, command, self.folder, log, env)
            self.children[child.pid] = child
            return child

    def fork(
        self,
        imports: tuple[str, ...],
        kind: str,
        words: Sequence[str],
        log: Path,
        env: Mapping[str, str],
    ) -> Leader:
        """Start a process that calls a module's ``main()``, from one that has imported something already.

        :raises RoundtripError: the run is ending, or nothing can be started.
        """
        with self._starting():
            pid = self.nursery(imports).fork(words, log, environment_of(self.folder, env))
            forked = self.children[pid] = Leader(kind, pid, self.folder)
            return forked

    def nursery(self, imports: tuple[str, ...]) -> Nursery:
        """The process that forks; started when it is asked for first."""
        with self._starting():
            if imports not in self._nurseries:
                made = Nursery(imports, self.folder / NURSERY_LOG, environment_of(self.folder, {}))
                self._nurseries[imports] = made
                self.children[made.pid] = Leader("nursery", made.pid, self.folder)
            return self._nurseries[imports]

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """One thing is started at a time, and nothing once the run is ending.

        :raises RoundtripError: it is.
        """
        with self._spawning:
            if self._ended:
                raise RoundtripError("the run is ending")
            yield

    def at_end(self, action: Callable[[], None]) -> None:
        """Have something done when the run ends."""
        self._at_end.append(action)

    def tell(self, fact: Message) -> None:
        """Send a fact to the pytest process that writes the run log, if it still listens."""
        with self._telling, contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(fact) + "\n")
            sys.stdout.flush()

    def answer(self, request: Message) -> Message:
        """One request, one answer; an error travels as an answer too."""
        try:
            match request["ask"]:
                case "services":
                    return self._services(
                        {name: Wanted(**wanted) for name, wanted in request["wanted"].items()}
                    )
                case "plan":
                    setups = [Setup.of(made) for made in request["setups"]]
                    self.nursery(setups[0].client_imports)  # ahead of need
                    self.workers.plan(setups)
                    return {}
                case "worker":
                    return self.workers.take(request["key"])
                case "renew":
                    return self.workers.renew(request["key"])
                case "release":
                    self.workers.release(request["key"])
                    return {}
                case "client":
                    return self._client(request)
                case "kill":
                    return self._kill(request)
                case "look":
                    endings = self.services.watcher.look(request["services"])
                    return {"endings": [asdict(ending) for ending in endings]}
                case "outlive":
                    own(self.folder)
                    self._outlives = True
                    return {}
                case "keep":
                    self.keep = True
                    return {"folder": str(self.folder)}
                case other:
                    return {"error": f"unknown request {other!a}"}
        except ServiceUnavailable as error:
            return {"error": error.problem, "remedy": error.remedy}
        except (RoundtripError, OSError) as error:
            return {"error": str(error)}

    def _services(self, wanted: Mapping[str, Wanted]) -> Message:
        """Start services side by side: name -> server, or why it cannot be had."""
        answers: Message = {}

        def start(name: str, how: Wanted) -> None:
            try:
                answers[name] = {"server": asdict(self.services.get(name, how))}
            except ServiceUnavailable as error:
                answers[name] = {"problem": error.problem, "remedy": error.remedy}
            except BadPlugin as error:
                answers[name] = {"broken": str(error)}
            except (RoundtripError, OSError) as error:
                answers[name] = {"problem": str(error), "remedy": ""}
            except Exception as error:  # noqa: BLE001 - in a thread it would leave the asker without an answer
                what = f"{name} could not be started: {type(error).__name__}: {error}"
                answers[name] = {"problem": what, "remedy": "report it; --logs=FOLDER keeps the traceback"}
                traceback.print_exc()

        for how in wanted.values():
            if how.source:
                services.plug(Source(**how.source))
        threads = [threading.Thread(target=start, args=pair) for pair in wanted.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def _client(self, request: Message) -> Message:
        folder = self.folder / "clients" / f"c{next(self._client_numbers)}"
        folder.mkdir(parents=True)
        words = ["harness.client", request["socket"], str(folder), str(self.folder / "memo")]
        kind, log, imports = "client " + request["name"], folder / "client.log", tuple(request["imports"])
        child = self.fork(imports, kind, words, log, request["environment"])
        return {"pid": child.pid, "folder": str(folder)}

    def _kill(self, request: Message) -> Message:
        """End a child; with ``stacks``, the folder into which it writes where it hangs, tell that."""
        child = self.children[request["pid"]]
        folder = request.get("stacks")
        answer = {"stack": stacks.ask(child.pid, Path(folder))} if folder else {}
        child.kill()
        return answer

    def serve(self) -> None:
        """Answer until standard input ends, then end everything; or, if told to outlive it, until SIGTERM."""
        listener = Listener(str(self.folder / SOCKET), family="AF_UNIX")
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self.tell({"kind": "ready", "pid": os.getpid()})
        try:
            # the raw file: at interpreter exit a buffered reader that another thread holds would abort
            while os.read(0, 1024):
                pass
            if self._outlives:
                signal.pause()
        finally:
            self.end()

    def _accept(self, listener: Listener) -> None:
        while True:
            connection = listener.accept()
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: Connection) -> None:
        with connection:
            while True:
                try:
                    request = json.loads(connection.recv_bytes())
                except (EOFError, ConnectionResetError):
                    return
                if request["ask"] == "endings":
                    self._listen(connection)
                    continue
                reply = self.answer(request)
                try:
                    connection.send_bytes(json.dumps(reply).encode())
                except (BrokenPipeError, ConnectionResetError):
                    return

    def _listen(self, connection: Connection) -> None:
        """Tell a pytest process of every ending: of those that were, now, of others as they come."""
        with self._listening:
            self._listeners.append(connection)
            for ending in self.services.watcher.endings.values():
                _send(connection, ending)

    def service_ended(self, ending: Ending) -> None:
        """Tell every pytest process, and spare the workers that would need it."""
        with self._listening:
            for listener in self._listeners:
                _send(listener, ending)
        self.tell({"kind": "notice", "text": str(ending)})
        self.workers.drop(ending.name)

    def end(self) -> None:
        """End every child, workers and clients first, wipe foreign servers, remove the folder."""
        with self._spawning:
            if self._ended:
                return
            self._ended = True
        self.services.watcher.close()
        for child in self.children.values():
            if not child.kind.startswith("service"):
                child.kill()
        if self.keep:
            self._preserve()
        else:
            self._wipe()
        for child in self.children.values():
            child.kill()
        threads = [threading.Thread(target=action, daemon=True) for action in self._at_end]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CONTAINER_GONE_WITHIN)
        if self._logs:
            self._copy_logs(self._logs)
        if self.keep:
            (self.folder / "kept").touch()
        # also what a child has put into a session of its own, as Erlang's epmd does
        sweep(self.folder, self.keep)

    def _copy_logs(self, target: Path) -> None:
        for log in sorted(found for pattern in LOGS for found in self.folder.glob(pattern)):
            copy = target / log.relative_to(self.folder)
            try:
                copy.parent.mkdir(parents=True, exist_ok=True)
                with log.open(errors="backslashreplace") as lines, copy.open("w") as file:
                    file.writelines(redact(line) for line in lines)
            except OSError as error:
                self.tell({"kind": "warning", "text": f"could not copy the log {log.name}: {error}"})

    def _preserve(self) -> None:
        for server in self.services.running.values():
            if server.owned and server.name not in self.services.watcher.endings:
                services.service(server.name).preserve(server.url)

    def _wipe(self) -> None:
        """Remove the run's namespaces from servers that outlive it. A dead server must not hold it up."""
        foreign = {name for name, server in self.services.running.items() if not server.owned}
        if not foreign:
            return

        def attempt(what: str, wipe: Callable[[], None]) -> None:
            try:
                wipe()
            except Exception as error:  # noqa: BLE001 - the next one must still be wiped, and the user told
                self.tell(
                    {"kind": "warning", "text": f"could not remove what the run left in {what}: {error}"}
                )

        def work() -> None:
            queues = {}
            for setup in self.workers.planned():
                backend = setup.backend()
                if foreign.intersection(backend.services):
                    attempt(backend.name, partial(ask, backend, "wipe"))
                queues[setup.configuration.broker] = setup
            for name, setup in queues.items():
                home, namespace = broker(name), run_namespace(setup.namespace)
                if foreign.intersection(home.services):
                    attempt(name, partial(home.wipe, namespace, self.workers.queues, setup.servers))

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(WIPE_WITHIN)
        if thread.is_alive():
            text = f"what the run left on foreign servers was not all removed within {WIPE_WITHIN:g} s"
            self.tell({"kind": "warning", "text": text})


def _send(listener: Connection, ending: Ending) -> None:
    with contextlib.suppress(OSError):  # that process has gone
        listener.send_bytes(json.dumps(asdict(ending)).encode())


class Asker:
    """A pytest process's line to the supervisor.

    :raises SupervisorGone: whenever the supervisor does not answer any more.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._connection = _connected(folder)

    def ask(self, ask: str, **request: Any) -> Message:
        """Send a request and wait for its answer.

        :raises ServiceUnavailable: the answer is an error.
        """
        try:
            with self._lock:
                self._connection.send_bytes(json.dumps({"ask": ask, **request}).encode())
                answer: Message = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise SupervisorGone("the supervisor process ended in the middle of the run") from error
        if "error" in answer:
            raise ServiceUnavailable(answer["error"], answer.get("remedy", ""))
        return answer


class Endings:
    """A pytest process's second line to the supervisor: on it, it hears of services that have ended.

    :raises SupervisorGone: whenever the supervisor does not answer any more.
    """

    def __init__(self, folder: Path) -> None:
        self.connection = _connected(folder)
        """Readable when there is something to hear."""
        self.connection.send_bytes(json.dumps({"ask": "endings"}).encode())
        self._known: dict[str, Ending] = {}

    def of(self, names: Iterable[str]) -> Ending | None:
        """How one of the named services ended, as far as it was told until now."""
        try:
            while self.connection.poll(0):
                told = Ending(**json.loads(self.connection.recv_bytes()))
                self._known[told.name] = told
        except (EOFError, OSError) as error:
            raise SupervisorGone("the supervisor process ended in the middle of the run") from error
        return next((self._known[name] for name in names if name in self._known), None)

    def close(self) -> None:
        self.connection.close()


def _connected(folder: Path) -> Connection:
    path = str(folder / SOCKET)
    connected = poll.until(lambda: _connect(path), 10.0)
    if connected is None:
        raise SupervisorGone(f"no supervisor answers at {path}: run pytest again")
    return connected


def _connect(path: str) -> Connection | None:
    try:
        return Client(path, family="AF_UNIX")
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Supervisor(*(Path(argument) for argument in sys.argv[1:])).serve()


if __name__ == "__main__":
    main()
