"""Results in Elasticsearch cannot be counted by status or found by a number.

Usage: python elasticsearch-result-is-text.py RESULT_BACKEND_URL [--workaround]
"""

from uuid import uuid4

from frame import WORKAROUND, finding_app, main

NUMBER = {"type": "keyword", "fields": {"number": {"type": "double", "ignore_malformed": True}}}
"""A result as text, and as a number where it is one."""


def look():
    app = finding_app(elasticsearch_save_meta_as_text=not WORKAROUND)
    app.backend.index = index = f"finding-{uuid4()}"
    server = app.backend.server
    if WORKAROUND:
        server.indices.create(
            index=index, mappings={"properties": {"result": {"properties": {"result": NUMBER}}}}
        )
    try:
        app.backend.store_result("finding", 42, "SUCCESS")
        assert app.AsyncResult("finding").result == 42
        server.indices.refresh(index=index)
        by_status = {"term": {"result.status.keyword": "SUCCESS"}}
        by_number = {"range": {"result.result.number": {"gte": 40}}}
        found = [
            server.search(index=index, query=one)["hits"]["total"]["value"] for one in (by_status, by_number)
        ]
    finally:
        server.indices.delete(index=index)
    return found != [1, 1], f"of one result, by status and by number are found {found}"


if __name__ == "__main__":
    main(look)
