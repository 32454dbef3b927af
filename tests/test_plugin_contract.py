"""What a plug-in gets wrong is told in one message: file, method and fix. What is optional may be missing."""

from __future__ import annotations

import itertools
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace

import celery
import matrix_run
import pytest

from harness import contract, judging, services
from harness.backend import CONTRACT_VERSION, Namespace
from harness.registry import Registry, load
from harness.services import Server
from harness.sources import BadPlugin, module_of_file

GOOD = """
from datetime import timedelta

from harness.backend import Backend, Stored
from harness.services import Container, LocalCommand, Service


class Mine(Backend):
    name = "{name}"
    description = "a folder"
    documentation = "https://example.org/mine"

    def settings(self):
        return {{"result_backend": f"file://{{self.namespace.folder}}"}}
"""
SERVER = """
    services = ("{name}-server",)


class Server(Service):
    name = "{name}-server"
    schemes = ("mine",)

    def local_command(self, port, folder):
        return LocalCommand(("sleep", "60"))

    def local_url(self, port):
        return f"mine://127.0.0.1:{{port}}"

    def container(self):
        return Container(1234)

    def container_url(self, port):
        return self.local_url(port)

    def probe(self, url, timeout):
        return "Mine", "1"
"""
numbers = itertools.count(1)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a plug-in under a name that no other test has: its file."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(services, "_plugged", {})

    def write(more: str = "", *changes: tuple[str, str], base: str = GOOD) -> Path:
        name = f"mine{next(numbers)}"
        text = (base + more).format(name=name)
        for old, new in changes:
            assert old in text, text
            text = text.replace(old, new)
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        return file

    return write


def loaded(file: Path):
    """The class of the last backend in a plug-in file."""
    registry = Registry([str(file)])
    return registry.load(registry.names[-1])


def said(file: Path) -> str:
    """The one line of what is said of a plug-in file."""
    with pytest.raises(BadPlugin) as caught:
        loaded(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_a_good_one_is_taken(written):
    registry = Registry([str(written(SERVER))])
    backend = registry.load(registry.names[-1])
    assert backend.services == (f"{backend.name}-server",)
    assert services.service(backend.services[0]).local_url(5) == "mine://127.0.0.1:5"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "import Backend, Stored",
            "import Backend, Stord",
            r"fails on import: ImportError: .*Stord.*mend it",
        ),
        ("class Mine", "1 / 0\nclass Mine", r"fails on import: ZeroDivisionError: .*\(mine\d+.py, line 8\)"),
        ("class Mine(Backend):", "class Mine(Backend:", "fails on import: SyntaxError"),
        ("(Backend):", "(object):", r"defines no subclass of harness.backend.Backend: add one"),
        ("def settings(self)", "def setup(self)", r"Mine.settings\(\) is missing: add def settings\(self\)"),
        ("def settings(self)", "def settings(self, url)", r"Mine.settings\(self, url\) does not take"),
        (
            "def settings(self)",
            "@property\n    def settings(self)",
            "Mine.settings must be a method: write def",
        ),
        ('name = "mine', 'nam = "mine', r"Mine.name is missing: use lower-case letters"),
        ('name = "mine', 'name = "Mine ', r"Mine.name is 'Mine .*': use lower-case letters"),
        ("description =", "descriptoin =", r"Mine.description is missing: it must be one line of text"),
        ('"https://example.org/mine"', "None", r"Mine.documentation is None: it must be a link"),
        (
            "    def settings",
            "    services = 'redis'\n    def settings",
            r"Mine.services is 'redis': .*a tuple",
        ),
        (
            "    def settings",
            "    packages = ['x']\n    def settings",
            r"Mine.packages is \['x'\]: .*a table",
        ),
        (
            "    def settings",
            "    stores_meta = 1\n    def settings",
            r"Mine.stores_meta is 1: .*True or False",
        ),
        (
            "    def settings",
            "    broker = 1\n    def settings",
            r"Mine.broker is 1: it must be one of redis, .*, or None$",
        ),
        ("    def settings", "    broker = 'redit'\n    def settings", r"Mine.broker is 'redit'.*redis"),
        (
            "    def settings",
            "    services = ('nope',)\n    def settings",
            r"names 'nope', and there is no such",
        ),
        (
            "    def settings",
            "    contract = 99\n    def settings",
            r"asks for contract 99.*pip install --upgrade",
        ),
        (
            "    def settings",
            "    contract = '1'\n    def settings",
            r"Mine.contract is '1': it must be a number",
        ),
        (
            "    def settings",
            "    def at_rest(self):\n        pass\n    def settings",
            r"Mine.at_rest\(self\) does not take what it is given: write def at_rest\(self, task_id",
        ),
        (
            "documentation =",
            'derived_from = "reddis"\n    documentation =',
            r"Mine.derived_from names 'reddis', and the project has no such backend: did you mean redis",
        ),
        (
            "    def settings",
            '    imports = "mystore"\n    def settings',
            r"Mine.imports is 'mystore': it must be a tuple of names of modules",
        ),
        (
            "    def settings",
            "    def atrest(self, task_id):\n        pass\n    def settings",
            r"Mine.atrest is not part of the contract: did you mean at_rest\?",
        ),
    ],
)
def test_what_a_backends_class_gets_wrong(written, old, new, expected):
    assert re.search(expected, said(written("", (old, new))))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('schemes = ("mine",)', "", r"Server.schemes is missing: it must be a tuple of URL schemes"),
        (
            "def probe(self, url, timeout)",
            "def prob(self)",
            r"Server.probe\(\) is missing: add def probe\(self",
        ),
        ("def probe(self, url, timeout)", "def probe(self)", r"Server.probe\(self\) does not take"),
        ("class Server(Service):", "class Server(Service):\n    image = None", r"Server.image is None"),
        ('name = "mine', 'name = "redis"\n    _ = "', r"the name 'redis' is taken by the service of harness"),
    ],
)
def test_what_a_services_class_gets_wrong(written, old, new, expected):
    file = written(SERVER)
    head, mark, tail = file.read_text().partition("class Server")
    assert old in mark + tail
    file.write_text(head + (mark + tail).replace(old, new, 1))
    assert re.search(expected, said(file))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("redis", "the name 'redis' is taken by the backend of backends.redis: choose another"),
        ("zlib", "-m zlib means something else; choose another name"),
        ("json-store", "-m json means something else; choose another name"),
        ("mine-own", "-m own means something else; choose another name"),
    ],
)
def test_a_name_that_is_taken(written, name, expected):
    assert expected in said(written("", ('name = "mine', f'name = "{name}"\n    _ = "')))


def test_two_files_with_one_backend(written):
    one, two = written(), written()
    two.write_text(one.read_text())
    with pytest.raises(BadPlugin, match=f"{two}.* is taken by the backend of {one}"):
        Registry([str(one), str(two)])


def test_a_file_that_is_not_there_or_called_like_a_module(tmp_path):
    with pytest.raises(BadPlugin, match=r"nowhere\.py: no such file: --backend takes the path"):
        Registry([str(tmp_path / "nowhere.py")])
    (tmp_path / "json.py").write_text("")
    with pytest.raises(BadPlugin, match="a module called 'json' is already imported: rename the file"):
        Registry([str(tmp_path / "json.py")])


# -- what methods give


def instance(file: Path, folder: Path):
    registry = Registry([str(file)])
    servers = {"x": Server("x", "local", "x://", "X", "1", True)}
    return load(registry.source(registry.names[-1]))(Namespace("ns", folder), servers)


SETTINGS = 'return {"result_backend": f"file://{self.namespace.folder}"}'


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("return None", r"Mine.settings\(\) returned None: return a dict of Celery settings"),
        ("return ['x']", r"Mine.settings\(\) returned list: return a dict"),
        ("return {}", r"Mine.settings\(\) names no result_backend: put"),
        ("return {'result_backend': 'x://', 'a': object()}", r"returned a as object, which cannot travel"),
        ("return self.servers['y'].url", r"settings\(\) raised KeyError: 'y'; mend it \(line 14 of .*mine"),
    ],
)
def test_what_settings_gets_wrong(written, tmp_path, new, expected):
    file = written("", (SETTINGS, new))
    with pytest.raises(contract.BrokenPromise, match=expected) as caught:
        contract.checked_settings(instance(file, tmp_path))
    assert str(file) in str(caught.value)


def test_settings_may_hold_a_timedelta(written, tmp_path):
    new = 'return {"result_backend": "x://", "result_expires": timedelta(hours=1)}'
    assert contract.checked_settings(instance(written("", (SETTINGS, new)), tmp_path))


@pytest.mark.parametrize(
    ("method", "returned", "expected"),
    [
        ("at_rest(self, task_id)", "b''", r"at_rest\(\) returned bytes: return harness.backend.Stored"),
        ("at_rest(self, task_id)", "Stored('text', 'x')", r"a Stored whose raw is str: give the bytes"),
        ("at_rest(self, task_id)", "Stored(b'', 1)", r"a Stored whose place is int: give text"),
        (
            "at_rest(self, task_id)",
            "Stored(b'', 'x', 'long')",
            r"a Stored whose lifetime is str: give seconds",
        ),
        ("at_rest(self, task_id)", "1 / 0", r"at_rest\(\) raised ZeroDivisionError: .*mend it \(line \d+ of"),
        ("inventory(self)", "{'a': 1}", r"inventory\(\) returned dict: return a list of texts"),
        ("inventory(self)", "[1]", r"inventory\(\) returned list: return a list of texts"),
        ("environment(self)", "{'A': 1}", r"environment\(\) returned dict: return a dict of texts"),
    ],
)
def test_what_native_methods_get_wrong(written, tmp_path, method, returned, expected):
    file = written(f"\n    def {method}:\n        return {returned.replace('{', '{{').replace('}', '}}')}\n")
    backend = instance(file, tmp_path)
    asked = {
        "at_rest": lambda: judging.look_at_rest(backend, "id"),
        "inventory": lambda: judging.inventory(backend),
        "environment": lambda: contract.checked_environment(backend),
    }[method.partition("(")[0]]
    with pytest.raises((judging.AtRestCrash, contract.BrokenPromise), match=expected) as caught:
        asked()
    assert str(file) in str(caught.value)


def test_what_is_optional_may_be_missing(written, tmp_path):
    backend = instance(written(), tmp_path)
    with pytest.raises(judging.NoNativeReader, match="offers no native reader"):
        judging.look_at_rest(backend, "id")
    with pytest.raises(judging.NoNativeReader, match="cannot list its namespace"):
        judging.inventory(backend)
    assert contract.ask(backend, "wipe") is None
    assert contract.ask(backend, "prepare") is None


def test_the_contract_has_a_version_and_the_document_tells_it():
    told = (matrix_run.ROOT / "docs" / "adding-a-backend.md").read_text()
    assert f"version {CONTRACT_VERSION}" in told


# -- in a run


SILENT = ('return "Mine", "1"', 'from harness.errors import NotReady; raise NotReady("silent")')


def run(tmp_path: Path, file: Path, *arguments: str):
    name = re.search(r'name = "(\w+)"', file.read_text())
    assert name
    select = ("-m", f"{name[1]} and json and uncompressed", "-k", "int_42 or test_where")
    return matrix_run.run(
        tmp_path, "scenarios", *select, "--runtime=local", f"--backend={file}", "-rs", *arguments
    )


def test_settings_that_raise_stop_the_run_with_one_line(tmp_path, written):
    file = written("", (SETTINGS, "raise OSError('no config')"))
    done = run(tmp_path, file)
    assert done.returncode == 4, done.stdout
    lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
    assert len(lines) == 1, done.stdout
    assert f"{file}: Mine.settings() raised OSError: no config; mend it (line 14 of {file})" in lines[0]
    assert "Traceback" not in done.stdout


def test_a_prepare_that_raises_is_named_in_every_cell(tmp_path, written):
    file = written("\n    def prepare(self):\n        raise OSError('no table')\n")
    done = run(tmp_path, file)
    assert done.returncode == 1, done.stdout
    for seen in matrix_run.observations(tmp_path).values():
        assert (seen.verdict, seen.blame) == ("indeterminate", "harness")
        assert f"{file}: Mine.prepare() raised OSError: no table; mend it" in seen.detail


def test_a_reader_of_the_wrong_kind_is_named_and_no_pass(tmp_path, written):
    done = run(tmp_path, written("\n    def at_rest(self, task_id):\n        return b'raw'\n"))
    assert done.returncode == 1, done.stdout
    seen = {one.cell_id.partition("[")[0]: one for one in matrix_run.observations(tmp_path).values()}
    assert seen["test_round_trip"].verdict == "exact"
    assert (seen["test_where"].verdict, seen["test_where"].blame) == ("indeterminate", "harness")
    assert "Mine.at_rest() returned bytes: return harness.backend.Stored" in seen["test_where"].detail


def test_without_reader_the_report_says_how_much_evidence_is_missing(tmp_path, written):
    done = run(tmp_path, written())
    assert done.returncode == 0, done.stdout
    assert "offers no native reader: nothing to look at" in done.stdout
    assert "offers no native reader" in (tmp_path / "report.html").read_text()


PREPARE = """
    def prepare(self):
        import counted, missing_until_prepared

    prepare_client = prepare

    def settings"""


@pytest.mark.parametrize(("named", "times"), [((), 3), (("counted", "missing_until_prepared"), 2)])
def test_what_a_backend_imports_is_imported_once_for_all_processes(tmp_path, written, named, times):
    """Two workers and their client: three imports; or one before workers are forked, one before clients."""
    modules = tmp_path / "modules"
    modules.mkdir()
    notes = tmp_path / "notes.txt"
    (modules / "counted.py").write_text(
        f"with open({str(notes)!r}, 'a') as notes: print('once', file=notes)\n"
    )
    file = written("", ("\n    def settings", f"\n    imports = {named!r}\n{PREPARE}"))
    (file.parent / "missing_until_prepared.py").write_text("")
    environment = {"PYTHONPATH": os.pathsep.join((str(modules), str(matrix_run.ROOT)))}
    # under xdist a process observes one configuration after the other: with one client
    select = ("-m", f"{file.stem} and json and (zlib or uncompressed)", "-k", "int_42", "-n", "1")
    done = matrix_run.run(
        tmp_path, "scenarios", *select, "--runtime=local", f"--backend={file}", environment=environment
    )
    assert done.returncode == 0, done.stdout
    assert notes.read_text().split() == ["once"] * times


def test_a_server_that_does_not_start_leaves_its_cells_not_run(tmp_path, written):
    done = run(tmp_path, written(SERVER))
    assert done.returncode == 0, done.stdout
    done = run(tmp_path, written(SERVER, ('("sleep", "60")', '("true",)'), SILENT))
    assert done.returncode == 5, done.stdout
    assert "did not start: its process ended with exit code 0" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('return "Mine", "1"', 'return "Mine"', "Server.probe() returned 'Mine': return a tuple"),
        (
            'return "Mine", "1"',
            "return url.nope",
            "Server.probe() raised AttributeError: 'str' object has no",
        ),
        (
            'return LocalCommand(("sleep", "60"))',
            "return 1 / 0",
            "Server.local_command() raised ZeroDivisionError",
        ),
        (
            'return LocalCommand(("sleep", "60"))',
            'return "true"',
            "Server.local_command() returned str: return harness",
        ),
    ],
)
def test_a_service_that_breaks_its_promise_stops_the_run(tmp_path, written, old, new, expected):
    done = run(tmp_path, written(SERVER, (old, new)))
    assert done.returncode == 4, done.stdout
    lines = [line for line in done.stdout.splitlines() if "ERROR" in line]
    assert len(lines) == 1, done.stdout
    assert expected in lines[0]


def test_a_result_backend_of_a_package_is_no_driver(tmp_path, monkeypatch):
    """What another package brings as a result backend is to blame as one, unless its driver raised."""
    for name in ("their_store", "their_driver"):
        (tmp_path / "site-packages" / name).mkdir(parents=True)
    (tmp_path / "site-packages" / "their_driver" / "__init__.py").write_text("def call(): raise EOFError")
    (tmp_path / "site-packages" / "their_store" / "__init__.py").write_text(
        """
import their_driver
from celery.backends.base import Backend


class Store(Backend):
    def own(self):
        raise EOFError

    def helped(self):
        help_out()

    def driven(self):
        their_driver.call()


def help_out():
    raise EOFError
"""
    )
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    import their_store

    made = SimpleNamespace(packages={"their_store": "their-store", "their_driver": "their-driver"})
    store = their_store.Store(celery.Celery(set_as_current=False))
    for ask, blame in (("own", "backend"), ("helped", "backend"), ("driven", "driver")):
        with pytest.raises(EOFError) as caught:
            getattr(store, ask)()
        assert judging.blame_of(caught.value, made) == blame, ask


def test_a_file_that_another_thread_imports_is_waited_for(tmp_path, monkeypatch):
    """The supervisor answers each pytest process in a thread of its own; they ask for a backend at once."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    began, go = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "_slow_plugin", (began, go), raising=False)
    file = tmp_path / "slow_plugin.py"
    file.write_text("import sys\nbegan, go = sys._slow_plugin\nbegan.set()\ngo.wait(20)\nlast = 1\n")
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(module_of_file, str(file))
            assert began.wait(20)
            second = pool.submit(module_of_file, str(file))
            assert not wait([second], timeout=0.3).done
        finally:
            go.set()
    assert first.result().last == second.result().last == 1
    del sys.modules["slow_plugin"]
