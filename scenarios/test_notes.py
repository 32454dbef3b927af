"""The claims of a set of notes on Celery, each quoted, each put to the test: a claim is a promise here."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

import celery
from kombu.compression import compress
from kombu.serialization import dumps

from harness import corpus, oracle
from harness.cell import LEFT_OUT
from harness.fidelity import compare
from harness.identify import identify
from harness.matrix import OwnWorker
from harness.scenario import STORELESS, scenario
from harness.verdict import Blame, Verdict

TEXTS = ("record_1kib", "size_64kib_text")
"""What compactness and speed are measured on."""
ROUNDS = 15
"""Of each measurement the fastest counts."""
MINUTE = timedelta(minutes=1)
PRINTED = ("--pool=prefork", "--concurrency=5", "--autoscale=10,3", "-l", "info")
"""The arguments of the worker command that the notes print."""


def seconds_of(action):
    """The fastest of several rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return min(taken)


@scenario("backend", "case", answers=["n-serializer-argument"], cases=["yaml", "pickle"], only=STORELESS)
def test_serializer_argument(cell):
    """The notes: "you typically configure it … when creating the Celery instance: … serializer='json'".

    Celery documents no such argument: https://docs.celeryq.dev/en/stable/reference/celery.html#celery.Celery
    """
    own = {"task_serializer": LEFT_OUT, "result_serializer": LEFT_OUT}
    message = cell.message_under(own, "give", "int_42", serializer=cell.case)
    found = identify(message.body).serializer
    cell.facts(argument=cell.case, message_is=found, content_type=message.content_type)
    detail = f"Celery(serializer={cell.case!r}) sends {message.content_type}"
    return cell.promise(
        found == cell.case, None, otherwise=Verdict.IGNORED, detail=detail, blame=Blame.CELERY
    )


@scenario("backend", "case", answers=["n-broker-compression"], cases=["bzip2", "zlib"], only=STORELESS)
def test_broker_compression(cell):
    """The notes: "broker_transport_options={'compression': 'bzip2'} … 'bzip2' compression is configured".

    Celery documents task_compression:
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-compression
    """
    own = {"broker_transport_options": {"compression": cell.case}}
    message = cell.message_under(own, "give", cell.built("size_1kib_text"))
    found = identify(message.body).codec
    cell.facts(option=cell.case, codec_found=found, headers=message.headers)
    detail = f"the message is compressed with {found or 'nothing'}"
    return cell.promise(
        found == cell.case, None, otherwise=Verdict.IGNORED, detail=detail, blame=Blame.CELERY
    )


@scenario("backend", answers=["n-default-store"], only=STORELESS)
def test_default_store(cell):
    """The notes: "AMQP … This is the default result backend".

    "Default: No result backend enabled by default":
    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend
    """
    app = celery.Celery("notes", set_as_current=False, fixups=[])
    found = type(app.backend).__name__
    cell.facts(result_backend=app.conf.result_backend, backend=found)
    return cell.promise(
        found == "RPCBackend",
        None,
        otherwise=Verdict.IGNORED,
        detail=f"a Celery app without settings has {found}",
        blame=Blame.CELERY,
    )


@scenario("backend", "case", answers=["n-amqp"], cases=["rpc", "amqp"], only={"backend": ["rpc-*"]})
def test_amqp(cell):
    """The notes: "AMQP: Using a message broker such as RabbitMQ or Redis" stores results.

    The amqp result backend was removed in Celery 5, rpc took its place:
    https://docs.celeryq.dev/en/stable/history/whatsnew-5.0.html
    """
    if cell.case == "amqp":
        app = celery.Celery("notes", backend="amqp://", set_as_current=False, fixups=[])
        found = cell.ask(lambda: type(app.backend).__name__)
        return cell.promise(found.error is None, found, otherwise=Verdict.UNSUPPORTED, blame=Blame.CELERY)
    task = cell.submit("give", "record_1kib")
    yield
    return cell.same(cell.receive(task), cell.built("record_1kib"))


@scenario("backend", answers=["n-json-default"], only=STORELESS)
def test_json_default(cell):
    """The notes: "JSON: This is the default serialization method in Celery".

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#task-serializer
    """
    own = {"task_serializer": LEFT_OUT, "result_serializer": LEFT_OUT}
    message = cell.message_under(own, "give", "int_42")
    conf = celery.Celery("notes", set_as_current=False, fixups=[]).conf
    cell.facts(content_type=message.content_type, result_serializer=conf.result_serializer)
    held = identify(message.body).serializer == "json" and conf.result_serializer == "json"
    return cell.promise(held, None, otherwise=Verdict.ALTERED, detail="", blame=Blame.CELERY)


@scenario("backend", answers=["n-pickle-any"], only=STORELESS)
def test_pickle_any(cell):
    """The notes: "Pickle … allows the serialization of nearly any Python object".

    Held to this suite's values: all but those that are there to be impossible.
    https://docs.celeryq.dev/en/stable/userguide/calling.html#serializers
    """
    asked = [value for value in corpus.VALUES if value.slow is None and value.question != "v-impossible"]
    refused = []
    for value in asked:
        told = oracle.expect(value.build(), "pickle", "uncompressed")
        same = isinstance(told, oracle.Returned) and compare(value.build(), told.value).first is None
        refused += [] if same else [value.name]
    cell.facts(asked=len(asked), refused=refused)
    held = len(refused) <= len(asked) // 20
    detail = f"{len(refused)} of {len(asked)} values do not come back: {refused[:5]}"
    return cell.promise(held, None, otherwise=Verdict.REFUSED, detail=detail, blame=Blame.SERIALIZER)


@scenario(
    "backend",
    "case",
    answers=["n-msgpack"],
    cases=["smaller_json", "smaller_yaml", "faster_json", "faster_yaml"],
    only=STORELESS,
)
def test_msgpack(cell):
    """The notes: "more compact than JSON or YAML and provides faster serialization and deserialization".

    https://docs.celeryq.dev/en/stable/userguide/calling.html#serializers
    """
    what, other = cell.case.split("_")
    values = [cell.built(name) for name in TEXTS]

    def cost(serializer):
        if what == "smaller":
            return sum(len(dumps(value, serializer=serializer)[2]) for value in values)
        return sum(
            seconds_of(lambda value=value: oracle.expect(value, serializer, "uncompressed"))
            for value in values
        )

    own, others = cost("msgpack"), cost(other)
    cell.facts(msgpack=own, **{other: others})
    return cell.promise(
        own < others,
        None,
        otherwise=Verdict.ALTERED,
        detail=f"msgpack {own:.6g}, {other} {others:.6g}",
        blame=Blame.SERIALIZER,
    )


@scenario("backend", "case", answers=["n-bzip2"], cases=["slower", "smaller"], only=STORELESS)
def test_bzip2(cell):
    """The notes: bzip2 "is slower but often provides better compression ratios compared to zlib".

    https://docs.celeryq.dev/en/stable/userguide/calling.html#compression
    """
    body = dumps(cell.built("size_64kib_text"), serializer="json")[2].encode()
    if cell.case == "smaller":
        bzip2, zlib = (len(compress(body, codec)[0]) for codec in ("bzip2", "zlib"))
        held = bzip2 < zlib
    else:
        bzip2, zlib = (seconds_of(lambda codec=codec: compress(body, codec)) for codec in ("bzip2", "zlib"))
        held = bzip2 > zlib
    cell.facts(bzip2=bzip2, zlib=zlib)
    detail = f"bzip2 {bzip2:.6g}, zlib {zlib:.6g}"
    return cell.promise(held, None, otherwise=Verdict.ALTERED, detail=detail, blame=Blame.COMPRESSION)


@scenario("backend", answers=["n-stores"])
def test_stores(cell):
    """The notes: "You can configure the result backend in your Celery application's configuration".

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-backend
    """
    task = cell.submit("give", "record_1kib")
    yield
    return cell.same(cell.receive(task), cell.built("record_1kib"))


def queried(cell):
    """Whether the store finds a result by a query that is about it, and not by one that is not."""
    number, word, now = 10**9 + secrets.randbelow(10**9), secrets.token_hex(8), datetime.now(UTC)
    before = cell.tally() if cell.case == "grouped" else {}
    task = cell.tasks.echo.delay(word) if cell.case == "word" else cell.tasks.add.delay(number, 0)
    cell.settle(task)
    if cell.case == "grouped":
        return cell.tally().get("SUCCESS", 0) > before.get("SUCCESS", 0)
    finds, misses = {
        "status": ("SUCCESS", "FAILURE"),
        "date_done": (now - MINUTE, now + MINUTE),
        "number": (number, number + 1),
        "word": (word, word[::-1]),
    }[cell.case]
    return task.id in cell.search(cell.case, finds) and task.id not in cell.search(cell.case, misses)


@scenario(
    "backend",
    "case",
    answers=["n-sql"],
    cases=["status", "date_done", "grouped", "number"],
    only={"backend": ["sqlite", "postgresql", "mysql", "django-db-*"]},
)
def test_sql(cell):
    """The notes: an SQL database "is useful if you need to query or analyze task results using SQL".

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#database-backend-settings
    """
    return cell.promise(queried(cell), None, otherwise=Verdict.LOST, detail="SQL does not find the result")


@scenario(
    "backend",
    "case",
    answers=["n-elasticsearch"],
    cases=["status", "date_done", "grouped", "number", "word"],
    only={"backend": ["elasticsearch"]},
)
def test_searched(cell):
    """The notes: "Elasticsearch is a distributed search and analytics engine … for analyzing task results".

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#elasticsearch-backend-settings
    """
    return cell.promise(queried(cell), None, otherwise=Verdict.LOST, detail="no query finds the result")


@scenario("backend", answers=["n-s3"], only={"backend": ["s3"]})
def test_s3_large(cell):
    """The notes: S3 "is useful for storing large volumes of data": a result of 64 KiB and more.

    https://docs.celeryq.dev/en/stable/userguide/configuration.html#s3-backend-settings
    """
    task = cell.submit("give", "size_1mib_text")
    yield
    return cell.same(cell.receive(task), cell.built("size_1mib_text"))


@scenario(
    "backend", answers=["n-command"], worker=OwnWorker("notes_command", arguments=PRINTED), only=STORELESS
)
def test_command(cell):
    """The notes: "celery -A <project>.celery worker --pool=prefork --concurrency=5 --autoscale=10,3 -l info".

    "concurrency will decide the size of the pool":
    https://docs.celeryq.dev/en/stable/userguide/workers.html#autoscaling
    """
    began = cell.await_pool_size(lambda size: size >= 3)
    task = cell.tasks.add.delay(1, 2)
    seen = cell.get(task)
    cell.facts(processes=began, result=seen.value)
    detail = f"--concurrency=5 beside --autoscale=10,3 starts {began} processes"
    return cell.promise(
        seen.value == 3 and began == 5, seen, otherwise=Verdict.IGNORED, detail=detail, blame=Blame.CELERY
    )
