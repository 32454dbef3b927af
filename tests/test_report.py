"""The HTML report and the terminal's: what they say is what the log says, and hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.report import charts, model, text
from harness.report.html import _promise, embedded, render_html, write_html
from harness.runlog import LogUnwritable, ObservationRecord, RunLog, read
from harness.verdict import Blame, Outcome, Verdict
from tests import sample_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> RunLog:
    return read(sample_log.write(tmp_path_factory.mktemp("report") / "run.jsonl"))


@pytest.fixture(scope="module")
def page(log: RunLog) -> str:
    return render_html(log)


class _Page(HTMLParser):
    """Elements, attributes and the contents of scripts and styles, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._inside: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw.append((self._inside, data))
        else:
            self.words.append(data)


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_hostile_text_is_text(page: str) -> None:
    assert sample_log.HOSTILE not in page
    seen = _Page(page)
    assert not [tag for tag, _ in seen.elements if tag == "img"]
    assert not [name for _, attributes in seen.elements for name in attributes if name.startswith("on")]
    assert len([tag for tag, _ in seen.elements if tag == "script"]) == 2
    assert sample_log.HOSTILE in " ".join(seen.words), "it is shown all the same"


def test_characters_that_act_on_the_page_are_spelled_out() -> None:
    assert model.printable(sample_log.NULS) == "before\\x00after \\x1b[31mred\\x1b[0m \\u202egnirts"
    assert model.printable("tab\tline\n\ud800") == "tab\tline\n\\ud800"


def test_embedded_json_ends_no_element_and_starts_no_comment() -> None:
    value = {"</script>": "<!-- & -->\u2028\u00e9"}
    assert not set("<>&") & set(embedded(value))
    assert embedded(value).isascii()
    assert json.loads(embedded(value)) == value


def test_the_page_needs_nothing_else(page: str) -> None:
    for tag, attributes in _Page(page).elements:
        assert not {"src", "srcset", "style"} & attributes.keys(), tag
        if tag == "a":  # only a click asks for anything
            assert (attributes.get("href") or "#").startswith(("#", "https://")), attributes
        else:
            assert (attributes.get("href") or "#").startswith(("#", "data:,")), attributes
    style = "".join(content for tag, content in _Page(page).raw if tag == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_this_script_and_style_and_no_connection(page: str) -> None:
    policy = next(
        a["content"] for _, a in _Page(page).elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        content = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
        assert len(content) == 1
        digest = base64.b64encode(hashlib.sha256(content[0].encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_the_sentence_counts_what_the_log_counts(log: RunLog, page: str) -> None:
    found = Counter(seen.outcome for seen in log.observations)
    said = (
        f"{sum(found.values()):,} cells: {found[Outcome.PASSED]:,} passed, "
        f"{found[Outcome.EXPECTED]:,} expected deviations, {found[Outcome.FAILED]:,} failed, "
        f"{found[Outcome.SKIPPED]:,} not run"
    )
    assert said in page
    assert model.sentence({Outcome.PASSED: 1, Outcome.EXPECTED: 0}) == (
        "1 cell: 1 passed, 0 expected deviations, 0 failed, 0 not run"
    )
    assert model.sentence({}) == "No cell was judged."


def test_the_questions_count_every_observation_once(log: RunLog) -> None:
    families = model.build(log).families
    counted: Counter[Outcome] = Counter()
    for family in families:
        counted += family.tally.counts
    assert counted == Counter(seen.outcome for seen in log.observations)
    scenarios = [row.scenario for family in families for row in family.rows]
    assert sorted(scenarios) == sorted({seen.scenario for seen in log.observations})


def test_the_matrix_counts_what_varies_serializer_and_compression(log: RunLog) -> None:
    counted: Counter[Outcome] = Counter()
    for row in model.build(log).matrix:
        for tally in row.tallies:
            counted += tally.counts if tally else Counter()
    varied = [seen for seen in log.observations if model.in_matrix(seen)]
    assert counted == Counter(seen.outcome for seen in varied)
    assert 0 < len(varied) < len(log.observations)


def test_the_notes_own_claims_stand_together_with_what_became_of_each(log: RunLog, page: str) -> None:
    report = model.build(log)
    notes = next(family for family in report.families if family.name == "notes")
    assert notes.title == "The notes' own claims"
    (row,) = notes.rows
    assert row.promise == sample_log.CLAIM
    told = dict(zip(report.backends, row.backends, strict=True))
    assert told["cassandra"] is None
    assert {name: found.verdict for name, found in told.items() if found} == {
        name: Verdict.ALTERED if name == "memcached" else Verdict.EXACT for name in sample_log.BACKENDS
    }
    section = html.unescape(page.partition('id="family-notes"')[2].partition("</details>")[0])
    assert sample_log.CLAIM in section
    assert sample_log.DOCS in section
    assert "javascript:" not in page, "a link that is no https address is none"


def test_code_in_a_promise_is_code_and_the_rest_is_text() -> None:
    assert _promise("``a<b`` & <c>") == "<code>a&lt;b</code> &amp; &lt;c&gt;"
    assert _promise("one `` alone") == "one <code> alone</code>"


def test_an_answer_is_the_most_frequent_verdict_of_the_worst_outcome(log: RunLog) -> None:
    def seen(verdict: Verdict, outcome: Outcome) -> ObservationRecord:
        return log.observations[0].model_copy(update={"verdict": verdict, "outcome": outcome})

    cells = [seen(Verdict.EXACT, Outcome.PASSED)] * 5 + [seen(Verdict.LOST, Outcome.FAILED)] * 2
    for also, verdict in ((Verdict.EXPOSED, Verdict.LOST), (Verdict.LOST, Verdict.LOST)):
        found = [*cells, seen(also, Outcome.FAILED)]
        ((row,),) = [f.rows for f in model.build(RunLog(log.path, log.header, observations=found)).families]
        (answer,) = row.backends
        assert answer is not None
        assert (answer.verdict, answer.tally.worst) == (verdict, Outcome.FAILED)


def test_the_families_of_a_log_that_names_no_scenario_are_those_of_its_files(log: RunLog) -> None:
    silent = RunLog(log.path, log.header, observations=log.observations)
    (family,) = model.build(silent).families
    assert (family.name, family.title) == ("sample", "Sample")


def test_what_is_declared_is_held_against_what_was_seen(log: RunLog) -> None:
    report = model.build(log)
    (expires, persistent, join) = report.capabilities
    assert [one.flag for one in report.capabilities] == [
        "supports_autoexpire", "persistent", "supports_native_join",
    ]  # fmt: skip
    assert (expires.asked, persistent.asked, join.asked) == (True, False, False)
    told = dict(zip(report.backends, expires.backends, strict=True))
    assert {name: one.agrees for name, one in told.items()} == {
        "cassandra": None,  # nothing declared, nothing seen
        "django-db": False,  # declared: no, seen in all cells
        "memcached": True,
        "postgresql": True,
        "redis": True,
        "rpc": False,  # declared: yes, and one cell saw its absence
    }
    assert told["rpc"].seen == {True: 3, False: 1}
    assert all(one.agrees is None for one in join.backends), "nobody looked"


def test_sizes_are_those_at_rest_of_one_value_everywhere(log: RunLog) -> None:
    sizes = {(one.backend, one.serializer, one.compression): one for one in model.build(log).sizes}
    assert len(sizes) == len(sample_log.BACKENDS) * 4 * 3
    stored = next(seen for seen in log.observations if seen.scenario == "test_stored_as_configured")
    assert sizes["django-db", "json", "uncompressed"].middle == stored.evidence["at_rest"]["size"]
    assert all(one.cells == 1 for one in sizes.values()), "deviating values store something else"


def test_times_leave_out_what_failed_or_did_not_run(log: RunLog) -> None:
    times = {one.backend: one for one in model.build(log).times}
    assert times.keys() == set(sample_log.BACKENDS)
    cells = sorted(
        seen.seconds
        for seen in log.observations
        if model.in_matrix(seen)
        and seen.cell["backend"] == "redis"
        and seen.outcome in (Outcome.PASSED, Outcome.EXPECTED)
        and seen.seconds > 0
    )
    assert times["redis"].cells == len(cells)
    assert times["redis"].low < times["redis"].middle < times["redis"].high < cells[-1]


def test_a_chart_shows_every_backend_and_number(log: RunLog) -> None:
    report = model.build(log)
    drawn = dict(charts.sizes(report.sizes))
    assert list(drawn) == list(sample_log.SERIALIZERS)
    for one in report.sizes:
        told = f"{one.backend}, {one.serializer}, {one.compression}: {one.middle:,.0f} bytes"
        assert told in drawn[one.serializer]
    drawing = charts.times(report.times)
    assert drawing is not None
    assert all(f"{one.backend}: median " in drawing for one in report.times)
    assert charts.sizes([]) == []
    assert charts.times([]) is None


def test_the_marks_of_a_chart_stand_in_the_order_of_their_numbers() -> None:
    measured = [model.Measured("b", "json", codec, 1, n, n, n) for codec, n in (("zlib", 10), ("gzip", 40))]
    ((_, drawn),) = charts.sizes(measured)
    places = [float(x) for x in re.findall(r'class="mark-\d" d="M ([\d.]+)', drawn)]
    assert places == sorted(places)
    zero, last = charts.LEFT, charts.WIDTH - 14
    assert places == [pytest.approx(zero + (last - zero) * n / 40) for n in (10, 40)]


def test_a_square_counts_its_own_cells(log: RunLog) -> None:
    report = model.build(log)
    for row in report.matrix:
        for codec, tally in zip(report.codecs, row.tallies, strict=True):
            wanted = (row.place.backend, row.serializer, codec)
            cells = [
                seen.outcome
                for seen in log.observations
                if model.in_matrix(seen)
                and (seen.cell["backend"], seen.cell["serializer"], seen.cell["compression"]) == wanted
            ]
            assert (tally.counts if tally else Counter()) == Counter(cells)


@pytest.mark.parametrize(
    ("outcomes", "worst"),
    [
        ((Outcome.SKIPPED, Outcome.PASSED), Outcome.PASSED),
        ((Outcome.PASSED, Outcome.EXPECTED, Outcome.SKIPPED), Outcome.EXPECTED),
        ((Outcome.EXPECTED, Outcome.FAILED), Outcome.FAILED),
        ((Outcome.SKIPPED,), Outcome.SKIPPED),
    ],
)
def test_the_worst_outcome_stands_for_many_cells(outcomes: tuple[Outcome, ...], worst: Outcome) -> None:
    assert model.worst(Counter(outcomes)) is worst


def test_a_backend_asked_with_two_brokers_has_a_row_for_each(log: RunLog) -> None:
    first = next(seen for seen in log.observations if seen.cell["backend"] == "rpc" and model.in_matrix(seen))
    other = first.model_copy(update={"cell": {**first.cell, "broker": "rabbitmq"}})
    rows = model.build(RunLog(log.path, log.header, observations=[first, other])).matrix
    assert [row.note for row in rows] == ["broker rabbitmq, pool prefork", "broker redis, pool prefork"]


def test_embedded_cells_are_the_observations(log: RunLog, page: str) -> None:
    """Undoes the encoding as assets/report.js does, and holds it against the log."""
    data = _data(page)
    assert data["size"] == len(log.observations)

    def around(number: int, inner: str) -> str:
        parts = data["around"][number]
        return str(parts[0]) if len(parts) == 1 else parts[0] + inner + parts[1]

    for i, seen in enumerate(log.observations):
        row = {
            name: None if data["columns"][name][i] < 0 else table[data["columns"][name][i]]
            for name, table in data["tables"].items()
        }
        assert {k: row[k] for k in seen.cell} == seen.cell
        for name in ("scenario", "verdict", "blame", "outcome", "expectation", "detail", "reason", "oracle"):
            assert row[name] == getattr(seen, name)
        tail = data["ids"][i]
        cell_id = tail[1:] if tail[0] == "=" else f"{row['scenario']}{tail}"
        node = around(data["nodes"][i], cell_id)
        assert (cell_id, node, around(data["repros"][i], node)) == (seen.cell_id, seen.nodeid, seen.repro)
        parts = data["evidence"][i] or []
        evidence = {data["keys"][k]: data["blobs"][b] for k, b in zip(parts[::2], parts[1::2], strict=True)}
        assert evidence == json.loads(json.dumps(seen.evidence))
        assert data["axes"][data["declared"][i]] == seen.declared_axes


def test_names_that_follow_no_pattern_survive_the_encoding(log: RunLog) -> None:
    odd = log.observations[0].model_copy(
        update={"cell_id": "odd", "nodeid": "elsewhere", "repro": "make it so"}
    )
    data = model.build(RunLog(log.path, log.header, observations=[odd])).data
    assert (data["ids"], data["around"]) == (["=odd"], [["elsewhere"], ["make it so"]])


def test_a_complete_run_has_no_incomplete_banner(page: str) -> None:
    assert "Incomplete run" not in page
    assert "cut short" not in page
    assert "contradicts" not in page


def test_a_log_without_footer_is_called_incomplete(tmp_path: Path) -> None:
    path = sample_log.write(tmp_path / "run.jsonl", footer=False)
    assert "Incomplete run" in render_html(read(path))
    with path.open("ab") as file:
        file.write(b'{"kind": "obs')
    assert "cut off while it was written" in render_html(read(path))


def test_a_run_that_was_cut_short_says_why(tmp_path: Path) -> None:
    path = sample_log.write(tmp_path / "run.jsonl", cut_short="--maxfail <3> reached")
    assert "The run was cut short: --maxfail &lt;3&gt; reached" in render_html(read(path))


def test_a_footer_that_counts_otherwise_is_reported(tmp_path: Path) -> None:
    path = sample_log.write(tmp_path / "run.jsonl", footer=False)
    with path.open("a") as file:
        file.write('{"kind":"footer","ended":"2026-03-01T10:05:00+00:00","counts":{"passed":3}}\n')
    assert "The log contradicts itself: its footer counts 3 passed" in render_html(read(path))


def test_an_expectation_that_went_stale_says_so_and_not_what_the_cell_says(log: RunLog) -> None:
    stale = [found for found in model.build(log).failures if found.scenario == "test_unserializable_argument"]
    assert [found.said for found in stale] == [
        "stale expectation redis-argument says hung, but the promise held"
    ]


def test_failures_that_share_value_verdict_and_blame_stand_together(log: RunLog) -> None:
    failures = model.build(log).failures
    assert sum(found.cells for found in failures) == log.counts[Outcome.FAILED]
    codec = next(found for found in failures if found.blame is Blame.COMPRESSION)
    assert (codec.point, codec.backends) == ("complex", list(sample_log.BACKENDS))


def test_stand_ins_and_what_really_answered_are_shown(page: str) -> None:
    assert "Stand-in images served memcached" in page
    assert "Valkey 8.1.0" in page
    assert '<span class="tag">stand-in</span>' in page


def test_what_did_not_run_says_why_and_what_makes_it_run(log: RunLog, page: str) -> None:
    section = html.unescape(page.partition('<section id="not-run"')[2].partition("</section>")[0])
    for seen in log.observations:
        if seen.outcome is Outcome.SKIPPED:
            assert seen.detail in section
    assert sample_log.DRIVER in section, "from the cell's evidence"
    groups = {group.reason: group for group in model.build(log).not_run}
    assert groups["service cassandra: no image and no local form"].remedies == ["docker pull cassandra:5.0"]
    assert sum(group.cells for group in groups.values()) == log.counts[Outcome.SKIPPED]


def test_a_run_in_which_everything_ran_says_so(log: RunLog) -> None:
    ran = [seen for seen in log.observations if seen.outcome is not Outcome.SKIPPED]
    assert "Every selected cell ran." in render_html(RunLog(log.path, log.header, observations=ran))


def test_a_run_without_any_cell_is_a_report_too(log: RunLog) -> None:
    assert "No cell was judged." in render_html(RunLog(log.path, log.header))


def test_every_word_is_explained_and_every_sign_is_its_own(page: str) -> None:
    assert set(model.VERDICTS) == set(Verdict)
    assert set(model.BLAMES) == set(Blame)
    assert set(model.OUTCOMES) == set(Outcome)
    glyphs = [meaning.glyph for meaning in model.VERDICTS.values()]
    assert len(set(glyphs)) == len(glyphs)
    legend = html.unescape(page.partition('<section id="legend"')[2])
    for meaning in [*model.VERDICTS.values(), *model.BLAMES.values(), *model.OUTCOMES.values()]:
        assert meaning.text in legend


def test_a_report_that_cannot_be_written_says_so(log: RunLog, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnwritable, match=r"cannot write the report .*name another file"):
        write_html(log, tmp_path / "file" / "report.html")


def test_explain_tells_everything_about_a_cell_in_ascii(log: RunLog) -> None:
    seen = next(seen for seen in log.observations if seen.verdict is Verdict.UNREADABLE)
    said = text.explain(log, seen.cell_id)
    assert said.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", said)
    for wanted in (seen.cell_id, seen.repro, seen.nodeid, seen.expectation, "unreadable, blame", seen.oracle):
        assert text.ascii_only(wanted) in said
    for wanted in ("DecodeError", "Traceback", "succeeded", "celery-task-meta-", "7b 22 72 65", "0.0125"):
        assert wanted in said


def test_explain_tells_what_makes_a_cell_run(log: RunLog) -> None:
    assert "docker pull cassandra:5.0" in text.explain(
        log, "test_round_trip[cassandra-yaml-uncompressed-none]"
    )


def test_an_unknown_cell_is_answered_with_the_nearest(log: RunLog) -> None:
    with pytest.raises(text.UnknownCell) as caught:
        text.explain(log, "test_round_trip[redis-json-zlib-tupel]")
    assert "test_round_trip[redis-json-zlib-tuple]" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.nearest[0] == "test_round_trip[redis-json-zlib-tuple]"


def test_a_hex_dump_has_offsets_bytes_and_characters() -> None:
    assert text.hex_dump((b"\x00" * 16 + b"a\xff<").hex()) == [
        "0000  " + " ".join(["00"] * 16) + "  " + "." * 16,
        "0010  61 ff 3c" + " " * 39 + "  a.<",
    ]
    assert text.hex_dump("no hex") == ["no hex"]


def test_the_terminals_grid_counts_the_worst_and_is_aligned() -> None:
    cell = {"backend": "redis", "serializer": "json", "compression": "uncompressed"}
    pairs = [(cell, Outcome.PASSED)] * 148
    pairs += [({**cell, "compression": "zlib"}, Outcome.PASSED)] * 3
    pairs += [({**cell, "compression": "zlib"}, Outcome.FAILED)] * 2
    pairs += [({**cell, "serializer": "yaml"}, Outcome.EXPECTED)] * 12
    assert text.summary_grid(pairs) == [
        "backend/serializer  uncompressed  zlib",
        "redis/json          148 ok        2 FAIL of 5",
        "redis/yaml          12 exp        -",
    ]
    assert text.summary_grid([]) == []


def test_the_terminals_grid_stays_within_its_width_and_loses_nothing() -> None:
    cells = [
        {
            "backend": "backend-with-a-long-name" * 3,
            "serializer": "json",
            "compression": f"codec-number-{i}\u00e9",
        }
        for i in range(12)
    ]
    lines = text.summary_grid((cell, Outcome.PASSED) for cell in cells)
    assert max(map(len, lines)) <= text.WIDTH
    assert all(line.isascii() for line in lines)
    assert "\n".join(lines).count("1 ok") == 12
