"""Services that outlive the command that started them: ``roundtrip services up``, and how a run finds them.

Each has a supervisor of its own, without the pipe, in a folder like that of a run. A file below the user's
state folder says where; it holds the URL with its credentials, and only its owner reads it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from harness import __version__, containers, processes, services
from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Server, Service

PROBE_WITHIN = 2.0


@dataclass(frozen=True)
class Kept:
    """What is written down of a service that is kept between runs.

    :param folder: of its supervisor, as a run has one.
    :param pid: of its own process.
    :param started: seconds since the epoch.
    :param made_by: the version of this project that started it.
    """

    server: Server
    folder: str
    supervisor: int
    supervisor_created: float
    pid: int
    started: float
    made_by: str

    @classmethod
    def of(cls, text: str) -> Kept:
        made = json.loads(text)
        return cls(**{**made, "server": Server(**made["server"])})

    @property
    def is_supervised(self) -> bool:
        return processes.lives(self.supervisor, self.supervisor_created)


def state_folder() -> Path:
    """Where it is written down what is kept: below ``XDG_STATE_HOME``, or ``~/.local/state``.

    :raises RoundtripError: neither is there.
    """
    named = os.environ.get("XDG_STATE_HOME")
    try:
        base = Path(named) if named else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise RoundtripError("no home folder to keep state in: set XDG_STATE_HOME") from error
    return base / "celery-roundtrip" / "services"


def find(service: Service, runtime: str, image: str) -> tuple[Server | None, str]:
    """The kept server of that name, if a run may use it, and a line for the user.

    :param runtime: what the run wants: ``auto`` takes either.
    :param image: what the run would start a container of.
    :returns: (None, "") if none is kept; (None, why it is not used); or the server and a line that says so.
    """
    try:
        kept = _read(_file(service.name))
    except RoundtripError as error:
        return None, f"{service.name}: {error}"
    if kept is None:
        return None, ""
    why = unfit(kept, service, runtime, image)
    if why:
        return None, f"{service.name}: the kept one is not used, a fresh one is started: {why}"
    shown = f"{kept.server.product} {kept.server.version} ({kept.server.runtime})"
    return (
        replace(kept.server, owned=False, kept=True),
        f"{service.name}: uses the {shown} that is kept since {age(kept)}",
    )


def unfit(kept: Kept, service: Service, runtime: str, image: str) -> str | None:
    """Why a run must not use a kept service; None if it may."""
    server = kept.server
    if kept.made_by != __version__:
        return f"celery-roundtrip {kept.made_by} started it, and this is {__version__}"
    if runtime not in ("auto", server.runtime):
        return f"its runtime is {server.runtime}, not {runtime}"
    if server.runtime == "docker":
        if server.image != image:
            return f"its image is {server.image}, not {image}"
        now = containers.digest(image)
        if now != server.digest:
            return f"its image {image} has another digest now: {now or 'none'}, not {server.digest}"
    if not kept.is_supervised:
        return "it is stale: the process that held it is gone"
    try:
        product, version = service.probe(server.url, PROBE_WITHIN)
    except (NotReady, Rejected) as error:
        return f"it is stale: {error}"
    if (product, version) != (server.product, server.version):
        return f"{product} {version} answers there, not {server.product} {server.version}"
    return None


def age(kept: Kept) -> str:
    """How long it has been kept, for a person."""
    seconds = int(time.time() - kept.started)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def all_kept() -> list[Kept]:
    """Everything that is written down, also what is stale."""
    found = (_read(file) for file in sorted(state_folder().glob("*.json")))
    return [kept for kept in found if kept is not None]


def up(service: Service, runtime: str, image: str) -> tuple[Kept, bool]:
    """Keep a service: one that fits is left alone, another is replaced.

    :returns: what is kept now, and whether it was started just now.
    :raises ServiceUnavailable: it cannot be had.
    """
    with _locked(service.name):
        kept = _read(_file(service.name))
        if kept is not None:
            if unfit(kept, service, runtime, image) is None:
                return kept, False
            _end(kept)
        made = _start(service, runtime, image)
        _write(made)
    return made, True


def down(name: str) -> bool:
    """End a kept service and forget it.

    :returns: whether one was kept.
    """
    services.service(name)
    with _locked(name):
        kept = _read(_file(name))
        if kept is None:
            return False
        _end(kept)
    return True


def _start(service: Service, runtime: str, image: str) -> Kept:
    from harness.supervisor import Asker  # it looks for kept services itself

    folder = processes.new_run_folder()
    with (folder / "supervisor.out").open("w") as output:
        process = processes.supervise(folder, Path(__file__).resolve().parent.parent, output)
    try:
        asker = Asker(folder)
        wanted = {"url": None, "runtime": runtime, "image": image, "fresh": True}
        answer = asker.ask("services", wanted={service.name: wanted})[service.name]
        if "problem" in answer:
            raise ServiceUnavailable(answer["problem"], answer["remedy"])
        asker.ask("outlive")
    except BaseException:
        processes.sweep(folder)
        raise
    created = psutil.Process(process.pid).create_time()
    server = Server(**answer["server"])
    pid = processes.recorded(folder, "container" if server.runtime == "docker" else "service")[0]
    return Kept(server, str(folder), process.pid, created, pid, time.time(), __version__)


def _end(kept: Kept) -> None:
    # supervisor and all: what it started carries its folder
    processes.sweep(Path(kept.folder))
    _file(kept.server.name).unlink(missing_ok=True)


def _file(name: str) -> Path:
    return state_folder() / f"{name}.json"


def _read(file: Path) -> Kept | None:
    try:
        return Kept.of(file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RoundtripError(f"{file} says nothing about a kept service: {error}; remove it") from error


def _write(kept: Kept) -> None:
    file = _file(kept.server.name)
    with suppress(FileNotFoundError):
        file.unlink()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(asdict(kept), opened)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One command at a time may change what is kept of a service."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
