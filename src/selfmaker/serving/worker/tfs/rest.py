"""TensorFlow Serving's REST API on a port of the worker's own, for handlers that post to ``context.rest_uri``."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .. import formats
from ..handlers import RequestError
from .bodies import parse
from .models import Models, error_body


def serve(models: Models) -> int:
    """Answer on a free port of the loopback until the process ends; the port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._tell(lambda: models.answer(self.path, parse(body)))

        def do_GET(self) -> None:
            self._tell(lambda: models.status(self.path))

        def log_message(self, format: str, *args: Any) -> None:
            """The requests are in the endpoint's own log already."""

        def _tell(self, answer: Any) -> None:
            try:
                status, body = 200, formats.json_bytes(answer())
            except RequestError as error:
                status, body = error.status, error_body(str(error))
            self.send_response(status)
            self.send_header("Content-Type", formats.JSON)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])
