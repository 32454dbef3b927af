"""Servers from Maven Central: the cache folder is whole or not there, and whoever waits is told why."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import matrix_run
import pytest
from servers import serving

from harness import jars, processes, runlog, services
from harness.backend import Namespace
from harness.errors import NotReady, ServiceUnavailable
from harness.jars import CASSANDRA, ELASTICSEARCH, JavaServer
from harness.registry import Registry
from harness.services import Server

NAMES = ("cassandra", "elasticsearch")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, a Maven that makes one file, and an archive maker that makes another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tools = tmp_path / "tools"
    tools.mkdir()
    maven = tools / "mvn"
    maven.write_text(
        '#!/bin/sh\nfor word; do case "$word" in -Dhome=*) home=${word#-Dhome=};; esac; done\n'
        f'echo run >>{tmp_path}/calls\nmkdir "$home/lib"\ntouch "$home/lib/a.jar"\n'
        f"test ! -e {tmp_path}/broken || {{ echo '[ERROR] no such artifact'; exit 1; }}\n"
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    (recipe / "pom.xml").write_text("<server.version>1.2</server.version>")
    (recipe / "make-archive").write_text('echo archived >"$1"\nmkdir -p "$2"\n')
    monkeypatch.setattr(JavaServer, "recipe", recipe)
    monkeypatch.setattr(jars, "find_java", lambda _: jars.Java("java", 17, "17.0.1"))
    return tmp_path


SERVER = JavaServer("tiny", java=(17,), ports=1)


def calls(cache: Path) -> int:
    file = cache / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_what_is_fetched_once_is_not_fetched_again(cache: Path) -> None:
    said: list[str] = []
    SERVER.fetch(said.append)
    assert [line.partition(":")[0] for line in said] == ["tiny 1.2", "tiny 1.2"]
    assert str(SERVER.home) in said[0]
    SERVER.fetch(pytest.fail)
    assert calls(cache) == 1
    assert Path(SERVER.environment()["CLASS_ARCHIVE"]).exists()


def test_what_failed_half_way_does_not_count_as_done(cache: Path) -> None:
    (cache / "broken").touch()
    with pytest.raises(ServiceUnavailable, match="no such artifact"):
        SERVER.fetch(str)
    assert not SERVER.home.exists()
    (cache / "broken").unlink()
    SERVER.fetch(str)
    assert (SERVER.home / "lib" / "a.jar").exists()


def test_a_changed_recipe_is_fetched_anew(cache: Path) -> None:
    SERVER.fetch(str)
    (SERVER.recipe / "pom.xml").write_text("<server.version>1.2</server.version><!-- one jar more -->")
    SERVER.fetch(str)
    assert calls(cache) == 2


def test_another_java_gets_an_archive_of_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SERVER.fetch(str)
    monkeypatch.setattr(jars, "find_java", lambda _: jars.Java("java", 17, "17.0.2"))
    said: list[str] = []
    SERVER.fetch(said.append)
    assert len(list(SERVER.home.glob("classes-*.jsa"))) == 2
    assert calls(cache) == 1


def test_two_at_once_fetch_once(cache: Path) -> None:
    threads = [threading.Thread(target=SERVER.fetch, args=(str,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(cache) == 1
    assert (SERVER.home / "complete").exists()


def test_without_maven_it_names_the_packages(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(cache / "nothing"))
    with pytest.raises(ServiceUnavailable, match="no mvn on PATH") as caught:
        SERVER.fetch(str)
    assert caught.value.remedy == "apt-get install openjdk-17-jre-headless maven"


def test_without_a_fitting_java_it_names_the_packages() -> None:
    with pytest.raises(ServiceUnavailable, match="no Java 3 on this machine") as caught:
        jars.find_java((3,))
    assert caught.value.remedy == "apt-get install openjdk-17-jre-headless maven"


def test_the_fetching_needs_no_package() -> None:
    """images/NAME/fetch runs where nothing is installed."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import harness.jars"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(matrix_run.ROOT)], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_closed_port_is_not_ready(name: str) -> None:
    one = services.service(name)
    with pytest.raises(NotReady):
        one.probe(one.local_url(processes.free_port()), timeout=1.0)


def test_a_probe_in_a_thread_leaves_the_thread_joinable() -> None:
    """The driver's import of eventlet would make the thread's join() wait for ever."""
    code = (
        "import threading; from harness.services.cassandra import import_driver\n"
        "thread = threading.Thread(target=import_driver, daemon=True)\n"
        "thread.start(); thread.join(30); assert not thread.is_alive()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=matrix_run.ROOT, check=False)
    assert done.returncode == 0


# -- on real servers


@pytest.fixture(scope="module", params=NAMES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    try:
        with serving(request.param) as url:
            one = services.service(request.param)
            yield Server(one.name, "external", url, *one.probe(url, 5.0), owned=False)
    except ServiceUnavailable as error:
        pytest.skip(str(error))


def in_namespace(server: Server, folder: Path, run: str, configuration: str):
    made = Registry(()).load(server.name)
    backend = made(Namespace(f"{run}-{configuration}", folder, run), {server.name: server})
    backend.prepare()
    return backend


@pytest.mark.skipif(sys.platform != "linux", reason="a timer slack is Linux's")
def test_cassandra_waits_a_millisecond_where_it_would_spin(tmp_path: Path) -> None:
    """Of the process that becomes the JVM; its threads inherit it."""
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\ncat /proc/$$/timerslack_ns\n")
    java.chmod(0o755)
    start = matrix_run.ROOT / "harness" / "services" / "cassandra_files" / "start"
    command = ["sh", str(start), str(tmp_path / "data"), "1", "2"]
    shown = subprocess.check_output(command, env={**os.environ, "JAVA": str(java)}, text=True)
    assert shown == "1000000\n"


def test_the_product_says_its_version(server: Server) -> None:
    known = {"cassandra": CASSANDRA, "elasticsearch": ELASTICSEARCH}[server.name]
    assert server.version == known.version
    assert server.product.lower().endswith(server.name)


@pytest.mark.parametrize("raw", [b'{"a": 1}', b"\x80\x04\x95\xff\x00"])
def test_what_is_planted_is_read_back_and_listed(server: Server, tmp_path: Path, raw: bytes) -> None:
    backend = in_namespace(server, tmp_path, f"roundtrip-{uuid.uuid4().hex[:8]}", "json-prefork")
    backend.prepare()  # a worker that takes another's place calls it again
    assert backend.at_rest("nothing") is None
    backend.plant("one", raw)
    assert backend.at_rest("one").raw == raw
    assert [("one" in place) for place in backend.inventory()] == [True]
    backend.wipe()


def test_a_wipe_leaves_the_neighbours(server: Server, tmp_path: Path) -> None:
    ours = f"roundtrip-{uuid.uuid4().hex[:8]}"
    neighbour = in_namespace(server, tmp_path, ours + "9", "json-prefork")
    neighbour.plant("bystander", b"here")
    for configuration in ("json-prefork", "yaml-prefork"):
        in_namespace(server, tmp_path, ours, configuration).plant("one", b"1")
    for configuration in ("json-prefork", "yaml-prefork"):
        backend = in_namespace(server, tmp_path, ours, configuration)
        backend.wipe()
        backend.wipe()  # what is gone already is no error
    assert neighbour.at_rest("bystander").raw == b"here"
    neighbour.wipe()


def test_a_run_on_a_foreign_server_leaves_nothing(server: Server, tmp_path: Path) -> None:
    bystander = in_namespace(server, tmp_path, f"roundtrip-{uuid.uuid4().hex[:8]}", "bystander")
    bystander.plant("bystander", b"here")
    before = everything(server)
    done = matrix_run.run(
        tmp_path,
        *("-m", f"{server.name} and json and zlib", "-k", "int_42"),
        *("--service", f"{server.name}={server.url}", "--runtime=local", "--deadline=20"),
    )
    assert done.returncode == 0, done.stdout
    assert runlog.read(tmp_path / "run.jsonl").observations
    assert everything(server) == before
    assert bystander.at_rest("bystander").raw == b"here"
    bystander.wipe()


def everything(server: Server) -> set[str]:
    """Every keyspace, or every index, on a server."""
    if server.name == "cassandra":
        from harness.services.cassandra import session

        with session(server.url) as connected:
            rows = connected.execute("select keyspace_name from system_schema.keyspaces")
            return {row.keyspace_name for row in rows}
    from harness.services.elasticsearch import client

    return set(client(server.url).indices.get(index="*"))
