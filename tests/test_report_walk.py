"""A walk through the HTML report in a real browser: what a reader sees equals what the run log says.

Every expected answer is computed from the log. `ROUNDTRIP_WALK_LOG=run.jsonl` walks the report of that run
instead of the synthetic one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from harness.report.html import write_html
from harness.report.model import (
    OUTCOMES,
    VERDICTS,
    in_matrix,
    observed,
    printable,
    said,
    serializer_order,
    worst,
)
from harness.runlog import ObservationRecord, RunLog, read
from harness.verdict import Outcome, Verdict
from tests import sample_log

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install playwright", exc_type=ImportError
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SQUARE = ("backend", "serializer", "compression", "broker", "pool")
"""The axes of the matrix: in what the cells of one square agree."""
GLYPHS = {meaning.glyph: outcome for outcome, meaning in OUTCOMES.items()}


class Reader:
    """Somebody with the report open, and everything that the browser did meanwhile."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._asked)
        page.on("request", lambda request: self.requests.append(request.url))
        page.set_default_timeout(30_000)  # a bound against hanging

    def _heard(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def _asked(self, dialog: Any) -> None:
        """Only hostile text that ran would open one."""
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, fragment: str = "") -> None:
        self.page.goto("about:blank")  # else a new fragment would not load the page again
        self.page.goto(self.address + fragment)

    def close(self) -> None:
        """Close the drawer. By script: the button is pressed once, elsewhere, and a real click waits."""
        self.page.evaluate("document.getElementById('close').click()")

    def square(self, seen: ObservationRecord) -> Any:
        """The square of the matrix, or of the questions where the matrix has none, that counts the cell."""
        if in_matrix(seen):
            where = "".join(f"[data-{axis}={_css(seen.cell[axis])}]" for axis in SQUARE)
            return self.page.locator(f"#grid button{where}")
        return self.answer(seen)

    def answer(self, seen: ObservationRecord) -> Any:
        """The mark of the questions that counts the cell; its family is unfolded."""
        self.unfold()
        scenario, backend = _css(seen.scenario), _css(seen.cell["backend"])
        return self.page.locator(f"#questions button[data-scenario={scenario}][data-backend={backend}]")

    def unfold(self) -> None:
        """Unfold every family of questions."""
        self.page.evaluate("document.querySelectorAll('.family').forEach(e => e.open = true)")

    def part(self, name: str) -> Any:
        return self.page.locator(f"#evidence [data-part={name}]")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> RunLog:
    given = os.environ.get("ROUNDTRIP_WALK_LOG")
    return read(given or sample_log.write(tmp_path_factory.mktemp("walk") / "run.jsonl"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(log: RunLog, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_html(log, tmp_path_factory.mktemp("walk") / "report.html").as_uri()


@pytest.fixture(scope="module")
def window(browser: Any, report: str) -> Iterator[Reader]:
    """One browser window for all walks: each opens the report anew."""
    context = browser.new_context(reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield Reader(context.new_page(), report)
    context.close()


@pytest.fixture
def reader(window: Reader) -> Iterator[Reader]:
    """A reader; afterwards the page must have complained of nothing and asked for nothing but itself."""
    window.complaints.clear()
    window.requests.clear()
    window.page.set_viewport_size({"width": 1280, "height": 800})
    window.open()
    yield window
    assert window.complaints == []
    asked = {address.partition("#")[0] for address in window.requests}
    assert asked <= {window.address, "about:blank", "data:,"}


def _css(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _square_of(seen: ObservationRecord) -> tuple[str, ...]:
    """What the cells that one square counts together have in common."""
    if in_matrix(seen):
        return tuple(seen.cell[axis] for axis in SQUARE)
    return seen.scenario, seen.cell["backend"]


def _squares(log: RunLog) -> dict[tuple[str, ...], list[ObservationRecord]]:
    """The cells of every square of both tables."""
    squares: dict[tuple[str, ...], list[ObservationRecord]] = {}
    for seen in log.observations:
        squares.setdefault(_square_of(seen), []).append(seen)
    return squares


def _one_of_each_verdict(log: RunLog) -> list[ObservationRecord]:
    """The cells to walk: for every verdict the first matrix cell, and the first cell outside the matrix."""
    found: dict[object, ObservationRecord] = {}
    for seen in log.observations:
        found.setdefault((seen.verdict, seen.outcome, in_matrix(seen)), seen)
    return list(found.values())


def _show_all(reader: Reader) -> None:
    """Press Show more until there is no more. By script: a real click waits, and a list may need many."""
    reader.page.evaluate(
        """() => {
            const more = () => [...document.querySelectorAll('#cells .group > button')]
                .find(button => button.checkVisibility());
            for (let button = more(); button; button = more()) button.click();
        }"""
    )


def _open_by_script(reader: Reader, button: Any) -> set[str]:
    """Open what the button lists, all of it, and close it again: the ids of the cells."""
    button.evaluate("button => button.click()")
    _show_all(reader)
    listed = set(_listed(reader, "#cells"))
    reader.close()
    return listed


def _told(text: str) -> Counter[Outcome]:
    """What a square says: signs and numbers."""
    pairs = re.findall(rf"([{''.join(GLYPHS)}])\s*([\d,]+)", text)
    return Counter({GLYPHS[glyph]: int(number.replace(",", "")) for glyph, number in pairs})


def _expect_evidence(reader: Reader, seen: ObservationRecord) -> None:
    """The open panel shows this cell, as the log has it."""
    panel = reader.page.locator("#evidence")
    assert panel.get_attribute("data-cell-id") == printable(seen.cell_id)
    assert panel.get_attribute("data-verdict") == seen.verdict
    assert panel.get_attribute("data-outcome") == seen.outcome
    assert panel.get_attribute("data-blame") == seen.blame
    said = panel.text_content()
    assert VERDICTS[seen.verdict].text in said
    assert printable(seen.detail) in said
    assert printable(seen.nodeid) in said
    assert not seen.blame or f"blame: {seen.blame}" in said
    assert reader.page.locator("#repro").text_content() == printable(seen.repro)
    for name, value in (("oracle", seen.oracle), *((n, seen.evidence.get(n)) for n in ("sent", "received"))):
        shown = reader.part(name)
        assert shown.count() == (value is not None)
        if isinstance(value, str):
            assert shown.locator("pre").text_content() == printable(value)
    if difference := seen.evidence.get("difference"):
        for name in ("path", "kind", "sent", "received"):
            shown = reader.part("difference").locator(f"[data-field={name}]").text_content()
            assert shown == printable(difference[name])
        marked = reader.part("difference").locator("mark").all_text_contents()
        assert len(marked) == 2
        assert marked[0] != marked[1] or difference["sent"] == difference["received"]
    if at_rest := seen.evidence.get("at_rest"):
        _expect_at_rest(reader, at_rest)
    if error := seen.evidence.get("error"):
        shown = reader.part("error").text_content()
        assert all(
            printable(error[name]) in shown for name in ("type", "message", "phase") if error.get(name)
        )
    if events := seen.evidence.get("events"):
        shown = reader.part("events").locator("li").all_text_contents()
        assert len(shown) == len(events)
        assert all(event["event"] in line for event, line in zip(events, shown, strict=True))
    if lines := seen.evidence.get("worker_log"):
        assert reader.part("worker_log").locator("pre").text_content() == printable("\n".join(lines))
    if remedy := (seen.evidence.get("facts") or {}).get("remedy"):
        assert reader.part("remedy").locator("code").text_content() == printable(remedy)
    for name, value in seen.evidence.items():
        assert reader.part(name).count() == (value is not None), f"evidence {name} has its place"


def _expect_at_rest(reader: Reader, at_rest: dict[str, Any]) -> None:
    shown = reader.part("at_rest").text_content()
    assert printable(at_rest["place"]) in shown
    assert f"{at_rest['size']:,} bytes" in shown
    if at_rest.get("hex"):
        lines = reader.part("at_rest").locator("pre.hex").text_content().splitlines()
        assert "".join(line[6:53].replace(" ", "") for line in lines) == at_rest["hex"]
        assert [line[:4] for line in lines] == [f"{16 * n:04x}" for n in range(len(lines))]


def _shown(buttons: Any) -> list[dict[str, str]]:
    """What each button says and carries. Read at once: a locator looks through the whole page each time."""
    shown: list[dict[str, str]] = buttons.evaluate_all(
        "all => all.map(b => ({...b.dataset, text: [...b.childNodes].map(n => n.textContent).join(' ')}))"
    )
    return shown


def test_every_square_says_what_the_log_says(reader: Reader, log: RunLog) -> None:
    squares = {
        tuple(map(printable, place)): cells for place, cells in _squares(log).items() if in_matrix(cells[0])
    }
    shown = _shown(reader.page.locator("#grid .square"))
    assert len(shown) == len(squares)
    assert {tuple(square[axis] for axis in SQUARE) for square in shown} == squares.keys()
    for square in shown:
        found = Counter(seen.outcome for seen in squares[tuple(square[axis] for axis in SQUARE)])
        assert _told(square["text"]) == found
        assert square["outcome"] == worst(found)
        assert square["text"].startswith(OUTCOMES[worst(found)].glyph), "a sign, not colour alone"


def test_every_answer_says_what_the_log_says(reader: Reader, log: RunLog) -> None:
    asked: dict[tuple[str, str], list[ObservationRecord]] = {}
    for seen in log.observations:
        asked.setdefault((printable(seen.scenario), printable(seen.cell["backend"])), []).append(seen)
    reader.unfold()
    shown = _shown(reader.page.locator("#questions .answer"))
    assert len(shown) == len(asked)
    assert {(answer["scenario"], answer["backend"]) for answer in shown} == asked.keys()
    for answer in shown:
        cells = asked[answer["scenario"], answer["backend"]]
        outcomes = Counter(seen.outcome for seen in cells)
        outcome = worst(outcomes)
        verdict = Verdict(answer["verdict"])
        assert answer["outcome"] == outcome
        assert verdict in {seen.verdict for seen in cells if seen.outcome is outcome}
        assert answer["text"].split() == [VERDICTS[verdict].glyph, f"{outcomes[outcome]:,}"]


def test_a_reader_walks_from_the_grid_to_the_evidence(reader: Reader, log: RunLog) -> None:
    squares = _squares(log)
    for seen in _one_of_each_verdict(log):
        reader.square(seen).click()
        _show_all(reader)
        listed = _listed(reader, "#cells")
        assert Counter(listed) == Counter(printable(one.cell_id) for one in squares[_square_of(seen)])
        button = reader.page.locator(f"#cells button[data-cell-id={_css(seen.cell_id)}]").first
        assert button.get_attribute("data-verdict") == seen.verdict
        assert button.inner_text().startswith(VERDICTS[seen.verdict].glyph)
        button.click()
        _expect_evidence(reader, seen)
        reader.close()


def test_deviations_come_first_then_what_the_serializer_changed(reader: Reader, log: RunLog) -> None:
    most = max(_squares(log).values(), key=lambda cells: len({(one.outcome, one.verdict) for one in cells}))
    reader.square(most[0]).click()
    _show_all(reader)
    order = {Outcome.FAILED: 0, Outcome.EXPECTED: 1, Outcome.SKIPPED: 4}
    ranks = [
        order.get(Outcome(button["outcome"]), 3 if button["verdict"] == Verdict.EXACT else 2)
        for button in reader.page.locator("#cells button.cell").evaluate_all(
            "all => all.map(b => ({...b.dataset}))"
        )
    ]
    assert ranks == sorted(ranks)
    assert len(ranks) == len(most)


def test_previous_next_and_back_walk_the_list(reader: Reader, log: RunLog) -> None:
    reader.square(max(_squares(log).values(), key=len)[0]).click()
    _show_all(reader)
    ids = _listed(reader, "#cells")
    reader.page.locator("#cells button.cell").first.click()
    reader.page.locator("#next").click()
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == ids[1]
    reader.page.locator("#previous").click()
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == ids[0]
    assert reader.page.locator("#previous").is_disabled()
    reader.page.locator("#back").click()
    first = reader.page.locator("#cells button.cell").first
    assert first.evaluate("button => button === document.activeElement"), "where the reader left the list"
    reader.page.locator("#close").click()
    playwright.expect(reader.page.locator("#drawer")).to_be_hidden()


def test_the_repro_command_is_copied(reader: Reader, log: RunLog) -> None:
    seen = log.observations[-1]
    reader.open("#cell=" + quote(seen.cell_id, safe=""))
    reader.page.locator("#copy").click()
    playwright.expect(reader.page.locator("#copy")).to_have_text("\u2713 Copied")
    playwright.expect(reader.page.locator("#announce")).to_have_text("Copied to the clipboard")
    assert reader.page.evaluate("navigator.clipboard.readText()") == seen.repro


def test_the_repro_command_is_copied_where_the_clipboard_api_is_denied(reader: Reader, log: RunLog) -> None:
    seen = log.observations[0]
    reader.open("#cell=" + quote(seen.cell_id, safe=""))
    reader.page.evaluate(
        "() => { navigator.clipboard.writeText = async () => { throw new Error('denied'); }; }"
    )
    reader.page.locator("#copy").click()
    playwright.expect(reader.page.locator("#copy")).to_have_text("\u2713 Copied")
    assert reader.page.evaluate("navigator.clipboard.readText()") == seen.repro


def test_where_nothing_can_be_copied_the_command_is_selected(reader: Reader, log: RunLog) -> None:
    seen = log.observations[0]
    reader.open("#cell=" + quote(seen.cell_id, safe=""))
    reader.page.evaluate(
        "() => { navigator.clipboard.writeText = async () => { throw new Error('denied'); };"
        " document.execCommand = () => false; }"
    )
    reader.page.locator("#copy").click()
    playwright.expect(reader.page.locator("#copy")).to_have_text("Selected: press Ctrl+C")
    assert reader.page.evaluate("getSelection().toString()") == seen.repro


def test_a_link_opens_its_cell_and_an_opened_cell_is_linked(reader: Reader, log: RunLog) -> None:
    for seen in (log.observations[0], log.observations[-1]):
        reader.open("#cell=" + quote(seen.cell_id, safe=""))
        _expect_evidence(reader, seen)
        assert reader.page.evaluate("decodeURIComponent(location.hash)") == f"#cell={seen.cell_id}"
    reader.page.keyboard.press("Escape")
    playwright.expect(reader.page.locator("#drawer")).to_be_hidden()
    assert reader.page.evaluate("location.hash") == ""


def test_a_link_to_no_cell_says_so(reader: Reader) -> None:
    reader.open("#cell=test_nothing%5Bnowhere%5D")
    playwright.expect(reader.page.locator("#drawer")).to_contain_text("no cell test_nothing[nowhere]")


def test_everything_is_reached_by_keyboard(reader: Reader, log: RunLog) -> None:
    seen = next(one for one in log.observations if in_matrix(one))
    reader.square(seen).focus()
    reader.page.keyboard.press("Enter")
    first = reader.page.locator("#cells button.cell").first
    for _ in range(12):
        reader.page.keyboard.press("Tab")
        if first.evaluate("button => button === document.activeElement"):
            break
    assert first.evaluate("button => getComputedStyle(button).outlineStyle") != "none", "the focus is seen"
    wanted = first.get_attribute("data-cell-id")
    reader.page.keyboard.press("Enter")
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == wanted
    reader.page.keyboard.press("Escape")
    assert reader.square(seen).evaluate("button => button === document.activeElement"), "focus comes back"


def test_the_values_view_shows_the_verdict_of_every_store(reader: Reader, log: RunLog) -> None:
    cells: dict[tuple[str, str, str], list[ObservationRecord]] = {}
    for seen in log.observations:
        if "value" in seen.cell and seen.cell["compression"] == "uncompressed":
            place = (seen.cell["value"], seen.cell["backend"], seen.cell["serializer"])
            cells.setdefault(place, []).append(seen)
    if not cells:
        pytest.skip("the run log has no value at rest uncompressed")
    reader.page.locator("table.values").wait_for()
    shown = {
        (button["value"], button["backend"], button["serializer"]): button
        for button in reader.page.locator("table.values button").evaluate_all(
            "all => all.map(b => ({...b.dataset, text: b.textContent}))"
        )
    }
    assert shown.keys() == {tuple(map(printable, place)) for place in cells}
    for place, found in cells.items():
        button = shown[printable(place[0]), printable(place[1]), printable(place[2])]
        outcome = worst(Counter(one.outcome for one in found))
        assert button["outcome"] == outcome
        assert button["verdict"] in {one.verdict for one in found if one.outcome is outcome}
        assert button["text"] == VERDICTS[Verdict(button["verdict"])].glyph


def test_the_values_view_narrows_to_where_stores_differ(reader: Reader, log: RunLog) -> None:
    seen: dict[tuple[str, str], dict[str, ObservationRecord]] = {}
    for one in log.observations:
        ran = one.verdict is not Verdict.NOT_RUN
        if ran and "value" in one.cell and one.cell["compression"] == "uncompressed":
            row = seen.setdefault((one.cell["value"], one.cell["serializer"]), {})
            if one.cell["backend"] in row:
                pytest.skip("several scenarios ask the same value in this log")
            row[one.cell["backend"]] = one
    differing = {
        value
        for (value, _), row in seen.items()
        if len({(one.verdict, one.outcome) for one in row.values()}) > 1
    }
    reader.page.locator("#only-differing").check()
    rows = reader.page.locator("table.values tbody tr")
    assert rows.count() == len(differing)
    for value in differing:
        assert reader.page.locator(f"table.values button[data-value={_css(value)}]").count() > 0


def test_a_value_opens_its_evidence(reader: Reader, log: RunLog) -> None:
    seen = next(
        (o for o in log.observations if "value" in o.cell and o.cell["compression"] == "uncompressed"), None
    )
    if seen is None:
        pytest.skip("the run log has no value at rest uncompressed")
    where = "".join(f"[data-{name}={_css(seen.cell[name])}]" for name in ("value", "backend", "serializer"))
    reader.page.locator(f"table.values button{where}").click()
    playwright.expect(reader.page.locator("#drawer")).to_be_visible()
    if reader.page.locator("#cells").count():
        reader.page.locator(f"#cells button[data-cell-id={_css(seen.cell_id)}]").click()
    _expect_evidence(reader, seen)


def test_failures_deviations_and_reasons_list_their_cells(reader: Reader, log: RunLog) -> None:
    known: dict[str, set[str]] = {}
    reasons: dict[str, set[str]] = {}
    for seen in log.observations:
        if seen.expectation:
            known.setdefault(printable(seen.expectation), set()).add(printable(seen.cell_id))
        if seen.outcome is Outcome.SKIPPED:
            reasons.setdefault(printable(seen.detail or seen.reason), set()).add(printable(seen.cell_id))
    for button in reader.page.locator("#known button, #not-run button.square").element_handles():
        expectation, reason = button.get_attribute("data-expectation"), button.get_attribute("data-reason")
        cells = known.get(expectation or "", set()) | reasons.get(reason or "", set())
        assert _open_by_script(reader, button) == cells != set()
    counted = 0
    for button in reader.page.locator("#failures li button").element_handles():
        button.evaluate("button => button.click()")
        opened = reader.page.locator("#cells button.cell, #evidence")
        assert set(opened.evaluate_all("all => all.map(b => b.dataset.outcome)")) == {"failed"}
        counted += opened.count()
        reader.close()
    if reader.page.locator("#failures p button").count() == 0:
        assert counted == log.counts[Outcome.FAILED]


FACETS: dict[str, Callable[[ObservationRecord], str]] = {
    "outcome": lambda seen: seen.outcome,
    "verdict": lambda seen: seen.verdict,
    "blame": lambda seen: seen.blame or "none",
    "backend": lambda seen: seen.cell["backend"],
    "serializer": lambda seen: seen.cell["serializer"],
    "compression": lambda seen: seen.cell["compression"],
    "scenario": lambda seen: seen.scenario,
}
"""The filters, and what each looks at."""


def _fragment(reader: Reader) -> dict[str, str]:
    return dict(parse_qsl(reader.page.evaluate("location.hash")[1:]))


def _found(reader: Reader) -> int:
    """How many cells the page says that its filters let through."""
    return int(reader.page.locator("#found").inner_text().split()[0].replace(",", ""))


def _listed(reader: Reader, place: str = "#cell-list") -> list[str]:
    """The ids of the cells that the page, or its drawer (``#cells``), lists."""
    found: list[str] = reader.page.locator(f"{place} button.cell").evaluate_all(
        "all => all.map(b => b.dataset.cellId)"
    )
    return found


def _let_through(log: RunLog, **wanted: str) -> set[str]:
    return {
        printable(seen.cell_id)
        for seen in log.observations
        if all(FACETS[facet](seen) == point for facet, point in wanted.items())
    }


def _most_common(log: RunLog, facet: str) -> str:
    return Counter(map(FACETS[facet], log.observations)).most_common(1)[0][0]


@pytest.mark.parametrize("facet", FACETS)
def test_each_filter_lets_through_what_the_log_says(reader: Reader, log: RunLog, facet: str) -> None:
    assert _found(reader) == len(log.observations)
    numbers = Counter(map(FACETS[facet], log.observations))
    options = reader.page.locator(f"#filter-{facet} option").evaluate_all(
        "all => all.map(o => [o.value, o.text])"
    )
    told = {point: int(text.rpartition("(")[2].rstrip(")").replace(",", "")) for point, text in options[1:]}
    assert told == numbers, "each point says how many cells it has"
    point = numbers.most_common()[-1][0]
    reader.page.select_option(f"#filter-{facet}", point)
    assert _found(reader) == numbers[point]
    assert set(_listed(reader)) <= _let_through(log, **{facet: point})
    assert _fragment(reader) == {facet: point}


def test_filters_narrow_each_other_and_say_what_is_left(reader: Reader, log: RunLog) -> None:
    backend = _most_common(log, "backend")
    reader.page.select_option("#filter-backend", backend)
    verdicts = Counter(seen.verdict for seen in log.observations if seen.cell["backend"] == backend)
    rare = verdicts.most_common()[-1][0]
    told = reader.page.locator(f"#filter-verdict option[value={rare}]").inner_text()
    assert told == f"{rare} ({verdicts[rare]:,})"
    reader.page.select_option("#filter-verdict", rare)
    assert _found(reader) == verdicts[rare]
    assert _fragment(reader) == {"backend": backend, "verdict": rare}
    reader.page.locator("#filter-clear").click()
    assert _found(reader) == len(log.observations)
    assert _fragment(reader) == {}


def test_text_finds_cells_by_what_they_say(reader: Reader, log: RunLog) -> None:
    seen = next(one for one in log.observations if one.detail)
    words = [seen.cell["backend"].upper(), seen.scenario]
    reader.page.locator("#filter-q").press_sequentially(" ".join(words))
    cells = {
        printable(one.cell_id)
        for one in log.observations
        if all(
            word.lower() in "\n".join((one.cell_id, said(one), one.expectation or "", one.nodeid)).lower()
            for word in words
        )
    }
    assert _found(reader) == len(cells)
    assert set(_listed(reader)) <= cells
    reader.page.go_back()
    assert _found(reader) == len(log.observations), "one step back for one text, not for one letter"
    assert reader.page.locator("#filter-q").input_value() == ""


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("slowest", lambda seen: -round(seen.seconds, 4)),
        ("largest", lambda seen: -((seen.evidence.get("at_rest") or {}).get("size", -1))),
        ("backend", lambda seen: seen.cell["backend"]),
        ("serializer", lambda seen: serializer_order(seen.cell["serializer"])),
        ("verdict", lambda seen: list(VERDICTS).index(seen.verdict)),
    ],
)
def test_cells_are_sorted(
    reader: Reader, log: RunLog, order: str, key: Callable[[ObservationRecord], Any]
) -> None:
    reader.page.select_option("#filter-sort", order)
    known = {printable(seen.cell_id): seen for seen in log.observations}
    shown = [key(known[cell_id]) for cell_id in _listed(reader)]
    assert shown == sorted(map(key, log.observations))[: len(shown)]
    assert _fragment(reader) == {"sort": order}


def test_the_back_button_undoes_step_by_step(reader: Reader, log: RunLog) -> None:
    backend, serializer = _most_common(log, "backend"), _most_common(log, "serializer")
    reader.page.select_option("#filter-backend", backend)
    reader.page.select_option("#filter-serializer", serializer)
    both = _let_through(log, backend=backend, serializer=serializer)
    first = _listed(reader)[0]
    reader.page.locator("#cell-list button.cell").first.click()
    assert _fragment(reader) == {"backend": backend, "serializer": serializer, "cell": first}
    reader.page.go_back()
    playwright.expect(reader.page.locator("#drawer")).to_be_hidden()
    assert _found(reader) == len(both)
    reader.page.go_back()
    assert _found(reader) == len(_let_through(log, backend=backend))
    assert reader.page.locator("#filter-serializer").input_value() == ""
    reader.page.go_back()
    assert _found(reader) == len(log.observations)
    reader.page.go_forward()
    assert _found(reader) == len(_let_through(log, backend=backend))


def test_a_shared_link_shows_what_its_sender_saw(reader: Reader, log: RunLog) -> None:
    backend = _most_common(log, "backend")
    reader.page.select_option("#filter-backend", backend)
    reader.page.select_option("#filter-sort", "slowest")
    listed = _listed(reader)
    reader.page.locator("#cell-list button.cell").nth(1).click()
    link = reader.page.evaluate("location.hash")
    reader.open(link)
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == listed[1]
    reader.page.locator("#next").click()
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == listed[2], "the sender's order"
    reader.page.locator("#close").click()
    assert _listed(reader) == listed
    assert reader.page.evaluate("location.hash") == f"#backend={backend}&sort=slowest"


def test_a_link_holds_an_open_square_and_a_cell_in_it(reader: Reader, log: RunLog) -> None:
    cells = max(_squares(log).values(), key=len)
    reader.square(cells[0]).click()
    title = reader.page.locator("#drawer-title").inner_text()
    reader.open(reader.page.evaluate("location.hash"))
    assert reader.page.locator("#drawer-title").inner_text() == title
    button = reader.page.locator("#cells button.cell").first
    wanted = button.get_attribute("data-cell-id")
    button.click()
    reader.open(reader.page.evaluate("location.hash"))
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == wanted
    reader.page.locator("#back").click()
    assert reader.page.locator("#drawer-title").inner_text() == title
    reader.page.go_back()
    assert reader.page.locator("#evidence").get_attribute("data-cell-id") == wanted


def test_a_link_keeps_how_the_values_are_shown(reader: Reader, log: RunLog) -> None:
    if not any("value" in seen.cell for seen in log.observations):
        pytest.skip("the run log has no value")
    reader.page.locator("#value-controls [data-segment=json]").click()
    reader.page.locator("#only-differing").check()
    rows = reader.page.locator("table.values tbody tr").count()
    reader.open(reader.page.evaluate("location.hash"))
    reader.page.locator("#value-controls").wait_for()
    assert reader.page.locator("#only-differing").is_checked()
    pressed = reader.page.locator("#value-controls [aria-pressed=true]")
    assert pressed.get_attribute("data-segment") == "json"
    assert reader.page.locator("table.values tbody tr").count() == rows


@pytest.mark.parametrize(
    "link", ["#backend=nobody", "#open=nothing&open.x=1", "#verdict=%E0%A4%A", "#=&&a=b"]
)
def test_a_link_that_makes_no_sense_breaks_nothing(reader: Reader, log: RunLog, link: str) -> None:
    reader.open(link)
    unknown = link.startswith(("#backend", "#verdict"))
    assert _found(reader) == (0 if unknown else len(log.observations))
    playwright.expect(reader.page.locator("#drawer")).to_be_hidden()


def test_a_section_of_the_page_is_no_state(reader: Reader, log: RunLog) -> None:
    backend = _most_common(log, "backend")
    reader.page.select_option("#filter-backend", backend)
    reader.page.locator("nav a[href='#legend']").click()
    assert _found(reader) == len(_let_through(log, backend=backend))


def test_capabilities_list_the_cells_that_saw_them(reader: Reader, log: RunLog) -> None:
    buttons = reader.page.locator("#declared button").element_handles()
    if not buttons:
        pytest.skip("no cell of the run log observed a capability")
    saw: dict[tuple[str, str], set[str]] = {}
    for seen in log.observations:
        for flag in observed(seen):
            saw.setdefault((seen.cell["backend"], flag), set()).add(printable(seen.cell_id))
    for button in buttons:
        place = button.get_attribute("data-backend"), button.get_attribute("data-flag")
        assert _open_by_script(reader, button) == saw[place]


def test_a_narrow_screen_shows_every_section_without_scrolling_sideways(reader: Reader) -> None:
    reader.page.set_viewport_size({"width": 380, "height": 800})
    reader.page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    wide, seen = reader.page.locator("html").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide <= seen


def test_a_narrow_screen_shows_the_same_without_scrolling_sideways(reader: Reader, log: RunLog) -> None:
    reader.page.set_viewport_size({"width": 380, "height": 800})
    reader.open("#cell=" + quote(log.observations[0].cell_id, safe=""))
    reader.page.locator("#evidence").wait_for()
    for element in ("html", "#drawer-body"):
        wide, seen = reader.page.locator(element).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert wide <= seen, element


def test_thirty_thousand_cells_open_without_waiting(browser: Any, tmp_path: Path) -> None:
    big = read(sample_log.write(tmp_path / "big.jsonl", cells=30_000))
    path = write_html(big, tmp_path / "big.html")
    context = browser.new_context(reduced_motion="reduce")
    reader = Reader(context.new_page(), path.as_uri())
    reader.open()
    seconds = reader.page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
    reader.page.locator("table.values").wait_for()
    cells = max(_squares(big).values(), key=len)
    reader.square(cells[0]).click()
    listed = reader.page.locator("#cells button.cell")
    assert listed.count() < len(cells), "a long list is shown in parts"
    _show_all(reader)
    assert listed.count() == len(cells)
    assert reader.complaints == []
    context.close()
    assert path.stat().st_size < 15e6
    assert seconds < 10, "a bound against hanging; the measured time is far below"
