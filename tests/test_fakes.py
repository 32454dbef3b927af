"""The suite names every misbehaving store with verdict and blame, and an honest one comes out clean."""

from __future__ import annotations

from collections import Counter

import matrix_run
import pytest
from fakes import DEADLINE

from harness import questions
from harness.verdict import Axis

VALUES = "test_round_trip[{}-{}-uncompressed-{}]"
SOME = ("int_42", "str_ascii", "float_whole", "list_ints", "str_accents", "true", "str_emoji", "int_2_31")


def value(flaw: str, name: str, serializer: str = "json") -> str:
    return VALUES.format(f"fake-{flaw}", serializer, name)


WRONG = {
    value("truncates", "size_1kib_text"): ("altered", "backend"),
    value("stringifies", "dict_int_keys", "pickle"): ("altered", "backend"),
    value("drops-zone", "datetime_utc"): ("altered", "backend"),
    value("drops-microseconds", "datetime_microseconds"): ("altered", "backend"),
    value("tuples-to-lists", "tuple_nested", "pickle"): ("coerced", "backend"),
    value("keeps-refused", "set_ints"): ("exact", "backend"),
    "test_serializer[fake-other-serializer-json-uncompressed]": ("altered", "backend"),
    "test_plain[fake-compresses-anyway-json-uncompressed]": ("altered", "backend"),
    "test_codec[fake-ignores-compression-json-zlib]": ("ignored", "backend"),
    value("swaps", "str_accents"): ("altered", "backend"),
    value("late", "str_accents"): ("lost", "backend"),
    value("hangs-read", "str_accents"): ("hung", "backend"),
    value("hangs-write", "str_ascii"): ("hung", "backend"),
    value("raises-on-read", "str_accents"): ("unreadable", "backend"),
    value("raises-on-write", "str_accents"): ("refused", "backend"),
    value("raises-every-write", "str_accents"): ("refused", "backend"),
    "test_success[fake-older-state-json]": ("stale", "backend"),
    value("cutting-trigger", "size_1kib_text"): ("unreadable", "store"),
    value("cutting-trigger", "size_1kib_text", "pickle"): ("unreadable", "store"),
    value("kills-child", "str_ascii"): ("indeterminate", "worker"),
    value("kills-worker", "str_ascii"): ("indeterminate", "worker"),
    "test_serializer[fake-crashing-reader-json-uncompressed]": ("indeterminate", "harness"),
    "test_get_twice[fake-reads-once-second_object]": ("lost", "backend"),
    "test_second_process[fake-one-process]": ("lost", "backend"),
    "test_threads[fake-one-thread-second]": ("lost", "backend"),
    "test_timeout[fake-waits-longer-short]": ("ignored", "backend"),
    "test_timeout_of_finished[fake-late-zero]": ("lost", "backend"),
    "test_propagate[fake-forgives-raised]": ("altered", "backend"),
    "test_ready[fake-forgives-failed]": ("stale", "backend"),
    "test_hooks[fake-no-hooks-callback]": ("ignored", "backend"),
    "test_hooks[fake-no-hooks-on_interval]": ("ignored", "backend"),
    "test_tree[fake-childless-collect]": ("altered", "backend"),
    "test_exists[fake-always-there-unknown]": ("altered", "backend"),
    "test_forget[fake-keeps-forgotten-once]": ("stale", "backend"),
    "test_inside[fake-blind-worker-finished]": ("lost", "backend"),
    "test_id[fake-picky-ids-wildcards]": ("refused", "backend"),
    "test_id_case[fake-lowers-ids]": ("altered", "backend"),
    "test_prefix[fake-ignores-prefix]": ("ignored", "backend"),
    "test_expires[fake-claims-expiry-seconds]": ("ignored", "backend"),
    "test_expires_at_once[fake-claims-expiry-sub_second]": ("ignored", "backend"),
    "test_failure_expires[fake-claims-expiry-success]": ("ignored", "backend"),
    "test_running[fake-cleans-all]": ("lost", "backend"),
    "test_cleanup[fake-cleans-all-fresh]": ("lost", "backend"),
    "test_cleanup[fake-cleans-nothing-old]": ("ignored", "backend"),
    "test_evicted[fake-remembers]": ("stale", "backend"),
    "test_worker_restart[fake-dies-with-worker]": ("lost", "backend"),
    "test_group[fake-swaps-json-get]": ("altered", "backend"),
    "test_group[fake-loses-members-json-join]": ("lost", "backend"),
    "test_group[fake-loses-failures-json-no_propagate]": ("lost", "backend"),
    "test_group_members[fake-loses-members-completed_count]": ("altered", "backend"),
    "test_group_saved[fake-forgets-groups-order]": ("lost", "backend"),
    "test_group_saved[fake-turns-groups-order]": ("altered", "backend"),
    "test_group_saved[fake-keeps-groups-deleted]": ("altered", "backend"),
    "test_nothing_left[fake-keeps-groups-saved_group]": ("altered", "backend"),
    "test_nothing_left[fake-leaves-marks-chord]": ("altered", "backend"),
    "test_chain[fake-swaps-result]": ("altered", "backend"),
    "test_chain[fake-loses-failures-failing]": ("lost", "backend"),
    "test_chord[fake-swaps-json-two]": ("altered", "backend"),
    "test_chord_shapes[fake-swaps-in_chain]": ("altered", "backend"),
    "test_chord_fails[fake-loses-failures-body]": ("lost", "backend"),
    "test_chord_twice[fake-swaps]": ("altered", "backend"),
    "test_replace[fake-swaps-task]": ("altered", "backend"),
    "test_chunks[fake-swaps-starmap]": ("altered", "backend"),
    "test_time_limit[fake-forced-lost-prefork-hard_limit]": ("lost", "backend"),
    "test_child_killed[fake-forced-lost-prefork]": ("lost", "backend"),
    "test_pool[fake-threads-lost-threads-value]": ("lost", "backend"),
    "test_greenlet_client[fake-greenlets-blind-gevent]": ("lost", "backend"),
    "test_stores[fake-raises-on-read]": ("unreadable", "backend"),
    "test_pending[fake-invents]": ("altered", "backend"),
    "test_failure[fake-no-traceback-json]": ("altered", "backend"),
    "test_traceback[fake-no-traceback-json]": ("altered", "backend"),
    "test_date_done[fake-no-date-utc]": ("altered", "backend"),
    "test_family[fake-no-family-children]": ("altered", "backend"),
    "test_family[fake-no-family-parent]": ("altered", "backend"),
    "test_family[fake-no-family-group]": ("altered", "backend"),
    "test_extended[fake-no-extended-json-args]": ("altered", "backend"),
    "test_stamps[fake-no-extended]": ("lost", "backend"),
    "test_started[fake-only-final-json]": ("stale", "backend"),
    "test_progress[fake-only-final-json]": ("stale", "backend"),
    "test_custom_state[fake-only-final-json]": ("altered", "backend"),
    "test_retry[fake-only-final-json]": ("altered", "backend"),
    "test_given_up[fake-only-final-ignore]": ("altered", "backend"),
    "test_given_up[fake-flattens-failures-reject]": ("altered", "backend"),
    "test_revoked[fake-flattens-failures-before]": ("stale", "backend"),
    "test_error_kept[fake-drops-kept-errors]": ("lost", "backend"),
    "test_ignored[fake-keeps-ignored-task]": ("altered", "backend"),
    "test_ignored[fake-keeps-ignored-call]": ("altered", "backend"),
    "test_eager[fake-forgets-eager-json]": ("lost", "backend"),
    "test_builtin[fake-flattens-failures-json-value_error_args]": ("altered", "backend"),
    "test_custom[fake-flattens-failures-json-custom_args]": ("altered", "backend"),
    "test_cause[fake-flattens-failures-pickle-notes]": ("altered", "backend"),
    "test_text[fake-flattens-failures-json-text_nul]": ("altered", "backend"),
    "test_foreign[fake-flattens-failures-json]": ("altered", "backend"),
    "test_local[fake-flattens-failures-pickle-of_exception]": ("altered", "backend"),
    "test_argument[fake-flattens-failures-json]": ("altered", "backend"),
    "test_unencodable[fake-flattens-failures-json]": ("refused", "backend"),
    "test_late[fake-flattens-failures-acknowledged]": ("lost", "backend"),
    "test_late[fake-raises-on-write-rejected]": ("lost", "backend"),
    "test_long_text[fake-flattens-failures]": ("altered", "backend"),
    "test_undecodable[fake-raises-every-write]": ("refused", "backend"),
    "test_generated[fake-stringifies-pickle-mixed_keys]": ("altered", "backend"),
    "test_round_trip_other_codecs[fake-truncates-gzip-size_64kib_text]": ("altered", "backend"),
    "test_other_codec[fake-ignores-compression-gzip]": ("ignored", "backend"),
    "test_where[fake-leaves-marks-json-uncompressed]": ("altered", "backend"),
    "test_lifetime[fake-claims-expiry]": ("ignored", "backend"),
    "test_group_shapes[fake-loses-members-nested]": ("lost", "backend"),
    "test_group_large[fake-loses-members]": ("lost", "backend"),
    "test_replaced_process[fake-swaps]": ("altered", "backend"),
}
"""Cells that must fail: verdict and blame."""

NO_PART = {
    "test_message": "it looks at the broker's message, before there is a result",
    "test_unencodable_logged": "it looks at the worker's log",
    "test_chord_ignored": "an honest file store fails it: Celery polls for results that nobody stores",
}
"""Promises that no store can break, or keep."""

UNHARMED = [
    *(value("kills-child", name) for name in SOME if name != "str_ascii"),
    *(value("kills-worker", name) for name in SOME if name != "str_ascii"),
    *(value("hangs-write", name) for name in SOME if name != "str_ascii"),
    value("truncates", "str_ascii"),
    value("drops-zone", "datetime_naive"),
    value("cutting-trigger", "str_ascii"),
    value("other-serializer", "int_42"),
    "test_plain[fake-ignores-compression-json-uncompressed]",
    "test_codec[fake-honest-json-zlib]",
    "test_time_limit[fake-forced-lost-prefork-soft_limit]",
    "test_pool[fake-threads-lost-prefork-value]",
    "test_greenlet_client[fake-greenlets-blind-eventlet]",
]
"""Cells beside them that must pass."""

LOSES = [value("loses", name) for name in (*SOME, *("none", "false", "int_0", "str_empty"))]
READERLESS = [value("no-reader", name) for name in (*SOME, *("none", "false", "int_0", "str_empty"))]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """One run over all misbehaving stores."""
    folder = tmp_path_factory.mktemp("fakes")
    families = {one.name: one.family for one in questions.scenarios()}
    cells = [*WRONG, *UNHARMED, *LOSES, *READERLESS]
    ids = [f"scenarios/test_{families[cell.partition('[')[0]]}.py::{cell}" for cell in cells]
    done = matrix_run.run(
        folder,
        *("--backend", "tests/fakes.py", "--runtime", "local", "-n", "2", f"--deadline={DEADLINE}", *ids),
        timeout=300,
    )
    assert done.returncode == 1, done.stdout
    return matrix_run.observations(folder)


@pytest.mark.parametrize("cell", WRONG)
def test_misbehaving_store_is_named(seen, cell):
    found = seen[cell]
    assert (found.verdict, found.blame, found.outcome) == (*WRONG[cell], "failed"), found


def test_every_promise_is_broken_by_some_store():
    asked = {one.name for one in questions.scenarios() if Axis.BACKEND not in one.only}
    assert {cell.partition("[")[0] for cell in WRONG} == asked - set(NO_PART)


@pytest.mark.parametrize("cell", UNHARMED)
def test_neighbours_are_unharmed(seen, cell):
    assert seen[cell].outcome == "passed", seen[cell]


def test_some_results_are_lost_and_no_others(seen):
    found = Counter((seen[cell].verdict, seen[cell].blame) for cell in LOSES)
    assert set(found) == {("lost", "backend"), ("exact", None)}
    lost = [seen[cell] for cell in LOSES if seen[cell].verdict == "lost"]
    assert all(one.evidence["planted"]["intact"] for one in lost)


def test_without_native_reader_blame_says_that_it_was_not_narrowed(seen):
    lost = [seen[cell] for cell in READERLESS if seen[cell].verdict == "lost"]
    assert lost
    for one in lost:
        assert one.blame == "backend"
        assert any("not narrowed" in note for note in one.evidence["notes"])


def test_the_log_of_the_service_is_evidence_too(seen):
    logs = seen[value("late", "str_accents")].evidence["service_log"]
    assert any("ready" in line.lower() for line in logs["redis"])


def test_late_answer_is_in_the_evidence(seen):
    late = seen[value("late", "str_accents")].evidence["late"]
    assert late["after"] > DEADLINE
    assert late["is_sent"] is True


def test_hung_write_shows_the_workers_stack(seen):
    evidence = seen[value("hangs-write", "str_ascii")].evidence
    assert "flawed.py" in evidence["stack"]
    assert "_strike" in evidence["stack"]
    assert [event["event"] for event in evidence["events"]] == ["started", "writing"]


def test_hung_read_shows_the_clients_stack(seen):
    stack = seen[value("hangs-read", "str_accents")].evidence["stack"]
    assert "flawed.py" in stack
    assert "in get" in stack


def test_refused_write_shows_what_was_raised(seen):
    found = seen[value("raises-every-write", "str_accents")]
    assert "No space left" in found.detail
    assert any("No space left" in line for line in found.evidence["worker_log"])


def test_blame_on_the_store_rests_on_planted_bytes(seen):
    assert seen[value("cutting-trigger", "size_1kib_text")].evidence["planted"]["intact"] is False
    assert seen[value("truncates", "size_1kib_text")].evidence["planted"]["intact"] is True


def test_honest_store_comes_out_clean(tmp_path):
    done = matrix_run.run(
        tmp_path,
        *("--backend", "tests/fakes.py", "--runtime", "local", "-n", "2"),
        *("-m", "fake-honest and (values or at_rest or state) and not slow and not zlib and not bzip2"),
    )
    assert done.returncode == 0, done.stdout
    outcomes = Counter(one.outcome for one in matrix_run.observations(tmp_path).values())
    assert outcomes["passed"] > 600
    assert not outcomes["failed"]
    assert not outcomes["skipped"]
