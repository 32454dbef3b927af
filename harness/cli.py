"""The ``roundtrip`` command: doctor, list, report, explain, merge, diff, findings, services."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from harness import __version__, containers, corpus, kept, matrix, processes, questions, services
from harness.ascii import escape, redact
from harness.brokers import broker
from harness.containers import default_images
from harness.contract import ask_for
from harness.errors import NotReady, Rejected, RoundtripError, ServiceUnavailable
from harness.matrix import MarkExpression, Selection
from harness.packages import installed
from harness.registry import Registry
from harness.run import CODEC_PACKAGES
from harness.scenario import FAMILIES, Scenario
from harness.sources import BadPlugin
from harness.verdict import Axis

Answer = TypeVar("Answer")

PIPED_WIDTH = 160
"""Columns of a table that goes to no terminal."""
AS_JSON = click.option("--json", "as_json", is_flag=True, help="print JSON instead of a table")
BACKEND_FILES = click.option(
    "--backend", "files", multiple=True, metavar="FILE", help="a Python file with a backend of your own"
)
RUN_LOG = click.option(
    "--run-log",
    default=".roundtrip/run.jsonl",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="the run log to read",
)


def _plain_errors(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """One clear line and exit code 2 for everything that a user can get wrong."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Answer:
        from harness.report.text import UnknownCell
        from harness.runlog import RunLogError

        try:
            return command(*args, **kwargs)
        except (RoundtripError, RunLogError, UnknownCell) as error:
            click.echo(f"roundtrip: {error}", err=True)
            sys.exit(2)

    return guarded


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="roundtrip")
def main() -> None:
    """Real Celery workers in front of real result stores."""


@main.command()
@AS_JSON
@BACKEND_FILES
@_plain_errors
def doctor(as_json: bool, files: Sequence[str]) -> None:
    """Say what this machine can serve, what not, why, and the command that mends it.

    Every service that can be served locally is really started, asked who it is, and ended.
    Exit code 1 if no backend can run.
    """
    registry = Registry(files)  # first: it makes the services of plug-ins known
    found_services = {name: _try_service(registry, name) for name in services.known()}
    backends = [_try_backend(registry, name, found_services) for name in registry.names]
    serializers = [_try_codec(name) for name in matrix.SERIALIZERS]
    codecs = [_try_codec(name) for name in matrix.ALL_COMPRESSIONS[1:]]
    facts = {
        "python": sys.version.split()[0],
        "celery": importlib.metadata.version("celery"),
        "kombu": importlib.metadata.version("kombu"),
        "services": list(found_services.values()),
        "backends": backends,
        "serializers": serializers,
        "codecs": codecs,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"Python {facts['python']}, celery {facts['celery']}, kombu {facts['kombu']}")
        served = list(found_services.values())
        for title, rows in (
            ("service", served),
            ("backend", backends),
            ("serializer", serializers),
            ("codec", codecs),
        ):
            _table((title, "runs here", "how, or why not", "mend it with"), [_row(row) for row in rows])
    sys.exit(0 if any(backend["ok"] for backend in backends) else 1)


@main.command(name="list")
@click.option("--backends", "what", flag_value="backends", help="backends under test")
@click.option("--scenarios", "what", flag_value="scenarios", help="scenarios: promise and axes")
@click.option("--values", "what", flag_value="values", help="values: why each is there")
@click.option("--questions", "what", flag_value="questions", help="questions, and which are open")
@click.option("--cells", "what", flag_value="cells", help="cells of a selection")
@click.option("-m", "expression", default="", metavar="EXPR", help="with --cells: pytest's -m expression")
@click.option("--slow", is_flag=True, help="with --cells: the slow ones too")
@click.option("--markdown", is_flag=True, help="with --questions: as docs/questions.md has them")
@AS_JSON
@BACKEND_FILES
@_plain_errors
def list_(
    what: str | None, expression: str, slow: bool, markdown: bool, as_json: bool, files: Sequence[str]
) -> None:
    """List what there is to ask: backends, scenarios, values, questions, or the cells of a selection."""
    if what is None:
        raise click.UsageError("say what: --backends, --scenarios, --values, --questions or --cells")
    if markdown:
        if what != "questions":
            raise click.UsageError("--markdown goes with --questions")
        click.echo(questions.markdown(questions.scenarios()), nl=False)
        return
    registry = Registry(files)
    rows = _cells(registry, expression, slow) if what == "cells" else _LISTS[what](registry)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif what == "cells":
        for row in rows:
            click.echo(row["nodeid"])
    elif rows:
        _table(tuple(rows[0]), [[_text(value) for value in row.values()] for row in rows])


@main.command()
@RUN_LOG
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="where the report goes  [default: .roundtrip/report.html, or standard output for markdown and json]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(("html", "markdown", "json")),
    default="html",
    show_default=True,
    help="markdown is for GitHub's $GITHUB_STEP_SUMMARY, json the report's content",
)
@_plain_errors
def report(run_log: Path, output: Path | None, kind: str) -> None:
    """Make the report of a run log."""
    from harness import runlog
    from harness.report.html import render_html, write_page
    from harness.report.markdown import render_markdown
    from harness.report.plain import render_json

    log = runlog.read(run_log)
    made = {"html": render_html, "markdown": render_markdown, "json": render_json}[kind](log)
    if log.incomplete:
        click.echo(f"the run is incomplete: {log.incomplete}", err=True)
    if output is None and kind == "html":
        output = Path(".roundtrip/report.html")
    if output is None:
        click.echo(made, nl=kind == "json")
    else:
        click.echo(write_page(made, output))


@main.command()
@click.argument("shards", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="where the merged run log goes",
)
@_plain_errors
def merge(shards: tuple[Path, ...], output: Path) -> None:
    """Join run logs of one matrix (SHARDS, in any order) into one run log.

    A cell on which they do not agree is flaky, and counts as failed. Logs that were made with different
    versions of Python or a package are refused.
    """
    from harness.merge import merge as merged
    from harness.report.model import sentence

    made = merged(shards, output)
    for part in made.parts:
        if part.incomplete:
            click.echo(f"run {part.run} is incomplete: {part.incomplete}", err=True)
    for seen in made.flaky:
        click.echo(f"flaky: {seen.cell_id}: {seen.reason.removeprefix('flaky: ')}", err=True)
    click.echo(f"{len(made.parts)} runs, {sentence(Counter(seen.outcome for seen in made.observations))}")
    click.echo(output)


@main.command()
@click.argument("first", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("second", type=click.Path(path_type=Path, dir_okay=False))
@AS_JSON
@click.option(
    "--html",
    "html_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="write a page that shows the two runs side by side, too",
)
@_plain_errors
def diff(first: Path, second: Path, as_json: bool, html_file: Path | None) -> None:
    """Say what changed from the run log FIRST to the run log SECOND.

    Exit code 0 if nothing is broken, 1 if something is, 2 if they cannot be compared.
    """
    from harness import runlog
    from harness.diff import Change, as_text, compare, render_json
    from harness.report.html import render_diff, write_page

    comparison = compare(runlog.read(first), runlog.read(second))
    for log in (comparison.first, comparison.second):
        if log.incomplete:
            click.echo(f"{log.path} is incomplete: {log.incomplete}", err=True)
    if as_json:
        click.echo(render_json(comparison))
    else:
        for line in as_text(comparison):
            click.echo(line)
    if html_file:
        click.echo(f"page: {write_page(render_diff(comparison), html_file)}", err=True)
    sys.exit(1 if comparison.counts[Change.BROKEN] else 0)


@main.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="write to this file")
@click.option(
    "--check",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="write nothing; exit code 1 if FILE is not current",
)
@click.option(
    "--by", type=click.Choice(("blame", "backend")), default="blame", show_default=True, help="how to group"
)
@BACKEND_FILES
@_plain_errors
def findings(output: Path | None, check: Path | None, by: str, files: Sequence[str]) -> None:
    """List the known deviations: what a user sees, why, and what to do instead. Markdown."""
    from harness.findings import Grouping, outdated, page
    from harness.report.html import write_page

    text = page(files, Grouping(by))
    if check:
        if outdated(check, text):
            click.echo(f"{check} is not current; make it again: roundtrip findings -o {check}", err=True)
            sys.exit(1)
    elif output:
        click.echo(write_page(text, output))
    else:
        click.echo(text, nl=False)


@main.command()
@click.argument("cell")
@RUN_LOG
@_plain_errors
def explain(cell: str, run_log: Path) -> None:
    """Print all evidence of one CELL of the last run: a cell id or a node id."""
    from harness import runlog
    from harness.report.text import explain as explained

    click.echo(explained(runlog.read(run_log), cell.rpartition("::")[2]))


@main.group(name="services")
def services_() -> None:
    """Servers that outlive a run."""


@services_.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--runtime",
    default="auto",
    show_default=True,
    type=click.Choice(services.RUNTIMES),
    help="how they are provided, as for pytest",
)
@click.option("--image", "named", multiple=True, metavar="NAME=REF", help="the container image of a service")
@click.option("--images", type=click.Path(path_type=Path), help="a TOML file that names images")
@_plain_errors
def up(names: Sequence[str], runtime: str, named: Sequence[str], images: Path | None) -> None:
    """Start services and keep them: runs find and use them, until `roundtrip services down`."""
    refs = containers.default_images()
    refs |= containers.read_images(images) if images else {}
    refs |= containers.named(list(named))
    wanted = [services.service(name) for name in dict.fromkeys(names)]
    with ThreadPoolExecutor() as pool:
        starting = {
            made.name: pool.submit(kept.up, made, runtime, refs.get(made.name, "")) for made in wanted
        }
    failed = False
    for name, future in starting.items():
        try:
            found, is_new = future.result()
        except RoundtripError as error:
            click.echo(f"{name}: {error}", err=True)
            failed = True
        else:
            server = found.server
            how = f"ready in {server.ready_seconds:.2f} s" if is_new else f"up since {kept.age(found)}"
            click.echo(f"{name}: {server.product} {server.version} ({server.runtime}), {how}")
    sys.exit(2 if failed else 0)


@services_.command()
@AS_JSON
@_plain_errors
def status(as_json: bool) -> None:
    """Say what is kept between runs, and whether a run could use it now: whether it answers, as recorded."""
    rows = [_kept_row(found) for found in kept.all_kept()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        _table(tuple(rows[0]), [[str(value) for value in row.values()] for row in rows])
    else:
        click.echo("no services are kept; start some with: roundtrip services up NAME...")


def _kept_row(found: kept.Kept) -> dict[str, Any]:
    server = found.server
    # as a run that wants the very same would see it
    why = kept.unfit(found, services.service(server.name), server.runtime, server.image or "")
    return {
        "service": server.name,
        "product": f"{server.product} {server.version}",
        "runtime": server.runtime,
        "url": redact(server.url),
        "pid": found.pid,
        "age": kept.age(found),
        "usable": "yes" if why is None else f"no: {escape(redact(why), 200)}",
    }


@services_.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_plain_errors
def down(names: Sequence[str]) -> None:
    """End kept services. Without a NAME: all, and what killed runs have left on this machine.

    What killed runs have left: every process, and the folder, of runs whose pytest and supervisor were both
    killed.
    """
    for name in names or [found.server.name for found in kept.all_kept()]:
        click.echo(f"{name}: {'ended' if kept.down(name) else 'none is kept'}")
    if names:
        return
    folders = processes.orphaned_runs()
    ended = sum(processes.sweep(folder) for folder in folders)
    click.echo(f"{len(folders)} orphaned runs, {ended} processes ended")


# -- doctor


def _try_service(registry: Registry, name: str) -> dict[str, Any]:
    """Start a service once, ask it who it is, end it."""
    from harness.supervisor import ready

    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="roundtrip-doctor-"))
    child: processes.Child | None = None
    try:
        service = services.service(name)
        service.fetch(lambda text: click.echo(text, err=True))
        began = time.monotonic()
        port = processes.free_port()
        command = ask_for(services.LocalCommand, service, "local_command", port, folder)
        child = processes.Child("doctor", command.argv, folder, folder / "service.log", command.environment)
        started = child
        product, version = ready(
            service,
            service.local_url(port),
            lambda: None if started.exit_code is None else f"exit code {started.exit_code}",
            service.ready_within,
        )
        how = f"{product} {version}, ready in {time.monotonic() - began:.2f} s: {command.argv[0]}"
        return {"name": name, "ok": True, "how": how, "remedy": ""}
    except ServiceUnavailable as error:
        return {"name": name, "ok": False, "how": error.problem, "remedy": error.remedy}
    except (NotReady, Rejected, BadPlugin, OSError) as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            lack = _lack(registry, name, str(error.__cause__.name))
            if lack:
                return {"name": name, **lack}
        return {"name": name, "ok": False, "how": escape(str(error), 400), "remedy": ""}
    finally:
        if child is not None:
            child.kill()
        processes.sweep(folder)


def _lack(registry: Registry, service: str, module: str) -> dict[str, Any] | None:
    """The missing package of a backend of this service: `module` itself, or what would bring it."""
    needed: dict[str, str] = {}
    for name in registry.names:
        try:
            backend = registry.load(name)
        except BadPlugin:
            continue  # its own row says so
        if service in backend.services:
            needed |= backend.packages
    told = [_package(package, needed[package]) for package in sorted(needed, key=lambda one: one != module)]
    return next((one for one in told if not one["ok"]), None)


def _try_backend(registry: Registry, name: str, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    try:
        backend = registry.load(name)
    except BadPlugin as error:  # an installed one: it must not stand in the way of the others
        return {"name": name, "ok": False, "how": escape(str(error), 400), "remedy": ""}
    for package, requirement in backend.packages.items():
        missing = _package(package, requirement)
        if not missing["ok"]:
            return {"name": name, **missing}
    home = backend.broker or matrix.DEFAULTS[Axis.BROKER]
    for needed in {*backend.services, *broker(home).services}:
        if not found[needed]["ok"]:
            return {**found[needed], "name": name, "how": f"needs {needed}: {found[needed]['how']}"}
    return {"name": name, "ok": True, "how": backend.description, "remedy": ""}


def _try_codec(name: str) -> dict[str, Any]:
    return {"name": name, **_package(CODEC_PACKAGES.get(name), name)}


def _package(package: str | None, requirement: str) -> dict[str, Any]:
    if package is None or installed(package):
        return {"ok": True, "how": package or "built in", "remedy": ""}
    extra = requirement if "[" in requirement else f"celery-roundtrip[{requirement}]"
    return {"ok": False, "how": f"the package {package} is missing", "remedy": f"pip install '{extra}'"}


def _row(facts: dict[str, Any]) -> list[str]:
    return [facts["name"], "yes" if facts["ok"] else "no", facts["how"], facts["remedy"]]


# -- list


def _backends(registry: Registry) -> list[dict[str, Any]]:
    public = default_images()
    rows = []
    for name in registry.names:
        row: dict[str, Any] = {
            "name": name,
            "description": "",
            "services": [],
            "images": [],
            "documentation": "",
        }
        try:
            backend = registry.load(name)
        except BadPlugin as error:  # an installed one: it must not stand in the way of the others
            rows.append({**row, "description": escape(str(error), 400)})
            continue
        told = {name: getattr(backend, name) for name in ("description", "documentation")}
        images = [public[service] for service in backend.services if service in public]
        rows.append({**row, **told, "services": list(backend.services), "images": images})
    return rows


def _scenarios(_: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": scenario.name,
            "family": scenario.family,
            "axes": [str(axis) for axis in scenario.axes],
            "answers": list(scenario.answers),
            "promise": scenario.promise,
        }
        for scenario in questions.scenarios()
    ]


def _values(_: Registry) -> list[dict[str, Any]]:
    return [
        {"name": value.name, "question": value.question, "why": value.why, "slow": value.slow or ""}
        for value in corpus.VALUES
    ]


def _questions(_: Registry) -> list[dict[str, Any]]:
    answered = questions.answered(questions.scenarios())
    return [
        {"question": name, "meaning": meaning, "answered by": answered[name] or "OPEN"}
        for name, meaning in questions.QUESTIONS.items()
    ]


def _cells(registry: Registry, expression: str, slow: bool) -> list[dict[str, Any]]:
    marks = MarkExpression(expression)
    selection = Selection(marks, broker_of=registry.broker_of, slow=slow or "slow" in marks.names)
    selection.expression.check(
        (
            *matrix.backend_markers(registry.names),
            *matrix.SERIALIZERS,
            *matrix.ALL_COMPRESSIONS,
            *FAMILIES,
            "slow",
        )
    )
    return [
        {
            "nodeid": f"{_file(scenario)}::{cell.cell_id}",
            "cell_id": cell.cell_id,
            "configuration": cell.configuration.key,
            "slow": cell.slow,
            **{str(axis): point for axis, point in cell.axes.items()},
        }
        for scenario in questions.scenarios()
        for cell in matrix.multiply(scenario, registry.names, selection)
    ]


def _file(scenario: Scenario) -> str:
    """As pytest takes it: a path in the repository, elsewhere a module for ``--pyargs``."""
    file = scenario.module.replace(".", "/") + ".py"
    return file if Path(file).exists() else scenario.module


_LISTS: dict[str, Callable[[Registry], list[dict[str, Any]]]] = {
    "backends": _backends,
    "scenarios": _scenarios,
    "values": _values,
    "questions": _questions,
}


def _text(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table()
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False)  # "[redis]" is an extra
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table)


if __name__ == "__main__":
    main()
