"""What finding scripts share: command line, exit code, an app on the store, a real worker. Plain Celery.

    python findings/ID.py RESULT_BACKEND_URL [--workaround]

Exit code 0: the deviation shows, 1: it does not, 2: cannot tell. With ``--workaround`` the script does what
the expectation advises, and should find that it no longer shows. The worker imports a script as a module:
everything that it needs to know comes from the environment there.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from pathlib import Path

from celery import Celery
from kombu.transport import filesystem
from kombu.utils.json import dumps

GIVE_UP_AFTER = 60  # seconds
ENDING = (signal.SIGALRM, signal.SIGTERM)
SCRIPT = Path(sys.argv[0])


def _from_command_line():
    """Read the command line, once; processes that the script starts find it in their environment."""
    words = [word for word in sys.argv[1:] if word != "--workaround"]
    if len(words) != 1 or "://" not in words[0]:
        print(f"usage: python {SCRIPT.name} RESULT_BACKEND_URL [--workaround]", file=sys.stderr)
        sys.exit(2)
    folder = tempfile.mkdtemp(prefix="finding-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    workaround = "yes" if "--workaround" in sys.argv else ""
    queue = f"{SCRIPT.stem}-worked-around" if workaround else SCRIPT.stem
    os.environ.update(
        FINDING_URL=words[0], FINDING_FOLDER=folder, FINDING_QUEUE=queue, FINDING_WORKAROUND=workaround
    )
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.modules[SCRIPT.stem] = sys.modules["__main__"]  # classes that the worker names are the script's own
    warnings.simplefilter("ignore")  # Celery and drivers warn; what counts is what they do


if "FINDING_URL" not in os.environ:
    _from_command_line()
URL = os.environ["FINDING_URL"]
WORKAROUND = bool(os.environ["FINDING_WORKAROUND"])
"""Whether the workaround is to be in place."""


def _put_whole(channel, queue, payload, **_):
    """Put a message into a folder so that it appears there whole.

    kombu's own `_put` opens the file first and writes then, and `_get` looks for no lock: a worker may take a
    message before it is written, and loses it. https://github.com/celery/kombu/issues/1551
    """
    name = f"{time.monotonic_ns() // 1_000_000}_{uuid.uuid4()}.{queue}.msg"
    written = Path(channel.data_folder_out, f"{name}.new")
    written.write_text(dumps(payload))
    written.rename(written.with_name(name))


filesystem.Channel._put = _put_whole


def finding_app(url=URL, broker=None, **settings):
    """An app whose results go to the store. Its messages go to a folder, unless `broker` is a URL.

    On a broker, tasks go through a queue of the script's own, one more with the workaround: scripts that run
    side by side there do not take each other's.

    Cassandra's URL is cassandra://HOST:PORT/KEYSPACE, S3's s3+http://KEY:SECRET@HOST:PORT/BUCKET.
    """
    app = Celery("finding", set_as_current=False)
    folder = os.environ["FINDING_FOLDER"]
    options = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), folder)
    app.conf.update(
        broker_url=broker or "filesystem://",
        broker_transport_options={} if broker else {**options, "polling_interval": 0.02},
        task_default_queue=os.environ["FINDING_QUEUE"],
        broker_connection_retry_on_startup=True,
        **{**_store(url), **settings},
    )
    return app


def _store(url):
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme == "cassandra":
        return {
            "result_backend": "cassandra://",
            "cassandra_servers": [parts.hostname],
            "cassandra_port": parts.port or 9042,
            "cassandra_keyspace": parts.path.strip("/"),
            "cassandra_table": "finding",
        }
    if parts.scheme.startswith("s3+"):
        return {
            "result_backend": "s3://",
            "s3_bucket": parts.path.strip("/"),
            "s3_region": "us-east-1",
            "s3_access_key_id": parts.username,
            "s3_secret_access_key": parts.password,
            "s3_endpoint_url": f"{parts.scheme[3:]}://{parts.hostname}:{parts.port}",
        }
    return {"result_backend": url}


def django_app(aliases=("default",), **settings):
    """An app whose results go to django-db, in the database that URL names, its tables made.

    SQLite's URL is sqlite:////FILE, PostgreSQL's postgresql://USER:PASSWORD@HOST:PORT/DATABASE.

    :param aliases: names of connections to that database.
    :param settings: Django's, beside the necessary ones.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(URL)
    if parts.scheme == "sqlite":
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path.removeprefix("/")}
    elif parts.scheme == "postgresql":
        who = {"USER": parts.username, "PASSWORD": parts.password, "HOST": parts.hostname, "PORT": parts.port}
        database = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), **who}
    else:
        raise ValueError("this takes URLs that begin with sqlite:// or postgresql://")
    _set_up_django(**{"DATABASES": {alias: dict(database) for alias in aliases}, **settings})
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    return finding_app("django-db")


def django_cache_app(**settings):
    """An app whose results go to django-cache, in the cache that URL names.

    The file cache's URL is file:///FOLDER, Redis' redis://HOST:PORT/0, the memory cache's locmem://NAME.

    :param settings: Django's, beside the necessary ones.
    """
    kinds = {"file": "filebased.FileBasedCache", "redis": "redis.RedisCache", "locmem": "locmem.LocMemCache"}
    scheme, _, place = URL.partition("://")
    if scheme not in kinds:
        raise ValueError("this takes URLs that begin with file://, redis:// or locmem://")
    cache = {
        "BACKEND": f"django.core.cache.backends.{kinds[scheme]}",
        "LOCATION": URL if scheme == "redis" else place,
    }
    _set_up_django(**{"CACHES": {"default": cache}, **settings})
    return finding_app("django-cache")


def encoding_cache_backend():
    """django-celery-results' cache backend, with the encoding that Celery's own key-value stores have.

    The workaround of several findings. Made late, for what it extends needs Django's settings.
    """
    from celery.backends.base import KeyValueStoreBackend
    from django_celery_results.backends import CacheBackend

    class Encoding(CacheBackend):
        encode = KeyValueStoreBackend.encode
        decode = KeyValueStoreBackend.decode
        supports_result_compression = True

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.serializer = self.app.conf.result_serializer

    return Encoding


def _set_up_django(**settings):
    import django
    from django.conf import settings as django_settings

    django_settings.configure(**{"INSTALLED_APPS": ["django_celery_results"], "USE_TZ": True, **settings})
    os.environ["TZ"] = django_settings.TIME_ZONE
    time.tzset()  # as Django does that finds its settings in a module
    django.setup()


@contextlib.contextmanager
def worker(pool="solo", *arguments):
    """A real ``celery worker`` on the script's ``app``, for as long as the context lasts."""
    folder = Path(os.environ["FINDING_FOLDER"])
    command = [sys.executable, "-m", "celery", "-A", SCRIPT.stem, "worker", "-P", pool, *arguments]
    command += ["--without-mingle", "--without-gossip", "--without-heartbeat"]
    temporary = folder / "tmp"  # not the folder itself: kombu moves messages there that were taken from it
    temporary.mkdir(exist_ok=True)
    where = {"cwd": SCRIPT.resolve().parent, "env": {**os.environ, "TMPDIR": str(temporary)}}
    running = None
    try:
        with (folder / "worker.log").open("wb") as log, _undisturbed():
            running = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **where)
        yield running
    finally:
        if running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()


@contextlib.contextmanager
def _undisturbed():
    """What ends the script ends it afterwards: of a worker that is half started nobody would know."""
    came = []
    usual = {number: signal.signal(number, lambda which, _: came.append(which)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


def main(look):
    """Run `look() -> (whether it shows, what was seen)`, print one line and exit."""

    def give_up(*_):
        print(f"cannot tell: ended from outside, or no answer within {GIVE_UP_AFTER} seconds", flush=True)
        sys.exit(2)  # what clients try again after an error ends too: this is none

    for number in ENDING:
        signal.signal(number, give_up)
    signal.alarm(GIVE_UP_AFTER)
    try:
        shows, seen = look()
        code = 0 if shows else 1
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing was learned
        code, seen = 2, f"{type(error).__name__}: {error}"
    signal.alarm(0)
    print(("it shows: ", "it does not show: ", "cannot tell: ")[code] + " ".join(str(seen).split())[:300])
    sys.stdout.flush()
    sys.exit(code)
