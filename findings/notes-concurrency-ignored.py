"""--concurrency=5 has no effect beside --autoscale=10,3.

Usage: python notes-concurrency-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from frame import WORKAROUND, finding_app, main, worker

app = finding_app()


@app.task(name="finding")
def task():
    return "up"


def look():
    told = ["--autoscale=10,5"] if WORKAROUND else ["--concurrency=5", "--autoscale=10,3"]
    with worker("prefork", *told):
        result = task.delay()
        result.get()
        result.forget()
        (stats,) = app.control.inspect(timeout=10, limit=1).stats().values()
    processes = len(stats["pool"]["processes"])
    return processes != 5, f"{' '.join(told)} starts {processes} processes"


if __name__ == "__main__":
    main(look)
