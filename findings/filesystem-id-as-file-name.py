"""On the file result backend, a task id that is no file name (slash, NUL, 255 characters) cannot be stored.

Usage: python filesystem-id-as-file-name.py RESULT_BACKEND_URL [--workaround]
"""

from hashlib import sha256

from frame import WORKAROUND, finding_app, main

IDS = ("reports/2026/11", "before\0after", "a" * 255)
app = finding_app()


def look():
    refused = []
    for task_id in IDS:
        used = sha256(task_id.encode()).hexdigest() if WORKAROUND else task_id
        try:
            app.backend.mark_as_done(used, 3)
            app.AsyncResult(used).forget()
        except (OSError, ValueError) as error:
            refused.append(f"{task_id[:20]!r}: {type(error).__name__}")
    return bool(refused), f"refused are {refused}"


if __name__ == "__main__":
    main(look)
