"""The stand-ins that `images/build` makes behave like the public images they stand for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import matrix_run
import pytest
import redis

from harness import poll
from harness.errors import NotReady, Rejected
from harness.services import service

IMAGES = Path(__file__).parents[1] / "images"
RECIPES = sorted({file.parent.name for file in [*IMAGES.glob("*/bootstrap"), *IMAGES.glob("*/Dockerfile")]})
LABEL = "io.github.celery-roundtrip."
BUILT_WITHIN = 1500  # seconds; a server may have to be compiled


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=matrix_run.HANGS)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def build(*arguments: str, recipes: Path = IMAGES, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call `images/build`, by the interpreter's path, so that PATH can be taken from it."""
    command = [sys.executable, str(recipes / "build"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=BUILT_WITHIN, env=environment or None
    )


def no_docker() -> str | None:
    """Why stand-ins cannot be tested here, or None."""
    if not shutil.which("docker"):
        return "no docker command on PATH"
    known = subprocess.run(
        ["docker", "images", "--quiet", "--filter", f"label={LABEL}standin=true"],
        capture_output=True,
        text=True,
        timeout=matrix_run.HANGS,
    )
    if known.returncode != 0:
        return "no Docker daemon answers"
    return None if known.stdout.strip() else "no stand-in was ever built here: images/build"


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> dict[str, str]:
    """Service name to image reference, as `--images FILE` gets them."""
    reason = no_docker()
    if reason:
        pytest.skip(reason)
    output = tmp_path_factory.mktemp("images") / "images.toml"
    done = build("--output", str(output))
    assert done.returncode == 0, done.stderr
    return tomllib.loads(output.read_text())["images"]


@pytest.fixture
def changed_recipes(references, tmp_path) -> Path:  # noqa: ARG001 - the unchanged images must be there
    """A copy of images/ to change; its work folder lies beside it."""
    return Path(shutil.copytree(IMAGES, tmp_path / "images"))


@contextmanager
def running(image: str, port: int, *command: str, **environment: str) -> Iterator[tuple[str, int]]:
    """A container of `image`: its id, and where on loopback `port` is published."""
    variables = [f"--env={name}={value}" for name, value in environment.items()]
    container = docker("run", "--detach", f"--publish=127.0.0.1::{port}", *variables, image, *command)
    try:
        yield container, int(docker("port", container, str(port)).rpartition(":")[2])
    finally:
        docker("rm", "--force", "--volumes", container)


def user_of_first_process(container: str) -> int:
    status = docker("exec", container, "cat", "/proc/1/status")
    return int(re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)[1])


def stop(container: str) -> tuple[float, int]:
    """Seconds that `docker stop` took, and the exit status."""
    started = time.monotonic()
    docker("stop", container)
    return time.monotonic() - started, int(docker("inspect", "--format={{.State.ExitCode}}", container))


# building


def test_what_was_built_is_not_built_again(references, tmp_path):
    done = build("--output", str(tmp_path / "again.toml"))
    lines = [line.split() for line in done.stdout.splitlines()]
    assert sorted(line[:2] for line in lines) == [["cached", name] for name in RECIPES]
    assert {name: tag for _, name, tag, _ in lines if name in references} == references
    assert tomllib.loads((tmp_path / "again.toml").read_text()) == {"images": references}


def test_one_image_by_name_keeps_the_others_in_the_output(references, tmp_path):
    done = build("redis", "--output", str(tmp_path / "one.toml"))
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["base", "redis"]
    assert tomllib.loads((tmp_path / "one.toml").read_text()) == {"images": references}


def test_a_changed_recipe_is_built_under_another_tag(references, changed_recipes):
    with (changed_recipes / "redis" / "entrypoint").open("a") as file:
        file.write("# changed\n")
    done = build(recipes=changed_recipes)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[1]: line.split() for line in done.stdout.splitlines()}
    try:
        words = {name: line[0] for name, line in lines.items()}
        assert words == dict.fromkeys(RECIPES, "cached") | {"redis": "built"}
        assert lines["redis"][2] != references["redis"]
    finally:
        docker("rmi", lines["redis"][2])


@pytest.fixture
def fetching(changed_recipes) -> Iterator[Path]:
    """A recipe whose image prints what its `fetch` wrote; each call of that adds a line to `calls`."""
    recipe = changed_recipes / "fetching"
    recipe.mkdir()
    (recipe / "Dockerfile").write_text(
        "FROM celery-roundtrip/base\nCOPY fetched/greeting linked /\nCMD cat /greeting /linked\n"
    )
    (recipe / "fetch").write_text(
        '#!/bin/sh\necho called >> "${0%/*}/../../calls"\necho hello > "$1/greeting"\n'
    )
    (recipe / "fetch").chmod(0o755)
    (changed_recipes.parent / "elsewhere").write_text("one\n")
    (recipe / "linked").symlink_to("../../elsewhere")
    yield recipe
    for tag in docker("images", "--format={{.Repository}}:{{.Tag}}", "celery-roundtrip/fetching").split():
        docker("rmi", tag)


def built_image(recipe: Path) -> tuple[str, str]:
    """Whether the image of a recipe was built or cached, and its tag."""
    done = build(recipe.name, recipes=recipe.parent)
    assert done.returncode == 0, done.stderr
    word, _, tag, _ = done.stdout.splitlines()[-1].split()
    return word, tag


def test_what_a_recipe_fetches_is_in_its_image_and_not_fetched_again(fetching):
    word, tag = built_image(fetching)
    assert (word, docker("run", "--rm", tag)) == ("built", "hello\none")
    assert built_image(fetching) == ("cached", tag)
    assert (fetching.parents[1] / "calls").read_text() == "called\n"
    assert sorted(path.name for path in (fetching.parents[1] / ".build").iterdir()) == [
        "fetching.log",
        "images.lock",
        "images.toml",
    ]


def test_a_changed_file_that_a_recipe_links_to_is_another_image(fetching):
    _, tag = built_image(fetching)
    (fetching.parents[1] / "elsewhere").write_text("two\n")
    word, changed = built_image(fetching)
    assert (word, docker("run", "--rm", changed)) == ("built", "hello\ntwo")
    assert changed != tag


def test_a_failed_fetch_shows_the_end_of_its_log(fetching):
    (fetching / "fetch").write_text("#!/bin/sh\necho no such version\nexit 3\n")
    done = build("fetching", recipes=fetching.parent)
    assert (done.returncode, done.stdout.count("built")) == (1, 0)
    assert done.stderr.startswith("images/build: fetching failed, the whole log is ")
    assert done.stderr.endswith("\nno such version\n")


def test_a_fetch_that_is_not_executable(fetching):
    (fetching / "fetch").chmod(0o644)
    done = build("fetching", recipes=fetching.parent)
    assert done.returncode == 1
    assert done.stderr == (
        "images/build: images/fetching/fetch is not executable: chmod +x images/fetching/fetch\n"
    )


@pytest.mark.parametrize(
    ("name", "public", "product"),
    [
        ("redis", "redis:7.4", "Redis"),
        ("rabbitmq", "rabbitmq:4.1", "RabbitMQ"),
        ("postgresql", "postgres:17", "PostgreSQL"),
        ("mariadb", "mariadb:11.4", "MariaDB"),
    ],
)
def test_labels_say_what_it_is_and_what_it_stands_for(references, name, public, product):
    labels = json.loads(docker("image", "inspect", "--format={{json .Config.Labels}}", references[name]))
    version = labels.pop(LABEL + "version")
    assert re.fullmatch(r"\d+(\.\d+)+", version)
    assert labels == {
        LABEL + "standin": "true",
        LABEL + "stands-for": public,
        LABEL + "product": product,
        LABEL + "recipe": references[name].rpartition(":")[2],
    }


# Redis


@contextmanager
def redis_client(port: int, **options) -> Iterator[redis.Redis]:
    with redis.Redis("127.0.0.1", port, socket_timeout=2, retry=None, **options) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError as error:
                if isinstance(error, redis.AuthenticationError):
                    raise
                return False

        assert poll.until(answers, 10)
        yield client


def test_redis_answers_from_outside_the_container_and_ends_when_told(references):
    with running(references["redis"], 6379) as (container, port):
        with redis_client(port) as client:
            version = client.info("server")["redis_version"]
        labels = json.loads(docker("inspect", "--format={{json .Config.Labels}}", container))
        assert version == labels[LABEL + "version"]
        assert docker("exec", container, "redis-cli", "ping") == "PONG"
        assert user_of_first_process(container) != 0
        assert "Ready to accept connections" in docker("logs", container)
        seconds, status = stop(container)
        assert (seconds < 3, status) == (True, 0)


@pytest.mark.parametrize("program", [["redis-server"], []], ids=["command", "options alone"])
def test_redis_takes_the_options_of_its_command(references, program):
    options = ["--save", "", "--appendonly", "no", "--requirepass", "x"]
    with running(references["redis"], 6379, *program, *options) as (_, port):
        with redis_client(port, password="x") as client:
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("appendonly") == {"appendonly": "no"}
        with pytest.raises(redis.AuthenticationError), redis_client(port):
            pass


def test_redis_leaves_protected_mode_to_a_caller_who_asks_for_it(references):
    with running(references["redis"], 6379, "redis-server", "--protected-mode", "yes") as (container, _):
        poll.until(lambda: "Ready to accept connections" in docker("logs", container), 10, longest=0.2)
        asked = docker("exec", container, "redis-cli", "config", "get", "protected-mode")
        assert asked.split() == ["protected-mode", "yes"]


def test_redis_writes_its_data_where_the_public_image_does(references):
    with running(references["redis"], 6379) as (container, port), redis_client(port) as client:
        client.set("key", "value")
        client.save()
        assert docker("exec", container, "ls", "/data") == "dump.rdb"


# RabbitMQ


def amqp_connection(port: int, user: str, password: str, vhost: str) -> amqp.Connection:
    """An open connection, once the server speaks AMQP."""

    def opened() -> amqp.Connection | None:
        connection = amqp.Connection(
            f"127.0.0.1:{port}",
            userid=user,
            password=password,
            virtual_host=vhost,
            connect_timeout=2,
            read_timeout=5,
        )
        try:
            connection.connect()
        except OSError:
            return None  # Docker's proxy accepts before the server listens
        return connection

    connection = poll.until(opened, 40, longest=0.1)
    assert connection, "no AMQP within 40 s"
    return connection


def test_rabbitmq_makes_the_user_and_vhost_of_its_environment_and_ends_when_told(references):
    environment = {
        "RABBITMQ_DEFAULT_USER": "round",
        "RABBITMQ_DEFAULT_PASS": "trip",
        "RABBITMQ_DEFAULT_VHOST": "celery",
    }
    with running(references["rabbitmq"], 5672, **environment) as (container, port):
        with amqp_connection(port, "round", "trip", "celery") as connection:
            version = connection.server_properties["version"]
            channel = connection.channel()
            channel.queue_declare("queue", durable=True)
            channel.basic_publish(amqp.Message("body"), routing_key="queue")
            message = poll.until(lambda: channel.basic_get("queue", no_ack=True), 5)
            assert message.body == "body"
        labels = json.loads(docker("inspect", "--format={{json .Config.Labels}}", container))
        assert version == labels[LABEL + "version"]

        for user, password, vhost in [("round", "wrong", "celery"), ("guest", "guest", "celery")]:
            with pytest.raises(amqp.AccessRefused):
                amqp_connection(port, user, password, vhost)
        with pytest.raises(amqp.NotAllowed):
            amqp_connection(port, "round", "trip", "/")

        assert docker("exec", container, "rabbitmqctl", "--quiet", "list_users").split()[:3:2] == [
            "user",
            "round",
        ]
        assert user_of_first_process(container) != 0
        assert "Server startup complete" in docker("logs", container)
        seconds, status = stop(container)
        assert (seconds < 6, status) == (True, 0)


def test_rabbitmq_lets_guest_in_from_outside_the_container(references):
    with running(references["rabbitmq"], 5672) as (_, port), amqp_connection(port, "guest", "guest", "/"):
        pass


# PostgreSQL and MariaDB


@pytest.mark.parametrize(
    ("name", "port", "environment", "user", "database"),
    [
        (
            *("postgresql", 5432),
            {"POSTGRES_USER": "round", "POSTGRES_PASSWORD": "t'r ip", "POSTGRES_DB": "results"},
            *("round", "results"),
        ),
        (
            *("mariadb", 3306),
            {"MARIADB_ROOT_PASSWORD": "t'r ip", "MARIADB_DATABASE": "results"},
            *("root", "results"),
        ),
    ],
)
def test_sql_servers_make_user_and_database_and_end_when_told(
    references, name, port, environment, user, database
):
    probe = service(name).probe
    scheme = service(name).schemes[0]
    with running(references[name], port, **environment) as (container, published):
        url = f"{scheme}://{user}:{{}}@127.0.0.1:{published}/{database}"

        def answer():
            try:
                return probe(url.format("t%27r%20ip"), 2.0)
            except NotReady:
                return None

        labels = json.loads(docker("inspect", "--format={{json .Config.Labels}}", container))
        assert poll.until(answer, 60) == (labels[LABEL + "product"], labels[LABEL + "version"])
        with pytest.raises(Rejected):
            probe(url.format("wrong"), 2.0)
        assert user_of_first_process(container) != 0
        seconds, status = stop(container)
        assert (seconds < 8, status) == (True, 0)


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_sql_servers_refuse_to_start_without_a_password(references, name):
    done = subprocess.run(
        ["docker", "run", "--rm", references[name]], capture_output=True, text=True, timeout=matrix_run.HANGS
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "_PASSWORD" in done.stderr


# what goes wrong is said in one line


def test_no_docker_command(tmp_path):
    done = build(PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "images/build: no docker command on PATH: apt-get install -y docker.io\n"


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker command on PATH")
def test_no_docker_daemon():
    done = build(PATH=str(Path(shutil.which("docker")).parent), DOCKER_HOST="unix:///nonexistent")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("images/build: no Docker daemon answers; start Docker, or run dockerd")
    assert "unix:///nonexistent" in done.stderr


def test_a_name_that_no_recipe_has():
    done = build("reddis")
    assert done.returncode == 2
    assert done.stderr.endswith("no recipe is called reddis; there are " + ", ".join(RECIPES) + "\n")


def test_no_debootstrap_for_a_base_that_is_not_there(changed_recipes, tmp_path):
    (changed_recipes / "base" / "changed").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(shutil.which("docker"))
    done = build(recipes=changed_recipes, PATH=str(tmp_path / "bin"))
    assert done.returncode == 1
    assert done.stderr == "images/build: debootstrap is missing: apt-get install -y debootstrap\n"


def test_a_failed_build_shows_the_end_of_its_log(changed_recipes):
    dockerfile = changed_recipes / "redis" / "Dockerfile"
    dockerfile.write_text("FROM celery-roundtrip/base\nRUN echo the last words; exit 3\n")
    done = build("redis", recipes=changed_recipes)
    assert done.returncode == 1
    first, *rest = done.stderr.splitlines()
    log = changed_recipes.parent / ".build" / "redis.log"
    assert first == f"images/build: redis failed, the whole log is {log}"
    assert "the last words" in rest
    assert "the last words" in log.read_text()
    assert not (changed_recipes.parent / ".build" / "images.toml").exists()
