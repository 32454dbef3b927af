"""What can be expected at best: serializer and codec alone, through kombu, without any store.

A store is measured against this, not against what was sent: a tuple that JSON makes a list is not the
store's doing. `expect` answers for one value; `Oracle` remembers, so that each value is serialized once per
serializer; `expect_failure` does the same for a task's exception, through Celery's own conversion.
"""

from __future__ import annotations

import functools
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from kombu import compression as codecs
from kombu import serialization
from kombu.exceptions import SerializerNotInstalled

from harness import corpus
from harness.ascii import escape
from harness.identify import MARKER
from harness.memo import Memo
from harness.verdict import Blame

UNCOMPRESSED = "uncompressed"
"""The point of the compression axis at which there is no codec."""

Phase = Literal["dump", "load"]
T = TypeVar("T")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Returned:
    """Serializer and codec gave something back."""

    value: Any
    """Shared by all who ask: do not change it."""
    payload: bytes
    """What a store that takes bytes is handed, Celery's mark of a compressed result included."""
    blame: Blame = Blame.SERIALIZER
    """Whom to blame if ``value`` is not what was sent: COMPRESSION only if the codec changed the bytes."""


@dataclass(frozen=True)
class Refused:
    """Serializer or codec raised."""

    error_type: str
    """``module.Qualname`` of the exception's class."""
    message: str
    """ASCII, bounded."""
    phase: Phase
    blame: Blame


class NotInstalled(LookupError):
    """The serializer or codec is not installed, so there is nothing to ask. Names the package to install."""


def expect(value: object, serializer: str, compression: str = UNCOMPRESSED) -> Returned | Refused:
    """What becomes of a value between a worker and a reader that share no store but a variable.

    Raises `NotInstalled`. Exceptions that are no ``Exception`` are nobody's refusal and pass through.
    """
    return _through_codec(_alone(value, serializer), serializer, compression)


def encode(value: object, serializer: str, compression: str = UNCOMPRESSED) -> bytes:
    """The bytes that Celery hands to a store for this value; to plant a right result natively.

    Raises what kombu raises, and `NotInstalled`.
    """
    payload = _dump(value, serializer)
    return payload if compression == UNCOMPRESSED else _compressed(payload, compression)


class Oracle:
    """Answers of `expect` for named values, remembered per serializer and name.

    The codec is run for each question: that it loses nothing is checked, not assumed. Holds at most
    ``budget`` bytes of payloads, forgetting what was not asked for longest.

    :param memo: where what takes long is kept for others too.
    """

    def __init__(self, budget: int = 64 * 1024 * 1024, memo: Memo | None = None) -> None:
        self._budget, self._memo = budget, memo or Memo()
        self._held = 0
        self._known: OrderedDict[tuple[str, str], Returned | Refused] = OrderedDict()

    def expect(self, name: str, serializer: str, compression: str = UNCOMPRESSED) -> Returned | Refused:
        """What can be expected of the corpus value of that name.

        Raises `harness.corpus.UnknownValue` and `NotInstalled`.
        """
        return self.expect_built(name, corpus.value(name).build, serializer, compression)

    def expect_built(
        self, key: str, build: Callable[[], object], serializer: str, compression: str = UNCOMPRESSED
    ) -> Returned | Refused:
        """The same for a value that is not in the corpus; ``key`` must name it uniquely."""
        alone = self._known.get((serializer, key))
        if alone is None:
            alone = self._memo.get(f"oracle-{serializer}-{key}", lambda: _built_alone(build, serializer))
            self._remember((serializer, key), alone)
        else:
            self._known.move_to_end((serializer, key))
        return _through_codec(alone, serializer, compression)

    def _remember(self, key: tuple[str, str], answer: Returned | Refused) -> None:
        self._known[key] = answer
        self._held += _size(answer)
        while self._held > self._budget and len(self._known) > 1:
            _, forgotten = self._known.popitem(last=False)
            self._held -= _size(forgotten)


def expect_failure(error: BaseException, serializer: str) -> Returned | Refused:
    """What becomes of a task's exception on its way to the caller; ``value`` is what ``get()`` raises.

    Runs Celery's own conversion (``get_pickleable_exception`` as in ``celery.app.trace``, then
    ``encode_result`` and ``decode_result`` of ``celery.backends.base.Backend``). Raises `NotInstalled`.
    """
    from celery.utils.serialization import get_pickleable_exception

    backend = _storeless_backend(serializer)

    def write() -> bytes:
        result = backend.encode_result(get_pickleable_exception(error), "FAILURE")
        payload = backend.encode({"status": "FAILURE", "result": result, "traceback": None, "children": []})
        return _as_bytes(payload)

    payload = _attempt(write, "dump", Blame.SERIALIZER)
    if isinstance(payload, Refused):
        return payload
    meta = _attempt(lambda: backend.decode_result(payload), "load", Blame.SERIALIZER)
    return meta if isinstance(meta, Refused) else Returned(meta["result"], payload)


@functools.cache
def _storeless_backend(serializer: str) -> Any:
    from celery import Celery
    from celery.backends.base import Backend

    _content(serializer)
    # Without fixups: a Django settings variable in the environment must not matter here.
    app = Celery("harness.oracle", set_as_current=False, fixups=[])
    return Backend(app, serializer=serializer, accept=[serializer])


# -- serializer --------------------------------------------------------------------------------------


def _built_alone(build: Callable[[], object], serializer: str) -> Returned | Refused:
    value = build()
    try:
        return _alone(value, serializer)
    finally:
        if isinstance(value, io.IOBase):
            value.close()


def _alone(value: object, serializer: str) -> Returned | Refused:
    payload = _attempt(lambda: _dump(value, serializer), "dump", Blame.SERIALIZER)
    if isinstance(payload, Refused):
        return payload
    back = _attempt(lambda: (_load(payload, serializer),), "load", Blame.SERIALIZER)
    return back if isinstance(back, Refused) else Returned(back[0], payload)


def _content(serializer: str) -> tuple[str, str]:
    """Content type and encoding that kombu has registered for a serializer."""
    known: Any = serialization.registry
    try:
        codec = known._encoders[serializer]
    except KeyError:
        package = {"yaml": "pyyaml"}.get(serializer, serializer)
        raise NotInstalled(f"kombu has no serializer {serializer!r} here; pip install {package}") from None
    return codec.content_type, codec.content_encoding


def _dump(value: object, serializer: str) -> bytes:
    _content(serializer)
    dumps: Any = serialization.dumps
    try:
        return _as_bytes(dumps(value, serializer=serializer)[2])
    except SerializerNotInstalled as error:
        # kombu registers msgpack even where it is not installed.
        raise NotInstalled(str(error)) from error


def _load(payload: bytes, serializer: str) -> object:
    # As celery.backends.base.Backend.decode does, whose reader accepts this serializer.
    content_type, content_encoding = _content(serializer)
    loads: Any = serialization.loads
    return loads(payload, content_type, content_encoding, accept={content_type})


def _as_bytes(payload: str | bytes) -> bytes:
    return payload.encode("utf-8") if isinstance(payload, str) else bytes(payload)


# -- codec -------------------------------------------------------------------------------------------


def _through_codec(alone: Returned | Refused, serializer: str, compression: str) -> Returned | Refused:
    if compression == UNCOMPRESSED or isinstance(alone, Refused):
        return alone
    stored = _attempt(lambda: _compressed(alone.payload, compression), "dump", Blame.COMPRESSION)
    if isinstance(stored, Refused):
        return stored
    payload = _attempt(lambda: _decompressed(stored), "load", Blame.COMPRESSION)
    if isinstance(payload, Refused):
        return payload
    if payload == alone.payload:
        return Returned(alone.value, stored)
    # The codec lost something: what the reader then gets, or that it cannot read it, is the codec's doing.
    back = _attempt(lambda: (_load(payload, serializer),), "load", Blame.COMPRESSION)
    return back if isinstance(back, Refused) else Returned(back[0], stored, Blame.COMPRESSION)


def _compressed(payload: bytes, compression: str) -> bytes:
    compress: Any = codecs.compress
    try:
        codecs.get_encoder(compression)  # type: ignore[no-untyped-call]
    except KeyError:
        package = {"zstd": "backports.zstd"}.get(compression, compression)
        raise NotInstalled(f"kombu has no codec {compression!r} here; pip install {package}") from None
    body, content_type = compress(payload, compression)
    return b"".join([MARKER, content_type.encode("ascii"), b"\x00", body])


def _decompressed(stored: bytes) -> bytes:
    content_type, _, body = stored[len(MARKER) :].partition(b"\x00")
    decompress: Any = codecs.decompress
    return bytes(decompress(body, content_type.decode("ascii")))


# -- refusals ----------------------------------------------------------------------------------------


def _attempt(ask: Callable[[], T], phase: Phase, blame: Blame) -> T | Refused:
    """The answer, or the refusal that an exception is."""
    try:
        return ask()
    except NotInstalled:
        raise
    except Exception as error:  # noqa: BLE001 - whatever serializer and codec raise is their refusal
        if not _is_about_depth(error):
            return _refused(error, phase, blame)
    # How deep a value may nest depends on how deep the caller stands already, and a worker does not stand
    # where pytest does. So the answer that counts is given from the bottom of a thread's own stack.
    return _from_the_bottom(ask, phase, blame)


def _from_the_bottom(ask: Callable[[], T], phase: Phase, blame: Blame) -> T | Refused:
    answers: list[T | Refused] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001 - as in _attempt
            answers.append(_refused(error, phase, blame))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def _is_about_depth(error: Exception) -> bool:
    # kombu raises its own error around the one that counts.
    return any(isinstance(each, RecursionError) for each in (error, error.__context__, *error.args))


def _refused(error: Exception, phase: Phase, blame: Blame) -> Refused:
    kind = type(error)
    # Addresses differ from run to run, and say nothing.
    message = _ADDRESS.sub("", escape(error, 500))
    return Refused(f"{kind.__module__}.{kind.__qualname__}", message, phase, blame)


def _size(answer: Returned | Refused) -> int:
    return len(answer.payload) if isinstance(answer, Returned) else 0
