"""Services in containers: the same contract, clear words, and nothing left whatever ends the run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import matrix_run
import pytest

from harness import containers, poll, processes, runlog
from harness.errors import NotReady, ServiceUnavailable
from harness.services import service
from harness.supervisor import Supervisor, Wanted

IMAGES = matrix_run.ROOT / ".build" / "images.toml"
ONE_CELL = ("-m", "redis and json and zlib", "-k", "int_42", "--runtime=docker")


def docker(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=matrix_run.HANGS, check=False
    )
    return done.stdout if done.returncode == 0 else ""


needs_docker = pytest.mark.skipif(
    not (
        shutil.which("docker")
        and docker("info", "--format", "{{.ServerVersion}}").strip()
        and IMAGES.exists()
    ),
    reason="needs a Docker daemon and the stand-in images: make images",
)


def containers_of(run: str) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label={containers.RUN_LABEL}={run}").split()


def not_run_line(tmp_path, *arguments: str, **options) -> str:
    """The reason why the one cell was not run."""
    done = matrix_run.run(tmp_path, *ONE_CELL, *arguments, "-rs", **options)
    assert done.returncode == 5, done.stdout
    assert "Traceback" not in done.stdout
    (seen,) = runlog.read(tmp_path / "run.jsonl").observations
    assert seen.verdict == "not-run"
    assert "\n" not in seen.detail
    return seen.detail


def test_no_daemon(tmp_path):
    line = not_run_line(tmp_path, environment={"DOCKER_HOST": "unix:///nonexistent.sock"})
    assert "no Docker daemon answers at unix:///nonexistent.sock" in line
    assert "--runtime local" in line


def test_no_client_library(tmp_path):
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "testcontainers.py").write_text("raise ImportError('hidden', name='testcontainers')")
    line = not_run_line(tmp_path, environment={"PYTHONPATH": str(tmp_path / "hide")})
    assert "the Python package testcontainers is missing" in line
    assert "pip install 'celery-roundtrip[docker]'" in line


def test_auto_without_a_daemon_is_local(tmp_path):
    done = matrix_run.run(
        tmp_path, *ONE_CELL[:-1], "--runtime=auto", environment={"DOCKER_HOST": "unix:///nonexistent.sock"}
    )
    assert done.returncode == 0, done.stdout
    assert [one.runtime for one in runlog.read(tmp_path / "run.jsonl").services] == ["local"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--image=redis",), "write NAME=REF"),
        (("--image=radis=x:1",), "unknown service 'radis': did you mean redis?"),
        (("--images=nowhere.toml",), "make images"),
    ],
)
def test_options_that_name_images(tmp_path, arguments, expected):
    done = matrix_run.run(tmp_path, *ONE_CELL, *arguments)
    assert done.returncode == 4, done.stdout
    assert expected in done.stdout
    assert "Traceback" not in done.stdout


def test_registry_prefix_goes_before_the_pinned_images(tmp_path):
    line = not_run_line(
        tmp_path,
        "--image-prefix=registry.invalid/",
        environment={"DOCKER_HOST": os.environ.get("DOCKER_HOST", "")},
    )
    assert "registry.invalid/redis:" in line or "no Docker daemon" in line


def test_every_service_has_a_pinned_image():
    from harness.services import known

    images = containers.default_images()
    assert set(images) == set(known())
    assert all(":" in image and not image.endswith(":latest") for image in images.values())


def test_rabbitmq_that_answers_tcp_but_not_amqp_is_not_ready():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(NotReady, match="no answer"):
            service("rabbitmq").probe(f"amqp://guest:guest@127.0.0.1:{port}//", timeout=0.5)


@needs_docker
def test_image_that_does_not_exist(tmp_path):
    line = not_run_line(tmp_path, "--image=redis=celery-roundtrip/nothing:0")
    assert "the image celery-roundtrip/nothing:0 is not on this machine and cannot be pulled" in line
    assert "docker pull" in line


@pytest.fixture(scope="module")
def broken_image(tmp_path_factory):
    """An image whose redis-server says a word and ends."""
    folder = tmp_path_factory.mktemp("broken")
    standin = containers.read_images(IMAGES)["redis"]
    (folder / "redis-server").write_text("#!/bin/sh\necho broken by design\nexit 3\n")
    (folder / "redis-server").chmod(0o755)
    (folder / "Dockerfile").write_text(
        f"FROM {standin}\nUSER root\nCOPY redis-server /usr/local/sbin/redis-server\n"
        "ENTRYPOINT []\nENV PATH=/usr/local/sbin:/usr/bin:/bin\n"
    )
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    tag = "celery-roundtrip/broken:test"
    subprocess.run(
        ["docker", "build", "-q", "-t", tag, str(folder)], check=True, env=environment, capture_output=True
    )
    yield tag
    docker("rmi", tag)


@needs_docker
def test_container_that_exits_at_once(tmp_path, broken_image):
    line = not_run_line(tmp_path, f"--image=redis={broken_image}")
    assert "did not start" in line
    assert "its container ended" in line


@needs_docker
def test_cells_run_and_the_log_names_the_stand_in(tmp_path, temporary):
    done = matrix_run.run(
        tmp_path,
        *("-m", "(redis or rpc) and json and zlib", "-k", "int or where"),
        *("--runtime=docker", f"--images={IMAGES}", "--require=all"),
    )
    assert done.returncode == 0, done.stdout
    log = runlog.read(tmp_path / "run.jsonl")
    for one in log.services:
        assert (one.runtime, one.standin) == ("docker", True)
        assert one.image == containers.read_images(IMAGES)[one.name]
        assert one.digest
    assert {one.name for one in log.services} == {"redis", "rabbitmq"}
    assert not containers_of(log.header.run)
    assert matrix_run.run_folder(temporary) is None


@needs_docker
def test_services_start_side_by_side(tmp_path):
    supervisor = Supervisor(tmp_path)
    images = containers.read_images(IMAGES)
    wanted = {name: Wanted(None, "docker", images[name]) for name in ("redis", "rabbitmq")}
    began = time.monotonic()
    answers = supervisor._services(wanted)
    wall = time.monotonic() - began
    supervisor.end()
    seconds = [answer["server"]["ready_seconds"] for answer in answers.values()]
    assert wall < max(seconds) + 0.5 * min(seconds) + 0.2


@needs_docker
def test_a_refused_start_is_one_line(tmp_path):
    with pytest.raises(ServiceUnavailable) as caught:
        containers.start(service("redis"), "celery-roundtrip/nothing:0", tmp_path, tmp_path)
    assert "\n" not in str(caught.value)


MATRIX = ("-m", "redis and not slow", "--runtime=docker", f"--images={IMAGES}")


def started(temporary: Path) -> tuple[Path, int]:
    def there():
        folder = matrix_run.run_folder(temporary)
        if folder is None or not containers_of(folder.name):
            return None
        pids = [int(str(line["pid"])) for line in processes._records(folder) if line["kind"] == "supervisor"]
        clients = [line for line in processes._records(folder) if str(line["kind"]).startswith("client")]
        return (folder, pids[0]) if pids and clients else None

    found = poll.until(there, matrix_run.HANGS, longest=0.1)
    assert found
    return found


def assert_gone(folder: Path) -> None:
    assert poll.until(lambda: not containers_of(folder.name), 10, longest=0.2), containers_of(folder.name)
    assert poll.until(lambda: not processes.members(folder), 10, longest=0.2)
    assert poll.until(lambda: not folder.exists(), 10, longest=0.2)


@needs_docker
@pytest.mark.parametrize("victim", ["pytest", "supervisor"])
def test_sigkill_leaves_no_container(tmp_path, temporary, victim):
    process = matrix_run.start(tmp_path, *MATRIX)
    folder, supervisor = started(temporary)
    os.kill(process.pid if victim == "pytest" else supervisor, signal.SIGKILL)
    process.communicate(timeout=60)
    assert_gone(folder)
    assert runlog.read(tmp_path / "run.jsonl").header


class Proxy:
    """A socket of one's own before Docker's, that can be cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@needs_docker
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can end a container without Docker's API")
@pytest.mark.skipif("DOCKER_HOST" in os.environ, reason="proxies Docker's default socket")
@pytest.mark.parametrize("ended_by", ["itself", "sigkill"])
def test_a_cut_api_leaves_no_container(tmp_path, temporary, ended_by):
    proxy = Proxy(temporary / "d.sock")
    process = matrix_run.start(
        tmp_path, *MATRIX, "-k", "int", environment={"DOCKER_HOST": f"unix://{proxy.path}"}
    )
    folder, _ = started(temporary)
    proxy.cut()
    if ended_by == "sigkill":
        process.kill()
    output, _ = process.communicate(timeout=90)
    assert_gone(folder)
    log = runlog.read(tmp_path / "run.jsonl")
    if ended_by == "itself":
        assert process.returncode == 0, output
        assert log.complete
