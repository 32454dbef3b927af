"""An exception that pickle cannot rebuild arrives as Celery's wrapper, under json too.

Usage: python exception-class-wrapped.py RESULT_BACKEND_URL [--workaround]
"""

from frame import WORKAROUND, finding_app, main, worker

app = finding_app()


class KeywordError(Exception):
    def __init__(self, text, *, code):
        super().__init__(text)
        self.code = code


class PositionalError(Exception):
    def __init__(self, text, code):
        super().__init__(text, code)


@app.task(name="finding")
def task():
    raise PositionalError("bad", 7) if WORKAROUND else KeywordError("bad", code=7)


def look():
    with worker():
        result = task.delay()
        got = result.get(timeout=30, propagate=False)
    result.forget()
    return not isinstance(got, (KeywordError, PositionalError)), f"the caller gets {type(got)}: {got!r}"


if __name__ == "__main__":
    main(look)
