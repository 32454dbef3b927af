"""What stored bytes are: which serializer wrote them and which algorithm compressed them.

Found by looking at the bytes alone, without any setting and without Celery, so that what is at rest can be
held against what the settings say. The algorithm is what counts, not the name: kombu's ``gzip`` is a zlib
stream. Nothing here runs what it looks at: pickles are disassembled, never loaded, and no more than
`CAP` bytes are decompressed.

Some payloads are ambiguous when a value stands alone: ``1`` is JSON, but also the whole msgpack form of the
integer 49; JSON is named then. A result's whole record, which is a mapping, is never ambiguous.
"""

from __future__ import annotations

import bz2
import contextlib
import importlib
import json
import lzma
import pickletools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MARKER = b"\x00celery-compressed\x00"
"""Celery puts this, a content type and a NUL byte before each result that it compressed."""

CAP = 64 * 1024 * 1024
"""Bytes that are decompressed at most; what is larger is named, and not looked into."""

CODEC_OF_CONTENT_TYPE = {
    "application/x-gzip": "zlib",
    "application/x-bz2": "bzip2",
    "application/x-lzma": "lzma",
    "application/zstd": "zstd",
    "application/x-brotli": "brotli",
}
"""The algorithm behind each of kombu's content types."""


@dataclass(frozen=True)
class Identified:
    """What was found; None where nothing was."""

    serializer: str | None
    """``json``, ``pickle``, ``yaml`` or ``msgpack``."""
    codec: str | None
    """``zlib``, ``gzip``, ``bzip2``, ``lzma``, ``zstd`` or ``brotli``; None: not compressed."""
    payload: bytes | None
    """What the serializer wrote; None: it could not be decompressed, or is larger than `CAP`."""
    marked: bool
    """Whether Celery's own mark of a compressed result stands before it."""


def identify(raw: bytes | str) -> Identified:
    """Names serializer and codec of stored bytes (or of text, which is taken as UTF-8). Never raises."""
    data = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else bytes(raw)
    unmarked = _without_mark(data)
    if unmarked is None:
        codec, payload = _decompressed(data, None)
        if codec is None:
            payload = data
        return Identified(_serializer(payload), codec, payload, marked=False)
    content_type, body = unmarked
    codec, payload = _decompressed(body, CODEC_OF_CONTENT_TYPE.get(content_type))
    return Identified(_serializer(payload), codec, payload, marked=True)


def decode(raw: bytes, serializer: str) -> object:
    """The Python object in a decompressed payload, through kombu.

    Loads pickles: only for what our own worker wrote. Raises what kombu raises
    (``kombu.exceptions.DecodeError``), and LookupError for a serializer that is not installed.
    """
    from kombu.serialization import loads, registry

    try:
        content_type = registry.name_to_type[serializer]
    except KeyError:
        raise LookupError(f"kombu has no serializer named {serializer!r}") from None
    encoding = "utf-8" if serializer in ("json", "yaml") else "binary"
    decoded: object = loads(raw, content_type, encoding, accept={content_type})  # type: ignore[no-untyped-call]
    return decoded


def _without_mark(data: bytes) -> tuple[str, bytes] | None:
    if not data.startswith(MARKER):
        return None
    content_type, separator, body = data[len(MARKER) :].partition(b"\x00")
    return (content_type.decode("ascii", "replace"), body) if separator else None


# -- codecs ------------------------------------------------------------------------------------------


def _decompressed(data: bytes, hint: str | None) -> tuple[str | None, bytes | None]:
    """The algorithm that really decompresses the data, and what is inside.

    ``hint``, an algorithm, is only needed for brotli, whose streams have no magic number.
    """
    for codec, (recognises, decompress) in _CODECS.items():
        if not (recognises(data) if recognises else codec == hint):
            continue
        # Each codec has errors of its own, and all mean: not this one.
        with contextlib.suppress(Exception):
            return codec, decompress(data)
    return None, None


def _is_zlib(data: bytes) -> bool:
    return len(data) > 2 and data[0] & 0x0F == 8 and (data[0] * 256 + data[1]) % 31 == 0


def _finished(decompressor: Any, data: bytes) -> bytes | None:
    """Everything inside, None if it is longer than `CAP`.

    Asks any decompressor that takes ``max_length`` and knows where its stream ends.
    """
    inside: bytes = decompressor.decompress(data, CAP + 1)
    if len(inside) > CAP:
        return None
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("the stream is cut, or something follows it")
    return inside


def _zlib(data: bytes) -> bytes | None:
    return _finished(zlib.decompressobj(), data)


def _gzip(data: bytes) -> bytes | None:
    return _finished(zlib.decompressobj(wbits=31), data)


def _bzip2(data: bytes) -> bytes | None:
    return _finished(bz2.BZ2Decompressor(), data)


def _lzma(data: bytes) -> bytes | None:
    return _finished(lzma.LZMADecompressor(memlimit=256 * 1024 * 1024), data)


def _zstd(data: bytes) -> bytes | None:
    return _finished(_first_module("compression.zstd", "backports.zstd").ZstdDecompressor(), data)


def _brotli(data: bytes) -> bytes | None:
    decompressor = _first_module("brotli", "brotlicffi").Decompressor()
    inside = bytearray()
    # In small pieces: not every release can bound what one piece unfolds to.
    for start in range(0, len(data), 1024):
        inside += decompressor.process(data[start : start + 1024])
        if len(inside) > CAP:
            return None
    if not decompressor.is_finished():
        raise ValueError("the stream is cut")
    return bytes(inside)


def _first_module(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"none of {names} is installed")


_CODECS: dict[str, tuple[Callable[[bytes], bool] | None, Callable[[bytes], bytes | None]]] = {
    "gzip": (lambda data: data.startswith(b"\x1f\x8b"), _gzip),
    "bzip2": (lambda data: data.startswith(b"BZh"), _bzip2),
    "lzma": (lambda data: data.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")), _lzma),
    "zstd": (lambda data: data.startswith(b"\x28\xb5\x2f\xfd"), _zstd),
    "zlib": (_is_zlib, _zlib),
    "brotli": (None, _brotli),
}


# -- serializers -------------------------------------------------------------------------------------


def _serializer(payload: bytes | None) -> str | None:
    if not payload:
        return None
    for name, recognises in _SERIALIZERS.items():
        # Each parser has errors of its own, and all mean: not this one.
        with contextlib.suppress(Exception):
            if recognises(payload):
                return name
    return None


def _is_pickle(payload: bytes) -> bool:
    if not (payload.startswith(b"\x80") and payload.endswith(b".")):
        return False
    last = 0
    for _, _, position in pickletools.genops(payload):
        last = position or 0
    return last == len(payload) - 1


def _is_json(payload: bytes) -> bool:
    text = payload.decode("utf-8")
    json.loads(text)
    # An empty list is [] in JSON and YAML alike; kombu's YAML ends each document with a line end.
    return not (text.endswith("\n") and _is_written_by_yaml(text))


def _is_msgpack(payload: bytes) -> bool:
    msgpack = importlib.import_module("msgpack")
    msgpack.unpackb(payload, raw=False, strict_map_key=False)
    return True


_YAML_WHOLE = 64 * 1024
"""Bytes of YAML that are parsed entirely: in pure Python that takes some 0.1 s."""


def _is_yaml(payload: bytes) -> bool:
    """Every text is a YAML scalar, so a scalar counts only in the very form that kombu's dumper gives it."""
    text = payload.decode("utf-8")
    if not text.endswith("\n"):
        return False
    if len(text) > _YAML_WHOLE:
        with contextlib.suppress(Exception):
            if _begins_collection(text[:_YAML_WHOLE]):
                return True
        return _is_written_by_yaml(text)
    yaml = importlib.import_module("yaml")
    for _ in yaml.parse(text, Loader=yaml.SafeLoader):
        pass
    return _begins_collection(text) or _is_written_by_yaml(text)


def _begins_collection(text: str) -> bool:
    yaml = importlib.import_module("yaml")
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    return isinstance(
        next(each for each in events if isinstance(each, yaml.NodeEvent)), yaml.CollectionStartEvent
    )


def _is_written_by_yaml(text: str) -> bool:
    yaml = importlib.import_module("yaml")
    if len(text) > _YAML_WHOLE:
        return text.startswith(("'", '"', "!!")) or text.endswith("\n...\n")
    return bool(yaml.safe_dump(yaml.safe_load(text)) == text)


_SERIALIZERS: dict[str, Callable[[bytes], bool]] = {
    "pickle": _is_pickle,
    "json": _is_json,
    "msgpack": _is_msgpack,
    "yaml": _is_yaml,
}
