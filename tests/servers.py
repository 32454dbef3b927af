"""Servers that tests start themselves, where a run is to find one that it did not start."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import matrix_run
import pytest

from harness import processes, services
from harness.errors import Rejected, ServiceUnavailable
from harness.supervisor import ready

NO_RABBITMQ = not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists()
needs_rabbitmq = pytest.mark.skipif(NO_RABBITMQ, reason="needs RabbitMQ: apt-get install rabbitmq-server")
END_WITH_ME = """
import sys
from pathlib import Path
sys.stdin.read()
from harness import processes
processes.sweep(Path(sys.argv[1]))
"""
"""Reads a pipe that nobody writes: at its end, whoever holds the other side is gone, killed or not."""


@contextlib.contextmanager
def serving(name: str, *options: str) -> Iterator[str]:
    """The URL of a server of this machine, from where it answers, or refuses whom it does not know.

    Its processes end with the block, and also where this process is killed.

    :param options: more words of its command.
    :raises ServiceUnavailable: this machine cannot serve it.
    """
    one = services.service(name)
    one.fetch(print)
    folder = Path(tempfile.mkdtemp(prefix="served-"))
    with subprocess.Popen(
        [sys.executable, "-c", END_WITH_ME, str(folder)],
        stdin=subprocess.PIPE,
        cwd=matrix_run.ROOT,
        start_new_session=True,
    ) as guard:
        try:
            port = processes.free_port()
            command = one.local_command(port, folder)
            argv, log = [*command.argv, *options], folder / "service.log"
            child = processes.Child("service", argv, folder, log, command.environment)
            url = one.local_url(port)

            def ended() -> str | None:
                return None if child.exit_code is None else log.read_text()

            try:
                ready(one, url, ended, one.ready_within)
            except ServiceUnavailable as error:
                if not isinstance(error.__cause__, Rejected):
                    raise
            yield url
        finally:
            processes.sweep(folder)
            guard.kill()
