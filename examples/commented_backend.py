"""A result backend of one's own, with a server of its own, and every part of the contract in use.

    pytest scenarios --backend=examples/commented_backend.py -m pigeonhole

commented_store.py is the Celery result backend under test, commented_server.py the server that it needs.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, unquote

from harness.backend import Backend, Stored
from harness.errors import NotReady
from harness.services import Container, LocalCommand, Service


class PigeonholeServer(Service):
    """How the server is had. A backend names it in `services`; the run starts, probes and ends it."""

    name = "pigeonhole"
    # what --service pigeonhole=URL takes, for a server that runs already
    schemes = ("http",)
    # for --runtime docker; --image pigeonhole=REF names another one
    image = "example.org/pigeonhole:1"

    def local_command(self, port: int, folder: Path) -> LocalCommand:
        # `folder` is empty and goes with the run. Where nothing on this machine can serve it:
        # raise harness.errors.ServiceUnavailable(what is missing, the command that installs it)
        server = Path(__file__).with_name("commented_server.py")
        return LocalCommand((sys.executable, str(server), str(port)))

    def local_url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def container(self) -> Container:
        return Container(port=8080)

    def container_url(self, port: int) -> str:
        return self.local_url(port)

    def probe(self, url: str, timeout: float) -> tuple[str, str]:
        # asked until it answers, for every runtime; the report shows product and version
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                product, _, version = answer.headers["Server"].partition("/")
        except OSError as error:
            raise NotReady(f"no answer: {error}") from error
        return product, version


class PigeonholeBackend(Backend):
    """What the suite must know of the result backend."""

    contract = 1
    # marker and part of every cell's id
    name = "pigeonhole"
    description = "an HTTP server that keeps what is put into it"
    documentation = "https://example.org/pigeonhole"
    services = ("pigeonhole",)
    # import name -> what pip installs; a missing one makes the cells not-run, with that command.
    # This one needs none: {"pigeonhole": "pigeonhole-client>=2"} would be the form
    packages: dict[str, str] = {}
    # what stands before :// in result_backend: --settings finds the backend by it
    schemes = ("pigeonhole",)

    @property
    def address(self) -> str:
        return self.servers["pigeonhole"].url

    @property
    def prefix(self) -> str:
        # unique for run and worker configuration: what the run may touch on a server that is not its own. One
        # name can be the beginning of another: end it with what no name contains
        return self.namespace.name + ":"

    def settings(self) -> dict[str, object]:
        # called in the pytest process: no driver may be imported here. The folder of this file is on sys.path
        # of workers and clients, so that they find commented_store
        url = self.address.replace("http://", "pigeonhole://")
        return {
            "result_backend": f"commented_store:Pigeonhole+{url}",
            "result_backend_transport_options": {"global_keyprefix": self.prefix},
        }

    def prepare(self) -> None:
        # called in each worker before its app is built: tables, buckets and the like. Nothing to do here
        pass

    # -- optional: the store's own client, never Celery. Without these the report says what is missing

    def at_rest(self, task_id: str) -> Stored | None:
        raw = self._ask("GET", self._key(task_id))
        return None if raw is None else Stored(raw, f"key {self._key(task_id)}")

    def plant(self, task_id: str, raw: bytes) -> None:
        self._ask("PUT", self._key(task_id), raw)

    def inventory(self) -> list[str]:
        keys = (self._ask("GET", "") or b"").decode().splitlines()
        found = [unquote(key.removeprefix("/")) for key in keys]
        return [key for key in found if key.startswith(self.prefix)]

    def wipe(self) -> None:
        # at the end of a run, and only on a server that the run did not start
        for key in self.inventory():
            self._ask("DELETE", key)

    def _key(self, task_id: str) -> str:
        return f"{self.prefix}celery-task-meta-{task_id}"

    def _ask(self, method: str, key: str, body: bytes | None = None) -> bytes | None:
        request = urllib.request.Request(f"{self.address}/{quote(key, safe='')}", body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
