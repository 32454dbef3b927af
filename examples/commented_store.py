"""The result backend under test, as its users have it: results in the HTTP server of commented_server.py."""

import urllib.error
import urllib.request
from datetime import datetime, timedelta
from urllib.parse import quote, unquote

from celery.backends.base import KeyValueStoreBackend


class Pigeonhole(KeyValueStoreBackend):
    supports_result_compression = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.address = "http://" + self.url.partition("://")[2]

    def _ask(self, method, key, body=None):
        name = key.decode() if isinstance(key, bytes) else key
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(f"{self.address}/{quote(name, safe='')}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def get(self, key):
        return self._ask("GET", key)

    def mget(self, keys):
        return [self.get(key) for key in keys]

    def set(self, key, value):
        self._ask("PUT", key, value)

    def delete(self, key):
        self._ask("DELETE", key)

    def cleanup(self):
        """Remove what ended longer than ``result_expires`` ago. The task celery.backend_cleanup calls it."""
        if not self.expires:
            return
        limit = self.app.now() - timedelta(seconds=self.expires)
        for path in (self._ask("GET", "") or b"").decode().splitlines():
            key = unquote(path.removeprefix("/"))
            payload = self.get(key) if key.startswith(self.task_keyprefix.decode()) else None
            done = self.decode_result(payload)["date_done"] if payload else None  # None: it still runs
            if done and datetime.fromisoformat(done) < limit:
                self.delete(key)
