"""A ResultSet that holds one result twice has None in the first place, where results are joined natively.

Usage: python result-set-duplicate-none.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

app = finding_app()


def look():
    results = [app.AsyncResult(str(uuid4())) for _ in range(2)]
    for number, result in enumerate(results):
        app.backend.store_result(result.id, number, "SUCCESS")
    twice = app.ResultSet([results[0], results[1], results[0]])
    found = twice.join(timeout=5) if WORKAROUND else twice.get(timeout=5)
    for result in results:
        result.forget()
    return found != [0, 1, 0], f"[0, 1, 0] came back as {found}"


if __name__ == "__main__":
    main(look)
