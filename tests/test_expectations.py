"""Known deviations: they excuse exactly what they say, and go stale, overlap or misspell loudly."""

from __future__ import annotations

from pathlib import Path

import matrix_run
import pytest
from pydantic import ValidationError

from harness.expectations import BadExpectation, Expectation, Expectations, Overlap, files, read
from harness.matrix import Cell, Configuration
from harness.verdict import Axis, Blame, Verdict

ENTRY = {
    "id": "one",
    "scenario": "test_codec",
    "verdict": "ignored",
    "blame": "backend",
    "reason": "What a user sees, and why it is so.",
    "versions": ["celery>=5"],
    "link": "none-found",
    "workaround": "Do something else.",
}


def entry(**changes: object) -> str:
    """An expectation as TOML; a key that is None is left out."""
    table = {**ENTRY, **changes}
    lines = [f"{key} = {value!r}" for key, value in table.items() if value is not None]
    return "\n".join(["[[expectation]]", *lines, ""])


def expectation(**changes: object) -> Expectation:
    return Expectation.model_validate({**ENTRY, **changes})


def cell(scenario: str = "test_codec", **axes: str) -> Cell:
    points = {
        Axis.BACKEND: "sqlite",
        Axis.SERIALIZER: "json",
        Axis.COMPRESSION: "zlib",
        Axis.BROKER: "redis",
        Axis.POOL: "prefork",
        **{Axis(axis): point for axis, point in axes.items()},
    }
    configuration = Configuration(*(points[axis] for axis in list(points)[:5]))
    return Cell(scenario, configuration, points, "-".join(points.values()))


# -- selecting


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"scenario": "test_plain"}, False),
        ({"scenario": ["test_plain", "test_codec"]}, True),
        ({"scenario": "test_*"}, True),
        ({"backend": "sqlite"}, True),
        ({"backend": "redis"}, False),
        ({"backend": "!sqlite"}, False),
        ({"backend": "!redis"}, True),
        ({"backend": ["*", "!sqlite"]}, False),
        ({"backend": ["!sqlite", "*"]}, False),
        ({"backend": ["red*", "sql*"]}, True),
        ({"backend": ["red*", "!sql*"]}, False),
        ({"backend": "SQLITE"}, False),
        ({"serializer": ["json", "yaml"], "compression": "bzip2"}, False),
        ({"broker": "rabbitmq"}, False),
        ({"pool": "solo"}, False),
        ({"value": "int_*"}, False),
        ({"case": "anything"}, False),
        ({"value": "*", "case": "*"}, True),
    ],
)
def test_a_selector_names_cells(selector: dict[str, object], selected: bool) -> None:
    assert expectation(**selector).selects(cell()) is selected


def test_a_selector_reaches_values_and_cases() -> None:
    big = expectation(scenario="*", value=["int_*", "!int_42"])
    assert big.selects(cell("test_round_trip", value="int_0"))
    assert not big.selects(cell("test_round_trip", value="int_42"))
    assert not big.selects(cell("test_custom", case="int_0"))


def test_under_the_users_own_settings_a_backend_is_the_same_backend() -> None:
    own = cell(backend="sqlite-own", pool="prefork-own")
    assert expectation(backend="sqlite").selects(own)
    assert not expectation(backend="redis").selects(own)
    assert not expectation(pool="prefork").selects(own)


def test_a_selector_names_a_cell_as_far_as_the_axes_given_tell() -> None:
    some = expectation(backend="sqlite", pool="solo", value="int_*")
    assert some.selects(cell(), [Axis.BACKEND])
    assert not some.selects(cell(), [Axis.BACKEND, Axis.POOL])
    assert not some.selects(cell(), [Axis.BACKEND, Axis.VALUE])


@pytest.mark.parametrize(
    ("versions", "holds"),
    [
        ([], True),
        (["celery>=5"], True),
        (["celery<5"], False),
        (["celery>=5", "kombu<5"], False),
        (["no-such-package>=1"], False),
        (["redis-server>=7"], True),
        (["redis-server>=7,<8", "celery>=5"], True),
        (["redis-server<7"], False),
    ],
)
def test_versions_bound_an_expectation(versions: list[str], holds: bool) -> None:
    assert expectation(versions=versions).holds_for({"redis-server": "7.2.4"}) is holds


def test_an_expectation_without_versions_holds_for_all() -> None:
    unbound = Expectation.model_validate({key: one for key, one in ENTRY.items() if key != "versions"})
    assert unbound.holds_for({})


def test_a_product_is_named_in_any_case_and_its_pre_releases_count() -> None:
    assert expectation(versions=["Redis-Server>=7"]).holds_for({"redis-server": "8.0rc2"})
    assert not expectation(versions=["Redis-Server>=8"]).holds_for({"redis-server": "8.0rc2"})
    assert expectation(versions=["celery>=99"]).holds_for({"celery": "100"})


def test_a_version_that_is_none_excuses_nothing() -> None:
    assert not expectation(versions=["oddly>=1"]).holds_for({"oddly": "from the trunk"})


def test_a_name_alone_is_met_by_any_version() -> None:
    assert expectation(versions=["oddly"]).holds_for({"oddly": "from the trunk"})
    assert not expectation(versions=["oddly"]).holds_for({})


def test_further_cells_may_be_those_of_some_versions_only(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    also = 'scenario = "test_id"\nverdict = "lost"\nversions = ["oddly"]\n'
    file.write_text(entry(versions=["celery>=5"]) + "[[expectation.also]]\n" + also)
    known = Expectations([file])
    found = known.of(cell("test_id"), {"oddly": "1"})
    assert found is not None
    assert found.verdict is Verdict.LOST
    assert known.of(cell("test_id"), {}) is None
    assert known.of(cell(), {}) is not None
    assert known.of(cell("test_id"), {"oddly": "1", "celery": "4"}) is None


def test_two_expectations_for_a_cell_overlap_only_where_both_hold(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(entry(id="old", versions=["celery<5"]) + entry(id="new"))
    second.write_text(entry(id="other", compression="bzip2"))
    known = Expectations([first, second])
    found = known.of(cell(), {})
    assert found is not None
    assert (found.id, found.verdict, found.blame) == ("new", Verdict.IGNORED, Blame.BACKEND)
    assert known.of(cell("test_plain"), {}) is None
    with pytest.raises(Overlap) as both:
        known.of(cell(compression="bzip2"), {})
    assert str(both.value) == (
        f"expectations new ({first}) and other ({second}) both select {cell(compression='bzip2').cell_id}: "
        "narrow one of them"
    )


def test_cells_of_one_configuration_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(entry(id="ints", value="int_*") + entry(id="cases", case="custom", backend="sqlite"))
    known = Expectations([file])
    wanted = {"none": None, "int_0": "ints", "str_empty": None}
    for value, name in wanted.items():
        found = known.of(cell(value=value), {})
        assert (found.id if found else None) == name
    found = known.of(cell(case="custom"), {})
    assert found is not None
    assert found.id == "cases"
    assert known.of(cell(case="custom", backend="redis"), {}) is None


def test_a_deviation_that_strikes_earlier_wins(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(entry(id="later") + entry(id="earlier", value="int_*", before=["later", "latest"]))
    known = Expectations([file])
    for value, name in {"int_0": "earlier", "none": "later"}.items():
        found = known.of(cell(value=value), {})
        assert found is not None
        assert found.id == name


def test_files_beside_given_backends_are_read_after_the_projects_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(entry())
    found = files([str(tmp_path / "mine.py"), str(tmp_path / "without.py")])
    assert found[-1] == tmp_path / "mine.toml"
    assert found[:-1] == files()
    assert {file.name for file in files()} >= {"celery.toml", "database.toml"}
    assert {file.suffix for file in files()} == {".toml"}
    assert {file.parent.name for file in files()} == {"backends", "scenarios"}


# -- mistakes


WRONG = {
    "corrupt": ("[[expectation]\n", "is no TOML"),
    "not-utf-8": (b"\xff\xfe", "is no TOML"),
    "unknown-key": (entry(severity="high"), "expectation one: severity: Extra inputs"),
    "unknown-table": ("[[expectations]]\n", "the file: expectations: Extra inputs"),
    "unknown-verdict": (entry(verdict="broken"), "expectation one: verdict: Input should be"),
    "unknown-blame": (entry(blame="nobody"), "expectation one: blame: Input should be"),
    "no-reason": (entry(reason=None), "expectation one: reason: Field required"),
    "no-id": (entry(id=None), "expectation number 1: id: Field required"),
    "id-with-spaces": (entry(id="Not An Id"), "id: String should match"),
    "no-version-range": (
        entry(versions=["celery 5"]),
        "versions: Value error, 'celery 5' is no version range",
    ),
    "link-to-nowhere": (entry(link="somewhere"), "expectation one: link: String should match"),
    "not-a-table": ('expectation = ["one"]\n', "Input should be a valid"),
    "duplicate-id": (entry() + entry(), "the id one is already used"),
    "id-of-the-project": (entry(id="exception-class-wrapped"), "the id exception-class-wrapped is already"),
    "unknown-backend": (entry(backend="sqlight"), "no backend is called 'sqlight': did you mean sqlite?"),
    "unknown-serializer": (entry(serializer="jason"), "no serializer is called 'jason': did you mean json?"),
    "unknown-compression": (entry(compression="!zip"), "no compression is called 'zip'"),
    "unknown-value": (
        entry(scenario="test_round_trip", value=["int_42", "int_43"]),
        "no value is called 'int_43': did you mean int_42",
    ),
}
"""What stands in a file -> what the one line says of it."""

TINY = """
from backends.{module} import {base}


class Tiny({base}):
    name = "tiny"
"""
ONE_CELL = ("-m", "tiny and json and zlib", "-k", "codec", "--runtime", "local")


def tiny(folder: Path, base: str, known: str | bytes | None) -> str:
    """A backend of one's own with its known deviations beside it: the option that adds it."""
    file = folder / "tiny_backend.py"
    file.write_text(TINY.format(base=base, module=base.lower()))
    if known is not None:
        file.with_suffix(".toml").write_bytes(known if isinstance(known, bytes) else known.encode())
    return f"--backend={file}"


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_one_clear_line(mistake: str, tmp_path: Path) -> None:
    written, said = WRONG[mistake]
    ended = matrix_run.run(tmp_path, tiny(tmp_path, "Filesystem", written), "--collect-only", *ONE_CELL)
    assert ended.returncode == 4, ended.stdout
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    assert len(lines) == 1, ended.stdout
    assert str(tmp_path / "tiny_backend.toml") in lines[0]
    assert said in lines[0]


NAMES = {
    "backend": ["sqlite", "redis"],
    "serializer": ["json", "yaml"],
    "compression": ["zlib", "bzip2"],
    "value": ["int_42", "none"],
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_told_with_its_file(mistake: str, tmp_path: Path) -> None:
    written, said = WRONG[mistake]
    file = tmp_path / "known.toml"
    file.write_bytes(written if isinstance(written, bytes) else written.encode())
    with pytest.raises(BadExpectation) as told:
        Expectations([*(files() if mistake == "id-of-the-project" else ()), file]).check_names(NAMES)
    assert str(told.value).startswith(f"{file}")
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('a = "\n', " is no TOML: Illegal character '\\n' (at line 1, column 6); mend that line"),
        ("expectations = 1", ": the file: expectations: Extra inputs are not permitted"),
        ("[expectation]", ": the file: expectation: Input should be a valid list; write [[expectation]]"),
        ("[exempt]", ": the file: exempt: Input should be a valid list; write [[exempt]]"),
        (entry(severity="high"), ": expectation one: severity: Extra inputs are not permitted"),
        (entry() + entry(id=None), ": expectation number 2: id: Field required"),
        (entry(id=None, link=None), ": expectation number 1: id: Field required"),
        (
            "expectation = [1]",
            ": expectation number 1: 0: Input should be a valid dictionary or instance of Expectation",
        ),
        (
            entry(versions=["celery>=5", "celery 5"]),
            ": expectation one: versions: Value error, 'celery 5' is no version range: "
            "Expected semicolon (after name with no version specifier) or end",
        ),
    ],
)
def test_the_one_line_is_this(written: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(written)
    with pytest.raises(BadExpectation) as told:
        read(file)
    assert str(told.value) == f"{file}{said}"


@pytest.mark.parametrize(
    ("key", "refused", "accepted"),
    [
        ("id", "Expired", "expired"),
        ("id", "one--two", "one-2"),
        ("id", "one ", "one"),
        ("reason", "x" * 19, "x" * 20),
        ("workaround", "none", "none."),
        ("link", "NONE-FOUND", "none-found"),
        ("link", "http://a.example/1", "https://a.example/1"),
        ("link", "see https://a.example/1", "https://a.example/1#2"),
        ("also", [{"scenario": "test_plain", "reason": "x" * 20}], [{"scenario": "test_plain"}]),
    ],
)
def test_what_a_key_may_hold(key: str, refused: object, accepted: object) -> None:
    expectation(**{key: accepted})
    with pytest.raises(ValidationError, match=f"1 validation error for Expectation\n{key}"):
        expectation(**{key: refused})


def test_an_expectation_cannot_be_changed() -> None:
    one = expectation()
    with pytest.raises(ValidationError, match="frozen"):
        one.id = "two"


def test_an_id_used_twice_is_told_with_both_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(entry())
    second.write_text(entry())
    with pytest.raises(BadExpectation) as told:
        Expectations([first, second])
    assert str(told.value) == f"{second}: the id one is already used in {first}: rename it"


def test_a_selector_that_names_what_exists_is_right(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    also = '[[expectation.also]]\nscenario = "test_where"\nbackend = "{}"\n'
    file.write_text(entry(backend=["*", "!red*"], value="int_42") + also.format("!sqlite"))
    Expectations([file]).check_names(NAMES)
    file.write_text(entry() + also.format("sqlight"))
    with pytest.raises(BadExpectation) as told:
        Expectations([file]).check_names(NAMES)
    assert str(told.value) == (
        f"{file}: expectation one: no backend is called 'sqlight': did you mean sqlite?"
    )


def test_reading_a_right_file_gives_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "right.toml"
    file.write_text(entry(serializer="json", value=["int_42", "!none"]))
    assert read(file) == ([expectation(serializer=("json",), value=("int_42", "!none"))], [])
    file.write_text("")
    assert read(file) == ([], [])


def test_the_projects_own_files_name_what_exists() -> None:
    for file in files():
        for one in read(file)[0]:
            assert one.versions, f"{one.id}: say which versions were seen to behave so"
    with pytest.raises(BadExpectation, match=r"expectation [a-z0-9-]+: no case is called '"):
        Expectations(files()).check_names({"case": ["custom"]})


# -- what other files say of a backend


def exempt(**changes: object) -> str:
    table = {"expectation": ["one"], "backend": ["sqlite"], "reason": "It counts the header's tasks itself."}
    return "\n".join(
        ["[[exempt]]", *(f"{key} = {value!r}" for key, value in {**table, **changes}.items()), ""]
    )


def test_an_exempt_backend_is_not_selected(tmp_path: Path) -> None:
    known, beside = tmp_path / "known.toml", tmp_path / "beside.toml"
    known.write_text(entry(backend="!mysql"))
    beside.write_text(exempt())
    assert Expectations([known]).of(cell(), {}) is not None
    assert Expectations([known, beside]).of(cell(), {}) is None
    assert Expectations([known, beside]).of(cell(backend="redis"), {}) is not None
    assert Expectations([known, beside]).of(cell(backend="sqlite-own"), {}) is None


def test_several_files_may_say_so(tmp_path: Path) -> None:
    known, beside, further = (tmp_path / f"{name}.toml" for name in ("known", "beside", "further"))
    known.write_text(entry())
    beside.write_text(exempt())
    further.write_text(exempt(backend=["redis"]))
    both = Expectations([known, beside, further])
    assert both.of(cell(), {}) is None
    assert both.of(cell(backend="redis"), {}) is None
    assert both.of(cell(backend="mysql"), {}) is not None


def test_names_that_nobody_told_are_not_looked_up(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(entry(backend="sqlight") + exempt(backend=["sqlight"]))
    Expectations([file]).check_names({"case": ["custom"]})


def test_an_exemption_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "beside.toml"
    file.write_text(exempt())
    found, (one,) = read(file)
    assert found == []
    with pytest.raises(ValidationError, match="frozen"):
        one.reason = "another"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expectation": ["ome"]}, "exempt: no expectation is called 'ome': did you mean one"),
        ({"backend": ["sqlight"]}, "exempt: no backend is called 'sqlight': did you mean sqlite"),
        ({"reason": "so"}, "exempt number 1: reason: String should have at least 20 characters"),
        ({"because": "so"}, "exempt number 1: because: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_exemption_is_told(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    file.write_text(entry() + exempt(**changes))
    with pytest.raises(BadExpectation) as told:
        Expectations([file]).check_names(NAMES)
    assert str(told.value).startswith(f"{file}: {said}")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"backend": "redis"}, True),
        ({"backend": "mine"}, True),
        ({"backend": "!redis"}, False),
        ({"backend": "!sqlite"}, True),
        ({}, True),
        ({"backend": "sqlite"}, False),
    ],
)
def test_a_derived_backend_is_known_by_both_names(
    selector: dict[str, object], selected: bool, tmp_path: Path
) -> None:
    file = tmp_path / "known.toml"
    file.write_text(entry(**selector))
    found = Expectations([file], lambda name: (name, "redis")).of(cell(backend="mine"), {})
    assert (found is not None) is selected
    further = "\n".join(f"{key} = {name!r}" for key, name in {"scenario": "test_codec", **selector}.items())
    file.write_text(entry(scenario="test_where") + f"[[expectation.also]]\n{further}\n")
    found = Expectations([file], lambda name: (name, "redis")).of(cell(backend="mine"), {})
    assert (found is not None) is selected


# -- in a run


def test_a_deviation_fails_the_run_until_it_is_expected(tmp_path: Path) -> None:
    unexpected = matrix_run.run(tmp_path, tiny(tmp_path, "SQLite", None), *ONE_CELL)
    assert unexpected.returncode == 1, unexpected.stdout
    assert "ignored, blame backend: stored with no codec, configured is zlib" in unexpected.stdout
    expected = matrix_run.run(tmp_path, tiny(tmp_path, "SQLite", entry(backend="tiny")), *ONE_CELL)
    assert expected.returncode == 0, expected.stdout
    assert "1 xfailed" in expected.stdout
    (seen,) = matrix_run.observations(tmp_path).values()
    assert (seen.outcome, seen.expectation) == ("expected", "one")


@pytest.mark.parametrize(
    ("base", "says", "found"),
    [
        ("Filesystem", {}, "stale expectation one says ignored, blame backend, but the promise held"),
        ("SQLite", {"blame": "store"}, "stale expectation one says ignored, blame store, but ignored, blame"),
        ("SQLite", {"verdict": "altered"}, "stale expectation one says altered, blame backend, but ignored"),
    ],
)
def test_an_expectation_that_no_longer_holds_fails_the_run(
    base: str, says: dict[str, object], found: str, tmp_path: Path
) -> None:
    known = entry(backend="tiny", **says)
    ended = matrix_run.run(tmp_path, tiny(tmp_path, base, known), *ONE_CELL)
    assert ended.returncode == 1, ended.stdout
    assert found in ended.stdout


def test_what_the_project_says_of_a_plugin_can_be_denied(tmp_path: Path) -> None:
    """On Redis the body of such a chord runs, and the project knows no other backend by name."""
    cell = ("scenarios/test_canvas.py::test_chord_ignored[tiny]", "--runtime", "local")
    told = matrix_run.run(tmp_path, tiny(tmp_path, "Redis", None), *cell)
    assert told.returncode == 1, told.stdout
    assert "stale expectation chord-ignored-polls-for-ever says lost" in told.stdout
    assert "if it does not hold for this backend, say so: [[exempt]]" in told.stdout
    known = exempt(expectation="chord-ignored-polls-for-ever", backend="tiny")
    denied = matrix_run.run(tmp_path, tiny(tmp_path, "Redis", known), *cell)
    assert denied.returncode == 0, denied.stdout


def test_an_expectation_for_other_versions_excuses_nothing(tmp_path: Path) -> None:
    known = entry(backend="tiny", versions=["celery<5"])
    ended = matrix_run.run(tmp_path, tiny(tmp_path, "SQLite", known), *ONE_CELL)
    assert ended.returncode == 1, ended.stdout
    assert "stale" not in ended.stdout


def test_two_expectations_for_one_cell_stop_the_run(tmp_path: Path) -> None:
    known = entry(backend="tiny") + entry(id="two", backend="tiny", serializer="json")
    ended = matrix_run.run(tmp_path, tiny(tmp_path, "SQLite", known), *ONE_CELL)
    assert ended.returncode == 4, ended.stdout
    (line,) = [line for line in ended.stdout.splitlines() if "ERROR" in line]
    assert "expectations one (" in line
    assert "both select test_codec[tiny-json-zlib]: narrow one of them" in line
    assert "Traceback" not in ended.stdout


def test_further_selectors_may_name_another_verdict(tmp_path: Path) -> None:
    also = (
        '[[expectation.also]]\nscenario = "test_where"\nverdict = "lost"\n'
        '[[expectation.also]]\nscenario = "test_plain"\nblame = "store"\n'
    )
    file = tmp_path / "known.toml"
    file.write_text(entry() + also)
    found = Expectations([file])
    wanted = {
        "test_codec": (Verdict.IGNORED, Blame.BACKEND),
        "test_where": (Verdict.LOST, Blame.BACKEND),
        "test_plain": (Verdict.IGNORED, Blame.STORE),
    }
    for scenario, seen in wanted.items():
        expected = found.of(cell(scenario), {})
        assert expected is not None
        assert (expected.id, expected.verdict, expected.blame) == ("one", *seen)
    assert found.of(cell("test_serializer"), {}) is None
