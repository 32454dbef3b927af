"""The known deviations as a page for people: ``roundtrip findings``, made from the expectation files alone.

The page is the same on every machine: it depends on the files and the scenarios, and on nothing that is
installed or was run.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from harness import matrix, questions
from harness.expectations import Expectation, Expectations, files
from harness.matrix import Cell, MarkExpression, Selection
from harness.registry import Registry
from harness.verdict import Axis, Blame

HEAD = """\
# Findings

<!-- Made by: roundtrip findings -o docs/findings.md. Edit backends/*.toml and scenarios/*.toml instead. -->

What result stores of Celery do with a task's result that one would not expect of them. Each deviation was
seen in a run against a real server, traced to its cause in the installed source, and written down as an
*expectation*: a run in which it no longer shows fails. The first command shows it with plain Celery, without
this suite; `URL` is the result store, as `result_backend` takes it ([findings/](../findings/README.md)). The
second one asks the suite.
"""

BLAMES = {
    Blame.SERIALIZER: "the serializer",
    Blame.COMPRESSION: "the codec",
    Blame.STORE: "the store itself",
    Blame.BACKEND: "Celery's result-backend class",
    Blame.DRIVER: "the client library",
    Blame.CELERY: "the rest of Celery and kombu",
    Blame.WORKER: "the worker",
    Blame.HARNESS: "this suite",
}


class Grouping(StrEnum):
    BLAME = "blame"
    BACKEND = "backend"


def page(backend_files: Iterable[str] = (), by: Grouping = Grouping.BLAME) -> str:
    """All findings as Markdown. Raises `BadExpectation`."""
    registry = Registry(tuple(backend_files))
    known = Expectations(files(backend_files))
    cells = _first_cells(registry, known.all)
    groups: dict[str, list[Expectation]] = defaultdict(list)
    for one in sorted(known.all, key=lambda one: one.id):
        groups[_group(one, by)].append(one)
    titles = (
        [BLAMES[blame] for blame in Blame if BLAMES[blame] in groups]
        if by is Grouping.BLAME
        else sorted(groups)
    )
    lines = [HEAD]
    for title in titles:
        found = groups[title]
        lines.append(f"- [{_heading(title, by)}](#{_anchor(_heading(title, by))}): {len(found)}")
    for title in titles:
        lines += ["", f"## {_heading(title, by)}"]
        for one in groups[title]:
            lines += ["", *_finding(one, cells.get(one.id))]
    return "\n".join(lines) + "\n"


def _heading(title: str, by: Grouping) -> str:
    if by is Grouping.BLAME:
        return f"Caused by {title}"
    return "Every result store" if title == "*" else title


def _anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def _group(one: Expectation, by: Grouping) -> str:
    return BLAMES[one.blame] if by is Grouping.BLAME else ", ".join(one.backend)


def _finding(one: Expectation, cell: tuple[str, Cell] | None) -> list[str]:
    seen, why = sentences(one.reason)
    commands = [f"python findings/{one.id}.py URL"]
    if cell:
        commands.append(f"python -m pytest {shlex.quote(f'{cell[0]}::{cell[1].cell_id}')}")
    link = "none found" if one.link == "none-found" else f"<{one.link}>"
    return [
        f"### {one.id}",
        "",
        _prose(seen),
        "",
        *([f"**Why.** {_prose(why)}", ""] if why else []),
        f"**Instead.** {_prose(' '.join(one.workaround.split()))}",
        "",
        "```sh",
        *commands,
        "```",
        "",
        f"Verdict `{one.verdict}`, blame `{one.blame}`. Where: {_where(one)}. "
        f"Versions: {', '.join(f'`{text}`' for text in one.versions) or 'all'}. Upstream: {link}.",
    ]


def sentences(reason: str) -> tuple[str, str]:
    """The first sentence of a reason, which says what a user sees, and the others, which say why."""
    text = " ".join(reason.split())
    end = re.search(r"(?<=[\w)'`][\w)'`][.])\s+", text)  # two letters before the full stop: not "e.g."
    return (text[: end.start()], text[end.end() :]) if end else (text, "")


def _prose(text: str) -> str:
    """The text with every sign that Markdown would take for its own escaped, outside of `code`."""
    parts = text.split("`")
    parts[::2] = [_SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)


_SIGNS = re.compile(r"[\\*<>\[\]|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""An underscore within a word is no sign."""


def _where(one: Expectation) -> str:
    axes = {"scenario": one.scenario, **{axis.value: getattr(one, axis.value) for axis in Axis}}
    told = [f"{axis} {_names(names)}" for axis, names in axes.items() if names != ("*",)]
    return "; ".join(told)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _first_cells(registry: Registry, known: Sequence[Expectation]) -> dict[str, tuple[str, Cell]]:
    """One cell that each expectation selects, with its file: the first that is not slow, else the first."""
    found: dict[str, tuple[str, Cell]] = {}
    selection = Selection(MarkExpression(""), broker_of=registry.broker_of, slow=True)
    for scenario in questions.scenarios():
        wanted = [one for one in known if any(_may_name(name, scenario.name) for name in one.scenario)]
        if not wanted:
            continue
        file = scenario.module.replace(".", "/") + ".py"
        for cell in matrix.multiply(scenario, registry.names, selection):
            for one in wanted:
                better = one.id not in found or (found[one.id][1].slow and not cell.slow)
                if better and one.selects(cell):
                    found[one.id] = (file, cell)
    return found


def _may_name(pattern: str, name: str) -> bool:
    return pattern == name or any(sign in pattern for sign in "*?[!")


def outdated(path: Path, text: str) -> bool:
    """Whether a file is not what the expectation files make of it now."""
    return not path.exists() or path.read_text(encoding="utf-8") != text
