"""Services in containers, through testcontainers: started on loopback, ended with the run.

A container removes itself when its main process ends (``auto_remove``), and that process is recorded
like any other: so it goes even when Docker's API is not there any more to be asked.
"""

from __future__ import annotations

import contextlib
import os
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import poll, processes
from harness.contract import ask_for
from harness.errors import RoundtripError, ServiceUnavailable
from harness.services import Container, Service

RUN_LABEL = "io.github.celery-roundtrip.run"
STANDIN_LABEL = "io.github.celery-roundtrip.standin"
NO_ANSWER = "Docker does not answer any more"
PYTHON_PACKAGES = "pip install 'celery-roundtrip[docker]'"


class NoDocker(ServiceUnavailable):
    """No Docker to ask: the client library is missing, or no daemon answers."""


class NoImage(ServiceUnavailable):
    """The image is not there and cannot be pulled."""


@dataclass(frozen=True)
class Running:
    """A started container.

    :param url: where its service is published, on loopback.
    :param ended: tells why it ended, or None while it runs.
    :param wait: blocks until it has ended and tells how; None if Docker does not tell any more.
    :param end: removes it; does not raise.
    """

    url: str
    image: str
    digest: str | None
    standin: bool
    ended: Callable[[], str | None]
    wait: Callable[[], str | None]
    end: Callable[[], None]


def default_images() -> dict[str, str]:
    """The pinned public images, by service."""
    return read_images(Path(__file__).parent / "services" / "images.toml")


def read_images(file: Path) -> dict[str, str]:
    """The images that a file names, by service.

    :raises RoundtripError: it cannot be read, or is not of that form.
    """
    try:
        images = tomllib.loads(file.read_text(encoding="utf-8"))["images"]
        return {str(name): str(image) for name, image in images.items()}
    except OSError as error:
        raise RoundtripError(f"--images {file}: {error.strerror}; make it with: make images") from error
    except (tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise RoundtripError(
            f"--images {file}: it must be TOML with a table [images], NAME = REF: {error}"
        ) from error


def start(service: Service, image: str, folder: Path, run_folder: Path) -> Running:
    """Start a service's container; it does not answer yet.

    :param folder: where the container's log goes.
    :raises NoDocker: no library or no daemon.
    :raises NoImage: the image is not there and cannot be pulled.
    :raises ServiceUnavailable: the container did not start.
    """
    if not image:
        raise NoImage(
            f"{service.name} names no container image", f"use --image {service.name}=REF or --runtime local"
        )
    # before the first import: no helper container, and published ports are asked for on loopback
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    os.environ["TESTCONTAINERS_HOST_OVERRIDE"] = "127.0.0.1"
    try:
        import docker.errors
        import requests
        from testcontainers.core.container import DockerContainer
    except ImportError as error:
        raise NoDocker(f"the Python package {error.name} is missing", PYTHON_PACKAGES) from error

    spec = ask_for(Container, service, "container")
    with _plain_words(image, docker.errors, requests):
        container: Any = DockerContainer(image)
        client = container.get_docker_client().client
        found = _image(client, image, docker.errors)
        container.ports[spec.port] = ("127.0.0.1", None)
        for name, value in spec.environment.items():
            container.with_env(name, value)
        if spec.command:
            container.with_command(list(spec.command))
        container.with_kwargs(auto_remove=True, labels={RUN_LABEL: run_folder.name})
        container.start()
    wrapped = container.get_wrapped_container()
    log = folder / "service.log"
    following = threading.Thread(target=_follow, args=(wrapped, log), daemon=True)
    following.start()

    def ended() -> str | None:
        try:
            wrapped.reload()
        except docker.errors.NotFound:
            return _last_words(log, image)
        except (docker.errors.DockerException, requests.RequestException) as error:
            return f"{NO_ANSWER}: {_short(error)}"
        return None if wrapped.status in ("created", "running") else _last_words(log, image)

    def wait() -> str | None:
        following.join()  # its log ends with it, or with Docker's API
        how = poll.until(ended, 5.0, longest=0.1)
        return None if how is None or how.startswith(NO_ANSWER) else how

    def end() -> None:
        with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
            wrapped.remove(force=True)

    why = ended()
    if why:
        raise ServiceUnavailable(f"{service.name} in {image} did not start: {why}")
    processes.record(run_folder, "container", int(wrapped.attrs["State"]["Pid"]))
    published = (wrapped.attrs["NetworkSettings"]["Ports"] or {}).get(f"{spec.port}/tcp")
    if not published:
        end()
        raise ServiceUnavailable(f"{image} publishes no port {spec.port}: is it an image of {service.name}?")
    return Running(
        service.container_url(int(published[0]["HostPort"])),
        image,
        _digest(found),
        found.labels.get(STANDIN_LABEL) == "true",
        ended,
        wait,
        end,
    )


def digest(image: str) -> str | None:
    """The digest of an image on this machine; None if Docker cannot tell."""
    try:
        import docker
        import requests
    except ImportError:
        return None
    try:
        return _digest(docker.from_env(timeout=5).images.get(image))
    except (docker.errors.DockerException, requests.RequestException):
        return None


def _digest(image: Any) -> str:
    return str((image.attrs.get("RepoDigests") or [image.id])[0])


def remove_all(run: str) -> None:
    """Remove the containers of a run by its label, if Docker can be asked. For sweeps."""
    try:
        import docker
        import requests
    except ImportError:
        return  # nothing was started without it
    with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
        client: Any = docker.from_env(timeout=5)
        for container in client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run}"}):
            with contextlib.suppress(docker.errors.APIError):
                container.remove(force=True)


def _image(client: Any, image: str, errors: Any) -> Any:
    try:
        return client.images.get(image)
    except errors.ImageNotFound:
        pass
    try:
        return client.images.pull(image)
    except errors.DockerException as error:
        raise NoImage(
            f"the image {image} is not on this machine and cannot be pulled: {_short(error)}",
            f"docker pull {image}, or name another one with --image or --images",
        ) from error


@contextlib.contextmanager
def _plain_words(image: str, errors: Any, requests: Any) -> Iterator[None]:
    try:
        yield
    except ServiceUnavailable:
        raise
    except errors.APIError as error:
        raise ServiceUnavailable(f"Docker refused to start {image}: {_short(error)}") from error
    except (errors.DockerException, requests.RequestException) as error:
        where = os.environ.get("DOCKER_HOST", "its default socket")
        raise NoDocker(
            f"no Docker daemon answers at {where}: {_short(error)}", "start Docker, or use --runtime local"
        ) from error


def _follow(container: Any, log: Path) -> None:
    with log.open("ab") as file, contextlib.suppress(Exception):  # the container's end ends this thread
        for chunk in container.logs(stream=True, follow=True):
            file.write(chunk)
            file.flush()


def _last_words(log: Path, image: str) -> str:
    lines = log.read_text(errors="backslashreplace").strip().splitlines() if log.exists() else []
    words = f"its last words: {lines[-1]}" if lines else f"no output; try: docker run --rm {image}"
    return f"its container ended; {words}"


def _short(error: object) -> str:
    explanation = getattr(error, "explanation", None)
    return " ".join(str(explanation or error).split())[:200]


def named(texts: list[str]) -> Mapping[str, str]:
    """``--image NAME=REF`` as a table.

    :raises RoundtripError: one is not of that form.
    """
    table = {}
    for text in texts:
        name, found, image = text.partition("=")
        if not found or not image:
            raise RoundtripError(f"--image {text!a}: write NAME=REF, e.g. redis=redis:7.4")
        table[name] = image
    return table
