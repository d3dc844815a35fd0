"""A server that only writes down what it is asked, and processes that have the client's folder on their path."""

import json
import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from selfmaker.client.environment import SITE

IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/SageMakerRole/session</Arn><UserId>A:session</UserId>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Recorder:
    """An HTTP server. ``asked``: the operations asked for, in order; ``answers``: an operation's outputs in turn, the
    last one for ever."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, list[dict[str, Any]]] = {}
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                operation = target or parse_qs(body.decode()).get("Action", [self.path])[0]
                recorder.asked.append(operation)
                outputs = recorder.answers.get(operation, [{}])
                output = outputs.pop(0) if len(outputs) > 1 else outputs[0]
                answer = IDENTITY if operation == "GetCallerIdentity" else json.dumps(output).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self) -> None:
                self.do_POST()

            def do_HEAD(self) -> None:
                recorder.asked.append(f"HEAD {self.path}")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def run_hooked(
    code: str, python: str | Path, recorder: Recorder, home: Path, variables: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """What a process prints to stdout and stderr that has the client's folder in front of its path; it ends well."""
    others = ("AWS_", "SELFMAKER_", "PYTHON")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(others)},
        "HOME": str(home),
        "PYTHONPATH": str(SITE),
        "SELFMAKER_ENDPOINT_URL": recorder.endpoint,
        "AWS_ENDPOINT_URL": recorder.endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAOURS",
        "AWS_SECRET_ACCESS_KEY": "our-secret",
        "AWS_DEFAULT_REGION": "us-west-2",
        # Whatever leaves this machine fails at once, instead of reaching somebody.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        **(variables or {}),
    }
    done = subprocess.run(
        [str(python), "-c", code], env=environment, cwd=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
