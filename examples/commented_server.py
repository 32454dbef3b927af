"""A key-value server over HTTP, for commented_backend.py: python commented_server.py PORT"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORED: dict[str, bytes] = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/":
            self._answer(200, "\n".join(STORED).encode())
        else:
            self._answer(200 if self.path in STORED else 404, STORED.get(self.path, b""))

    def do_PUT(self):
        STORED[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(204)

    def do_DELETE(self):
        STORED.pop(self.path, None)
        self._answer(204)

    def _answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self):
        return "Pigeonhole/1.0"

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
