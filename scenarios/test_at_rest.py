"""Is a result stored the way the settings say? Read with the store's own client, never through Celery."""

from __future__ import annotations

from harness.identify import identify
from harness.matrix import OTHER_COMPRESSIONS
from harness.scenario import scenario
from harness.verdict import Blame, Verdict


@scenario("backend", "serializer", "compression", answers=["r-serializer"])
def test_serializer(cell):
    """The serializer at rest is the one that ``result_serializer`` names.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-serializer
    """
    task = cell.submit("give", "record_1kib")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    found = identify(stored.raw).serializer if stored else None
    cell.show(stored)
    return cell.promise(
        found == cell.serializer,
        received,
        otherwise=Verdict.ALTERED,
        detail=f"stored as {found}, configured is {cell.serializer}",
    )


def stored_with_codec(cell):
    """Submit, then hold the codec found at rest against the one configured."""
    task = cell.submit("give", "record_1kib")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    cell.show(stored)
    codec, smaller = cell.codec_at_rest(stored)
    if stored:
        cell.observed(supports_result_compression=codec is not None)
    return cell.promise(
        codec == cell.algorithm and smaller,
        received,
        otherwise=Verdict.IGNORED if codec is None else Verdict.ALTERED,
        detail=f"stored with {codec or 'no codec'}, configured is {cell.compression}",
    )


@scenario(
    "backend", "serializer", "compression", answers=["r-codec"], only={"compression": ["zlib", "bzip2"]}
)
def test_codec(cell):
    """A stored result is compressed with the codec that ``result_compression`` names, and smaller for it.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-compression
    """
    return (yield from stored_with_codec(cell))


@scenario("backend", "compression", answers=["r-codec"], only={"compression": OTHER_COMPRESSIONS})
def test_other_codec(cell):
    """The same for the codecs that kombu knows beside zlib and bzip2, where they are installed.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-compression
    """
    return (yield from stored_with_codec(cell))


@scenario("backend", "serializer", "compression", answers=["r-plain"], only={"compression": ["uncompressed"]})
def test_plain(cell):
    """Without ``result_compression``, a stored result is not compressed.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-compression
    """
    task = cell.submit("give", "record_1kib")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    cell.show(stored)
    codec, _ = cell.codec_at_rest(stored)
    return cell.promise(
        stored is not None and codec is None,
        received,
        otherwise=Verdict.ALTERED,
        detail=f"stored with {codec or 'no codec'}, none is configured",
    )


@scenario("backend", "serializer", "compression", answers=["r-where"])
def test_where(cell):
    """A result takes one place in the store, and nothing else is left behind. (Undocumented.)"""
    task = cell.submit("give", "record_1kib")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    left = cell.left_behind(task)
    cell.show(stored)
    cell.facts(left_behind=left)
    return cell.promise(
        stored is not None and not left,
        received,
        otherwise=Verdict.ALTERED,
        detail=f"{len(left)} places left behind: {left[:3]}" if left else "",
    )


@scenario("backend", answers=["r-life"])
def test_lifetime(cell):
    """A store that declares ``supports_autoexpire`` keeps a result for ``result_expires``; others for ever.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires
    """
    task = cell.submit("give", "record_1kib")
    yield
    received = cell.receive(task)
    stored = cell.at_rest(task)
    left = stored.lifetime if stored else None
    declared, expires = cell.declares("supports_autoexpire"), cell.result_expires
    cell.show(stored)
    cell.facts(supports_autoexpire=declared, result_expires=expires, seconds_left=left)
    if stored:
        cell.observed(supports_autoexpire=left is not None)
    held = left is not None and expires - 120 < left <= expires if declared else left is None
    return cell.promise(
        stored is not None and held,
        received,
        otherwise=Verdict.IGNORED if left is None else Verdict.ALTERED,
        detail=f"{left} s left, result_expires is {expires:g} s, supports_autoexpire is {declared}",
    )


@scenario("backend", "serializer", "compression", answers=["r-message"], in_broker=True)
def test_message(cell):
    """A task message is written with ``task_serializer`` and ``task_compression``, and says so.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-compression
    """
    message = cell.message_at_rest("give", cell.built("size_1kib_text"))
    found = identify(message.body)
    told = message.headers.get("compression")
    cell.facts(
        content_type=message.content_type, compression_header=told, found=found.codec, place=message.place
    )
    held = (
        message.content_type == cell.content_type
        and found.serializer == cell.serializer
        and found.codec == cell.algorithm
        and told == cell.codec_content_type
    )
    return cell.promise(
        held,
        None,
        otherwise=Verdict.IGNORED if found.codec is None else Verdict.ALTERED,
        detail=f"{found.serializer} with {found.codec}, headers say {message.content_type} and {told}",
        blame=Blame.CELERY,
    )
