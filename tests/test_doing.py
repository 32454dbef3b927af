"""A client says in a file what it is at; a pytest process reads it when the client is silent."""

from __future__ import annotations

import threading
import time

import pytest

from harness import doing
from harness.doing import Announcer


def test_the_last_that_was_begun_is_read(tmp_path):
    assert doing.read(tmp_path) is None
    announce = Announcer(tmp_path)
    assert doing.read(tmp_path) is None
    announce("test_long[" + "x" * 500 + "]", "read", 3.0)
    before = time.monotonic()
    announce("test_short[redis]", "late look", 12.5)
    told = doing.read(tmp_path)
    assert (told.cell, told.phase, told.limit) == ("test_short[redis]", "late look", 12.5)
    assert before <= told.since <= time.monotonic()
    assert told.until == told.since + 12.5


def test_what_is_read_while_it_is_written_is_whole(tmp_path):
    announce, enough = Announcer(tmp_path), threading.Event()
    announce("", "start", 0.0)

    def write() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            announce("c" * (number % 700), "check", float(number % 700))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [doing.read(tmp_path) for _ in range(3000)]
    finally:
        enough.set()
        writer.join()
    assert all(len(one.cell) == one.limit for one in seen)
    assert [one.since for one in seen] == sorted(one.since for one in seen)
    assert len({one.since for one in seen}) > 1


def test_what_is_no_announcement_is_not_taken_for_one(tmp_path):
    (tmp_path / doing.FILE).write_bytes(b"[1, ")
    with pytest.raises(ValueError, match="Expecting value"):
        doing.read(tmp_path)
