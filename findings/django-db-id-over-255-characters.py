"""django-celery-results on PostgreSQL cannot store results of tasks whose id is longer than 255 characters.

Usage: python django-db-id-over-255-characters.py RESULT_BACKEND_URL [--workaround]
The URL names a database, as in postgresql://USER:PASSWORD@HOST:PORT/NAME. It gets a schema for this time.
"""

from hashlib import sha256
from urllib.parse import urlsplit
from uuid import uuid4

import django
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection
from frame import URL, WORKAROUND, finding_app, main

parts = urlsplit(URL)
SCHEMA = f"finding_{uuid4().hex}"
WHO = {"USER": parts.username, "PASSWORD": parts.password, "HOST": parts.hostname, "PORT": parts.port}
DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), **WHO}
DATABASE["OPTIONS"] = {"options": f"-c search_path={SCHEMA}"}
settings.configure(INSTALLED_APPS=["django_celery_results"], USE_TZ=True, DATABASES={"default": DATABASE})
app = finding_app("django-db")


def look():
    django.setup()
    with connection.cursor() as cursor:
        cursor.execute(f"create schema {SCHEMA}")
        try:
            call_command("migrate", verbosity=0, interactive=False)
            return refused()
        finally:
            cursor.execute(f"drop schema {SCHEMA} cascade")


def refused():
    task_id = "a" * 256
    if WORKAROUND:
        task_id = sha256(task_id.encode()).hexdigest()
    try:
        app.backend.mark_as_done(task_id, 3)
    except DatabaseError as error:
        return True, f"it was refused: {error}"
    return False, "it was stored"


if __name__ == "__main__":
    main(look)
