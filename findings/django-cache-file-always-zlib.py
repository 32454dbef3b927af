"""Django's file cache compresses results with zlib, whatever result_compression says.

Usage: python django-cache-file-always-zlib.py RESULT_BACKEND_URL [--workaround]
The URL names the cache: file:///folder.
"""

import pickle
import zlib
from uuid import uuid4

from django.core.cache.backends.filebased import FileBasedCache
from frame import URL, WORKAROUND, django_cache_app, main


class Plain(FileBasedCache):
    def _write_content(self, file, timeout, value):
        file.write(pickle.dumps(self.get_backend_timeout(timeout)))
        file.write(pickle.dumps(value))

    def get(self, key, default=None, version=None):
        try:
            with open(self._key_to_file(key, version), "rb") as file:
                return default if self._is_expired(file) else pickle.load(file)
        except FileNotFoundError:
            return default


def look():
    plain = {"BACKEND": "__main__.Plain", "LOCATION": URL.removeprefix("file://")}
    app = django_cache_app(CACHES={"default": plain}) if WORKAROUND else django_cache_app()
    result = app.AsyncResult(str(uuid4()))
    app.backend.mark_as_done(result.id, "ten letters" * 1000)
    with open(app.backend.cache_backend._key_to_file(f"celery-task-meta-{result.id}"), "rb") as file:
        pickle.load(file)  # when it expires
        raw = file.read()
    assert result.result == "ten letters" * 1000
    result.forget()
    try:
        zlib.decompress(raw)
    except zlib.error:
        return False, f"11,000 letters are stored as {len(raw)} bytes, no zlib stream"
    return True, f"11,000 letters are stored as a zlib stream of {len(raw)} bytes"


if __name__ == "__main__":
    main(look)
