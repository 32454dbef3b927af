"""Services that are kept between runs: found and used, left clean, and not used when they have changed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import matrix_run
import pytest
import redis

from harness import containers, kept, poll, processes, runlog
from harness.errors import ServiceUnavailable
from harness.services import service

pytestmark = pytest.mark.usefixtures("temporary", "state")

ONE_CELL = ("-m", "redis and json and zlib", "-k", "int_42")
IMAGES = matrix_run.ROOT / ".build" / "images.toml"
has_docker = (
    shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
)
needs_docker = pytest.mark.skipif(
    not (has_docker and IMAGES.exists()),
    reason="needs a Docker daemon and the stand-in images: make images",
)


def roundtrip(*arguments: str) -> subprocess.CompletedProcess:
    return matrix_run.command("-m", "harness.cli", "services", *arguments)


@pytest.fixture
def state(tmp_path, temporary, monkeypatch):
    """Where it is written down what is kept; nothing is kept before and after."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert not matrix_run.left_in(temporary)
    yield kept.state_folder()
    for found in kept.all_kept() if kept.state_folder().exists() else ():
        kept.down(found.server.name)


@pytest.fixture
def kept_redis(state):
    assert not state.exists()
    made, is_new = kept.up(service("redis"), "local", "")
    assert is_new
    return made


def one_cell(folder: Path, *arguments: str, runtime: str = "local") -> tuple[str, runlog.Service]:
    """Run one cell: what was printed, and the service record."""
    done = matrix_run.run(folder, *ONE_CELL, "--runtime", runtime, *arguments)
    assert done.returncode == 0, done.stdout
    (used,) = runlog.read(folder / "run.jsonl").services
    return done.stdout, used


def rewrite(made: kept.Kept, **changed: object) -> None:
    """Change what is written down."""
    kept._write(dataclasses.replace(made, **changed))


def test_up_status_run_down(tmp_path, temporary, state):
    done = roundtrip("up", "redis", "--runtime=local")
    assert done.returncode == 0, done.stdout
    (row,) = json.loads(roundtrip("status", "--json").stdout)
    assert (row["service"], row["runtime"], row["usable"]) == ("redis", "local", "yes")
    made = kept.Kept.of((state / "redis.json").read_text())
    assert row["product"] == f"{made.server.product} {made.server.version}"
    assert row["pid"] == made.pid

    output, used = one_cell(tmp_path)
    assert f"redis: uses the {row['product']} (local) that is kept since" in output
    assert (used.kept, used.url, used.runtime) == (True, made.server.url, "local")
    with redis.Redis.from_url(made.server.url) as client:
        assert client.keys("*") == []
    assert "redis: " in roundtrip("up", "redis", "--runtime=local").stdout
    assert kept.Kept.of((state / "redis.json").read_text()) == made

    assert "redis: ended" in roundtrip("down", "redis").stdout
    assert json.loads(roundtrip("status", "--json").stdout) == []
    assert not processes.members(Path(made.folder))
    assert not matrix_run.left_in(temporary)


def test_only_its_owner_reads_where_it_is(state, kept_redis):
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "redis.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(kept_redis.folder).stat().st_mode) == 0o700


def test_status_shows_no_password(kept_redis):
    rewrite(kept_redis, server=dataclasses.replace(kept_redis.server, url="redis://:secret@127.0.0.1:1/0"))
    done = roundtrip("status")
    assert "secret" not in done.stdout
    assert ":***@127.0.0.1" in done.stdout.replace("\n", "")


def test_fresh_services_are_others(tmp_path, kept_redis):
    output, used = one_cell(tmp_path, "--fresh-services")
    assert not used.kept
    assert used.url != kept_redis.server.url
    assert "kept" not in output


def test_a_named_server_comes_first(tmp_path, kept_redis):
    output, used = one_cell(tmp_path, f"--service=redis={kept_redis.server.url}")
    assert (used.kept, used.runtime) == (False, "external")
    assert "kept" not in output


def test_a_stale_one_is_said_and_not_used(tmp_path, kept_redis):
    os.killpg(kept_redis.pid, signal.SIGKILL)
    output, used = one_cell(tmp_path)
    assert "redis: the kept one is not used, a fresh one is started: it is stale: no answer" in output
    assert not used.kept
    (row,) = json.loads(roundtrip("status", "--json").stdout)
    assert row["usable"].startswith("no: it is stale")
    made, is_new = kept.up(service("redis"), "local", "")
    assert is_new
    assert kept.unfit(made, service("redis"), "local", "") is None
    assert not Path(kept_redis.folder).exists()


def test_one_whose_supervisor_was_killed_is_stale_and_goes(temporary, kept_redis):
    os.kill(kept_redis.supervisor, signal.SIGKILL)
    assert poll.until(lambda: not kept_redis.is_supervised, 10)
    why = kept.unfit(kept_redis, service("redis"), "local", "")
    assert why == "it is stale: the process that held it is gone"
    assert processes.members(Path(kept_redis.folder))
    done = roundtrip("down")
    assert "redis: ended" in done.stdout
    assert not processes.members(Path(kept_redis.folder))
    assert not matrix_run.left_in(temporary)


@pytest.mark.usefixtures("kept_redis")
def test_down_without_names_ends_all_that_is_kept(temporary):
    done = roundtrip("down")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["redis: ended", "0 orphaned runs, 0 processes ended"]
    assert not matrix_run.left_in(temporary)


def test_kept_services_are_no_orphans(temporary, kept_redis):
    assert processes.orphaned_runs_below(temporary) == []
    assert kept.unfit(kept_redis, service("redis"), "local", "") is None


def test_another_version_than_recorded_is_not_used(tmp_path, kept_redis):
    rewrite(kept_redis, server=dataclasses.replace(kept_redis.server, version="1.0"))
    output, used = one_cell(tmp_path)
    answers = f"{kept_redis.server.product} {kept_redis.server.version} answers there"
    assert f"a fresh one is started: {answers}, not {kept_redis.server.product} 1.0" in output
    assert not used.kept


def test_what_another_version_of_this_project_started_is_not_used(kept_redis):
    rewrite(kept_redis, made_by="0.0.1")
    server, line = kept.find(service("redis"), "local", "")
    assert server is None
    assert "celery-roundtrip 0.0.1 started it" in line


@pytest.mark.usefixtures("kept_redis")
def test_another_runtime_is_not_used():
    server, line = kept.find(service("redis"), "docker", "redis:7.4")
    assert server is None
    assert "its runtime is local, not docker" in line
    server, line = kept.find(service("redis"), "auto", "redis:7.4")
    assert server is not None
    assert (server.owned, server.kept) == (False, True)


def test_a_damaged_record_is_said_and_not_used(tmp_path, state):
    state.mkdir(parents=True)
    (state / "redis.json").write_text("{")
    output, used = one_cell(tmp_path)
    assert "says nothing about a kept service" in output
    assert not used.kept
    done = roundtrip("status")
    assert done.returncode == 2
    assert "remove it" in done.stdout
    assert "Traceback" not in done.stdout
    (state / "redis.json").unlink()


def test_nothing_is_left_of_what_could_not_be_started(temporary, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    with pytest.raises(ServiceUnavailable, match="no Docker daemon answers"):
        kept.up(service("redis"), "docker", "redis:7.4")
    assert kept.all_kept() == []
    assert not matrix_run.left_in(temporary)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("up",), "Missing argument 'NAME...'"),
        (("up", "radis"), "unknown service 'radis': did you mean redis?"),
        (("up", "redis", "--images=nowhere.toml"), "make images"),
        (("up", "redis", "--image=redis"), "write NAME=REF"),
        (("down", "radis"), "unknown service 'radis': did you mean redis?"),
    ],
)
def test_bad_input(arguments, expected):
    done = roundtrip(*arguments)
    assert done.returncode == 2
    assert expected in done.stdout
    assert "Traceback" not in done.stdout


@needs_docker
def test_one_that_cannot_be_had_does_not_stop_the_other():
    nothing = "--image=rabbitmq=celery-roundtrip/nothing:0"
    done = roundtrip("up", "rabbitmq", "redis", "--runtime=docker", f"--images={IMAGES}", nothing)
    assert done.returncode == 2
    assert "rabbitmq: the image celery-roundtrip/nothing:0 is not on this machine" in done.stdout
    assert [found.server.name for found in kept.all_kept()] == ["redis"]


def test_status_and_down_of_nothing():
    assert "no services are kept" in roundtrip("status").stdout
    assert roundtrip("down", "redis").stdout.strip() == "redis: none is kept"


@needs_docker
def test_kept_in_a_container(tmp_path, temporary):
    done = roundtrip("up", "redis", "--runtime=docker", f"--images={IMAGES}")
    assert done.returncode == 0, done.stdout
    image = containers.read_images(IMAGES)["redis"]
    (found,) = kept.all_kept()
    assert (found.server.runtime, found.server.image) == ("docker", image)
    _, used = one_cell(tmp_path, f"--images={IMAGES}", runtime="docker")
    assert (used.kept, used.image, used.standin) == (True, image, True)
    assert used.digest == found.server.digest

    server, line = kept.find(service("redis"), "auto", "redis:7.4")
    assert server is None
    assert f"its image is {image}, not redis:7.4" in line
    rewrite(found, server=dataclasses.replace(found.server, digest="sha256:old"))
    server, line = kept.find(service("redis"), "docker", image)
    assert server is None
    assert "has another digest now" in line

    assert "redis: ended" in roundtrip("down", "redis").stdout
    label = f"label={containers.RUN_LABEL}={Path(found.folder).name}"
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True, check=True
    )
    assert not left.stdout.strip()
    assert not matrix_run.left_in(temporary)
