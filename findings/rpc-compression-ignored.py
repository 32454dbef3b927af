"""The rpc result backend sends results as they are, whatever result_compression says.

Usage: python rpc-compression-ignored.py RESULT_BACKEND_URL
With rpc the broker holds the results: give the broker's URL (redis://, amqp:// or filesystem://).
Exit code 0: this shows, 1: it does not, 2: cannot tell.
"""

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from celery import Celery, exceptions

# The worker imports this file too: both take the broker from the environment, and rpc as result store.
if not os.environ.get("CELERY_RESULT_BACKEND", "rpc://").endswith("rpc://"):
    os.environ["CELERY_BROKER_URL"] = os.environ["CELERY_RESULT_BACKEND"]
    os.environ["CELERY_RESULT_BACKEND"] = "rpc://"
app = Celery("finding")
folders = ("data_folder_in", "data_folder_out", "control_folder")
app.conf.broker_transport_options = dict.fromkeys(folders, os.environ.get("FINDING_FOLDER"))
app.conf.broker_transport_options["polling_interval"] = 0.05
app.conf.update(result_serializer="json", result_compression="zlib")
warnings.simplefilter("ignore")  # Celery warns; the question is what is sent


@app.task(name="finding")
def task():
    return "ten letters" * 1000


def look(_):
    app.backend.result_consumer.stop()  # else it takes the next reply off the queue
    task.delay()
    with app.connection() as connection:
        queue = app.backend.binding(connection.default_channel)
        queue.declare()
        while (reply := queue.get(no_ack=True)) is None:
            time.sleep(0.05)
        queue.delete()
    codec, body = reply.headers.get("compression"), reply.body
    seen = f"11,000 letters are sent as {len(body)} bytes, codec {codec}: {body[:40]!r}"
    return (0 if codec is None and len(body) > 11_000 else 1), seen


def ask(url, folder):
    me = Path(__file__).resolve()
    sys.dont_write_bytecode = True
    os.environ.update(CELERY_BROKER_URL="filesystem://", CELERY_RESULT_BACKEND=url)
    os.environ.update(FINDING_FOLDER=folder, PYTHONDONTWRITEBYTECODE="1")
    finding = importlib.import_module(me.stem)  # so that classes are the worker's, not __main__'s
    finding.app.backend.get_state("is-the-store-there")
    log = Path(folder, "worker.log")
    command = [sys.executable, "-m", "celery", "-A", me.stem, "worker", "-P", "solo", "--without-mingle"]
    worker = subprocess.Popen(command, cwd=me.parent, stdout=log.open("wb"), stderr=subprocess.STDOUT)
    try:
        result = finding.task.delay()
        while worker.poll() is None:
            try:
                result.get(timeout=1, interval=0.05, propagate=False)
            except exceptions.TimeoutError:
                continue
            answer = finding.look(result)
            result.forget()
            return answer
        result.forget()
        return 2, "the worker ended: " + log.read_text(errors="replace")[-200:]
    finally:
        worker.kill()
        worker.wait()


def give_up(*_):
    print("cannot tell: ended from outside, or no answer within 60 seconds")
    sys.exit(2)


def main():
    if len(sys.argv) != 2 or "://" not in sys.argv[1]:
        print(f"usage: python {Path(__file__).name} RESULT_BACKEND_URL", file=sys.stderr)
        return 2
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, give_up)
    signal.alarm(60)
    with tempfile.TemporaryDirectory(prefix="finding-") as folder:
        try:
            code, seen = ask(sys.argv[1], folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing was learned
            code, seen = 2, f"{type(error).__name__}: {error}"
    print(("it shows: ", "it does not show: ", "cannot tell: ")[code] + " ".join(seen.split())[:300])
    return code


if __name__ == "__main__":
    sys.exit(main())
