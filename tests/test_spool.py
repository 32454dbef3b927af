"""The broker in a folder: what can be seen there is whole."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty

import pytest
from kombu.connection import Connection

from harness import brokers


@pytest.fixture
def connect(tmp_path: Path):
    """A connection to the folder, as the settings of the filesystem broker have it."""
    settings = brokers.broker("filesystem").settings("here", tmp_path, {})

    def open_one():
        return Connection(
            settings["broker_url"],
            transport=settings["broker_transport"],
            transport_options=settings["broker_transport_options"],
        )

    return open_one


class Looked:
    """A payload that looks into its queue at the moment at which it is written."""

    def __init__(self, channel):
        self.channel, self.seen = channel, None

    def __json__(self):
        try:
            self.seen = self.channel._get("q")
        except Empty:
            self.seen = "empty"
        return "whole"


def test_a_message_is_seen_when_it_is_whole(connect):
    with connect() as sender, connect() as receiver:
        looked = Looked(receiver.channel())
        sender.channel()._put("q", {"body": looked})
        assert looked.seen == "empty"
        assert looked.channel._get("q") == {"body": "whole"}


def test_no_queue_is_forgotten_that_is_declared_at_once_with_others(connect):
    together = threading.Barrier(8)

    def declare(number):
        with connect() as connection:
            channel = connection.channel()
            for turn in range(10):
                together.wait(timeout=10)
                channel._queue_bind(f"exchange{turn}", "key", None, f"queue{number}")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(declare, number) for number in range(8)]:
            done.result()
    with connect() as connection:
        channel = connection.channel()
        for turn in range(10):
            bound = channel.get_table(f"exchange{turn}")
            assert sorted(one.queue for one in bound) == [f"queue{number}" for number in range(8)]
            channel._put("queue3", "of a queue that goes")
            channel._delete("queue3", f"exchange{turn}", "key", None)
            assert channel._size("queue3") == 0
            assert len(channel.get_table(f"exchange{turn}")) == 7
