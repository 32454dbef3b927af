"""The questions that a result store must answer, by id; scenarios and values declare which they answer.

A question that nothing declares is an open one: ``roundtrip list --questions`` shows it.
docs/questions.md is `markdown` of all scenarios; a test holds it current.
"""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from collections.abc import Sequence

from harness import corpus
from harness.scenario import Scenario

TITLES = {
    "v": "Values",
    "r": "At rest",
    "s": "State and metadata",
    "f": "Failures that travel",
    "g": "Reading",
    "l": "Lifetime",
    "i": "Identity",
    "c": "Groups, chains, chords",
    "p": "Workers and pools",
    "n": "The notes' own claims",
    "d": "Django",
}
"""Headings of the families of questions, by the first letter of their ids."""
QUESTIONS = {
    "v-none": "None, booleans, empty containers and strings",
    "v-int": "integers around 2^31, 2^53, 2^63, 2^64, thousands of digits",
    "v-float": "nan, infinities, -0.0, denormals, 17 significant digits",
    "v-str": "text: combining forms, emoji, controls, surrogates, what looks like another format",
    "v-bytes": "bytes, bytearray, memoryview",
    "v-seq": "lists, tuples, sets, deques",
    "v-dict": "dicts: keys of every type, keys that collide, order",
    "v-time": "datetimes, dates, times, timedeltas, zones, fold, microseconds",
    "v-num": "Decimal, Fraction, complex",
    "v-id": "UUID, Path",
    "v-class": "enums, namedtuples, dataclasses, subclasses of builtins",
    "v-hook": "objects with __json__, kombu lazy",
    "v-graph": "shared and self references, depth",
    "v-impossible": "generators, lambdas, open files, locks",
    "v-size": "1 KiB to 16 MiB, and around the documented limits of stores",
    "v-generated": "generated values, by class",
    "r-serializer": "the serializer at rest is the one configured",
    "r-codec": "so is the codec, and the size shows it",
    "r-plain": "nothing is compressed when told not to",
    "r-where": "one key, row, document or file, and nothing else left behind",
    "r-life": "remaining lifetime against result_expires",
    "r-message": "the task message in the broker: content type, encoding, compression header",
    "s-pending": "unknown id",
    "s-started": "STARTED with pid and hostname",
    "s-progress": "update_state sequence",
    "s-custom": "custom states keep their meta",
    "s-retry": "RETRY with its exception",
    "s-success": "SUCCESS, also over an earlier STARTED",
    "s-failure": "FAILURE with its exception and traceback",
    "s-revoked": "REVOKED",
    "s-ignore": "Ignore and Reject",
    "s-date-done": "type and zone of date_done",
    "s-traceback": "traceback of a failure",
    "s-family": "children, parent, group and root ids",
    "s-extended": "result_extended",
    "s-stamps": "stamped headers",
    "s-errors-kept": "store_errors_even_if_ignored",
    "s-ignored": "ignore_result at task and call",
    "s-eager": "task_store_eager_result",
    "f-builtin": "built-in exceptions with their arguments",
    "f-custom": "exceptions of one's own: several arguments, keyword-only, attributes",
    "f-cause": "__cause__, notes, groups",
    "f-foreign": "a class that the reader cannot import",
    "f-local": "a locally defined class",
    "f-argument": "an argument that does not serialize",
    "f-text": "NUL, surrogates, 1 MiB in the message",
    "f-unencodable": "a result that does not encode",
    "f-limits": "soft and hard time limit",
    "f-child": "pool child killed",
    "f-late": "acks_late, reject_on_worker_lost",
    "f-message": "a message that the worker cannot decode",
    "g-get": "get, again, second object",
    "g-process": "second process",
    "g-thread": "second thread, many waiters",
    "g-timeout": "timeout 0, below the poll interval, long",
    "g-propagate": "propagate",
    "g-hooks": "interval, on_interval, on_message, then",
    "g-tree": "collect, iterdeps, get_leaf, as_tuple and back",
    "g-state": "ready, successful, failed, maybe_throw",
    "g-exists": "task_result_exists",
    "g-forget": "forget once, twice, unknown",
    "g-inside": "waiting inside a task",
    "l-expires": "result_expires in every form",
    "l-failures": "result_failure_expires",
    "l-cleanup": "backend cleanup",
    "l-evicted": "an evicted result",
    "l-restart": "restart of worker and store",
    "i-id": "task ids of every shape",
    "i-prefix": "global_keyprefix",
    "c-group": "groups",
    "c-saved": "saved groups",
    "c-count": "completed_count, remove, revoke",
    "c-chain": "chains",
    "c-chord": "chords",
    "c-chord-fails": "chords whose header fails",
    "c-chord-ignored": "chords whose header ignores results",
    "c-chord-twice": "duplicate delivery of a header task",
    "c-replace": "replace",
    "c-chunks": "chunks, starmap",
    "p-core": "each pool",
    "p-default": "default concurrency",
    "p-autoscale": "--autoscale",
    "p-both": "--concurrency with --autoscale",
    "p-greenlet": "gevent and eventlet clients",
    "n-serializer-argument": "Celery(serializer=...) sets the serializer",
    "n-broker-compression": "broker_transport_options={'compression': ...} compresses messages",
    "n-default-store": "AMQP is the default result backend",
    "n-amqp": "AMQP results through RabbitMQ or Redis",
    "n-json-default": "JSON is the default serializer",
    "n-pickle-any": "pickle serializes nearly any Python object",
    "n-msgpack": "msgpack is more compact and faster than JSON and YAML",
    "n-bzip2": "bzip2 is slower and often smaller than zlib",
    "n-stores": "each listed store can be configured and used",
    "n-sql": "SQL results can be queried and analysed with SQL",
    "n-elasticsearch": "Elasticsearch results can be searched and analysed",
    "n-s3": "S3 takes large results",
    "n-pool-size": "pool size defaults to the CPU cores",
    "n-command": "the worker command as printed works",
    "d-store": "django-db and django-cache",
    "d-rows": "TaskResult and GroupResult rows",
    "d-transaction": "results inside a rolled-back transaction",
    "d-zone": "timezone on and off",
    "d-migrate": "migrations from empty",
}


def scenarios() -> list[Scenario]:
    """All scenarios of the project, in the order in which pytest meets them."""
    import scenarios as package

    found: list[Scenario] = []
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        module = importlib.import_module(f"scenarios.{name}")
        found += [item for item in vars(module).values() if isinstance(item, Scenario)]
    return found


def answered(declared: Sequence[Scenario]) -> dict[str, list[str]]:
    """Question id -> names of the scenarios that answer it; open ones map to an empty list."""
    asked_by_values = {value.question for value in corpus.VALUES}
    table: dict[str, list[str]] = {question: [] for question in QUESTIONS}
    for scenario in declared:
        for pattern in scenario.answers:
            for question in fnmatch.filter(QUESTIONS, pattern):
                by_value = pattern.startswith("v-") and "*" in pattern
                if not by_value or question in asked_by_values:
                    table[question].append(scenario.name)
    return table


def markdown(declared: Sequence[Scenario]) -> str:
    """All questions with the scenarios that answer them, what each promises and on which axes it is asked."""
    table = answered(declared)
    promises = {scenario.name: scenario for scenario in declared}
    lines = [
        "# Questions and promises",
        "",
        "Made by `roundtrip list --questions --markdown > docs/questions.md`; a test holds it current.",
    ]
    for letter, title in TITLES.items():
        lines += ["", f"## {title}", "", "| question | asked by | promise | axes |", "|---|---|---|---|"]
        for question, meaning in QUESTIONS.items():
            if not question.startswith(letter + "-"):
                continue
            told = f"`{question}` {meaning}"
            for name in table[question] or ["OPEN"]:
                scenario = promises.get(name)
                promise = scenario.promise if scenario else ""
                axes = ", ".join(scenario.axes) if scenario else ""
                lines.append(f"| {told} | `{name}` | {promise} | {axes} |".replace("  ", " "))
                told = ""
    return "\n".join(lines) + "\n"
