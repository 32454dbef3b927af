"""What a store finds by queries of its own: rows that a query is about, and no others."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from harness.backend import Namespace
from harness.registry import Registry

NOW = datetime.now(UTC)
ROWS = {
    "four": ("SUCCESS", b"4", NOW),
    "five": ("SUCCESS", b"5.5", NOW - timedelta(hours=2)),
    "word": ("SUCCESS", b'["needle", {}]', NOW),
    "failed": ("FAILURE", b'{"exc_type": "ValueError"}', NOW),
    "huge": ("SUCCESS", b"1" + b"0" * 60, NOW),
}


@pytest.fixture
def store(tmp_path):
    import sqlite3

    made = Registry().load("sqlite")(Namespace("roundtrip-run-one", tmp_path, "roundtrip-run"), {})
    with closing(sqlite3.connect(made.file)) as connection, connection:
        connection.execute("create table celery_taskmeta (task_id, status, result blob, date_done)")
        for task_id, (status, result, done) in ROWS.items():
            row = (task_id, status, result, done.replace(tzinfo=None).isoformat(sep=" "))
            connection.execute("insert into celery_taskmeta values (?, ?, ?, ?)", row)
    return made


@pytest.mark.parametrize(
    ("field", "wanted", "found"),
    [
        ("status", "FAILURE", {"failed"}),
        ("date_done", NOW - timedelta(hours=1), {"four", "word", "failed", "huge"}),
        ("date_done", NOW + timedelta(hours=1), set()),
        ("number", 4, {"four", "five", "huge"}),
        ("number", 5, {"five", "huge"}),
        ("word", "needle", {"word"}),
    ],
)
def test_a_query_finds_what_it_is_about(store, field, wanted, found):
    assert set(store.search(field, wanted)) == found


def test_a_zone_is_no_matter(store):
    tokyo = NOW.astimezone(tz=None) - timedelta(hours=1)
    assert "five" not in store.search("date_done", tokyo)


def test_results_are_counted_by_status(store):
    assert store.tally() == {"SUCCESS": 4, "FAILURE": 1}
