"""django-celery-results stores results as they are, whatever result_compression says.

Usage: python django-db-compression-ignored.py RESULT_BACKEND_URL [--workaround]
The URL names the database: sqlite:////file or postgresql://user:password@host:port/database.
"""

from uuid import uuid4

from celery.utils.serialization import b64encode
from frame import WORKAROUND, django_app, main


def compressing():
    from django_celery_results.backends import DatabaseBackend  # needs Django's settings

    class Compressing(DatabaseBackend):
        supports_result_compression = True

        def encode_content(self, data):
            return self.content_type, "binary", b64encode(self.encode(data))

    return Compressing


def look():
    app = django_app()
    app.conf.result_compression = "zlib"
    if WORKAROUND:
        app.backend_cls = compressing()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    stored = app.backend.TaskModel.objects.get(task_id=result.id).result
    assert result.result == "ten letters" * 1000
    result.forget()
    return len(stored) > 11_000, f"11,000 letters are stored as {len(stored)} characters: {stored[:40]}"


if __name__ == "__main__":
    main(look)
