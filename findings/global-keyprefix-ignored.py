"""On stores without keys (SQL, Cassandra), global_keyprefix changes nothing: projects share their results.

Usage: python global-keyprefix-ignored.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import URL, WORKAROUND, finding_app, main

ours = finding_app(result_backend_transport_options={"global_keyprefix": "ours-"})
theirs = finding_app(
    URL + "-theirs" if WORKAROUND else URL, result_backend_transport_options={"global_keyprefix": "theirs-"}
)


def look():
    task_id = str(uuid4())
    ours.backend.mark_as_done(task_id, "ours")
    state = theirs.AsyncResult(task_id).state
    ours.AsyncResult(task_id).forget()
    return state == "SUCCESS", f"under another global_keyprefix the same id is {state}"


if __name__ == "__main__":
    main(look)
