"""Stored bytes are recognised by what they are, without any setting, and never run."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
import lzma
import os
import pickle
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.serialization import dumps

from harness import identify as module
from harness.identify import CAP, MARKER, decode, identify

SERIALIZERS = ("json", "pickle", "yaml", "msgpack")
COMPRESSORS = {"zlib": zlib.compress, "gzip": gzip.compress, "bzip2": bz2.compress, "lzma": lzma.compress}
KOMBU_NAMES = {"zlib": "zlib", "gzip": "zlib", "bzip2": "bzip2", "lzma": "lzma"}

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def record(value):
    """A result as Celery stores it."""
    return {"status": "SUCCESS", "result": value, "traceback": None, "children": [], "task_id": "x"}


def written(value, serializer):
    payload = dumps(value, serializer=serializer)[2]
    return payload.encode() if isinstance(payload, str) else payload


@given(PLAIN, st.sampled_from(SERIALIZERS), st.sampled_from([None, *COMPRESSORS]))
def test_a_stored_record_names_its_serializer_and_its_codec(value, serializer, codec):
    payload = written(record(value), serializer)
    found = identify(COMPRESSORS[codec](payload) if codec else payload)
    assert (found.serializer, found.codec, found.payload, found.marked) == (serializer, codec, payload, False)
    assert decode(found.payload, found.serializer) == record(value)


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("name", KOMBU_NAMES)
def test_what_celery_compresses_is_recognised_by_its_algorithm(serializer, name):
    from celery.backends.base import COMPRESSED_PAYLOAD_MAGIC, compress_payload

    assert MARKER == COMPRESSED_PAYLOAD_MAGIC
    payload = written(record([1, "two"]), serializer)
    found = identify(compress_payload(payload, name))
    assert (found.serializer, found.codec, found.payload, found.marked) == (
        serializer,
        KOMBU_NAMES[name],
        payload,
        True,
    )


def test_every_content_type_of_kombu_is_known():
    from kombu.compression import encoders

    assert set(encoders()) <= set(module.CODEC_OF_CONTENT_TYPE)


@pytest.mark.parametrize("package", ["backports.zstd", "brotli"])
def test_codecs_that_need_a_package(package):
    codec = pytest.importorskip(package)
    name, content_type = {
        "brotli": ("brotli", b"application/x-brotli"),
        "backports.zstd": ("zstd", b"application/zstd"),
    }[package]
    found = identify(MARKER + content_type + b"\x00" + codec.compress(b'{"a": 1}'))
    assert (found.serializer, found.codec, found.payload) == ("json", name, b'{"a": 1}')


def test_a_mislabelled_body_is_named_by_its_algorithm():
    found = identify(MARKER + b"application/x-bz2\x00" + zlib.compress(b"{}"))
    assert (found.codec, found.payload) == ("zlib", b"{}")


def test_text_is_taken_as_utf_8():
    assert identify('{"a": "\u00e9"}').payload == b'{"a": "\xc3\xa9"}'
    assert identify('{"a": "\u00e9"}').serializer == "json"


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 1.5, "text", "", [], {}, [1], {"a": 1}, b"\xff", datetime.datetime(2024, 1, 1)],
)
@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml"])
def test_values_that_stand_alone(value, serializer):
    assert identify(written(value, serializer)).serializer == serializer


@pytest.mark.parametrize("value", ["text", [1], {"a": 1}, 1.5, b"\xff", None])
def test_msgpack_values_that_stand_alone(value):
    assert identify(written(value, "msgpack")).serializer == "msgpack"


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("value", ["word " * 40_000, "x" * 200_000, '"quoted" \u00e9 ' * 20_000])
def test_long_values_are_recognised_quickly(serializer, value):
    # YAML of this size would take seconds to write here, so its form is spelt out.
    text = {"yaml": f"result: {json.dumps(value)}\nstatus: SUCCESS\n".encode()}
    payload = text.get(serializer) or written(record(value), serializer)
    assert identify(payload).serializer == serializer


def test_long_yaml_is_not_parsed_to_its_end():
    started = time.process_time()
    assert identify(b"result:\n" + b"- 1\n" * 300_000).serializer == "yaml"
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello world",
        b"hello world\nand more\n",
        b"hello: [",
        b"\x80\x04",
        b"\x80\x04N",
        b"\x80\x04N.N.",
        b"\x78\x9c broken",
        b"\xff\xfe\xfd",
        zlib.compress(b"{}")[:-1],
        zlib.compress(b"{}") + b"more",
    ],
)
def test_what_nobody_wrote_has_no_serializer(raw):
    found = identify(raw)
    assert (found.serializer, found.codec, found.payload, found.marked) == (None, None, raw, False)


def test_a_mark_before_broken_bytes_is_still_seen():
    found = identify(MARKER + b"application/x-gzip\x00broken")
    assert (found.serializer, found.codec, found.payload, found.marked) == (None, None, None, True)


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda tail: MARKER + tail))
def test_anything_can_be_looked_at(raw):
    identify(raw)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_is_recognised_without_being_run(tmp_path):
    trap = tmp_path / "ran"
    assert identify(pickle.dumps(Touch(str(trap)))).serializer == "pickle"
    assert not trap.exists()


def test_a_bomb_is_named_and_not_unfolded(monkeypatch):
    monkeypatch.setattr(module, "CAP", 1000)
    found = identify(zlib.compress(b" " * 1001))
    assert (found.codec, found.payload, found.serializer) == ("zlib", None, None)
    assert identify(zlib.compress(b" " * 1000)).payload is not None
    assert CAP == 64 * 1024 * 1024


def test_decoding_a_broken_payload_raises_what_kombu_raises():
    from kombu.exceptions import DecodeError

    with pytest.raises(DecodeError):
        decode(b"{", "json")
    with pytest.raises(LookupError, match="yml"):
        decode(b"{}", "yml")
