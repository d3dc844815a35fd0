"""Puts a small server in the place of ``selfmaker.app`` in the processes that the tests of the command line start.

It keeps to the protocol by which servers are found (the lock, the two files) and answers a few operations out of
``HOME/answers.json``: operation -> output. What it was asked is appended to ``HOME/asked.txt``.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace


def serve(settings, ready=None):
    home = settings.home
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True)
    lock = os.open(run / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    from selfmaker.errors import Conflict, Unavailable

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(f"a server already runs on {home}; see it with `selfmaker status`") from None
    if os.environ.get("STAND_IN_FAILS"):
        raise RuntimeError("the stand-in fails")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    try:
        http = ThreadingHTTPServer((settings.host, settings.port), handler(home))
    except OSError as error:
        raise Unavailable(f"cannot listen on port {settings.port} ({error.strerror}); choose another: --port") from None
    threading.Thread(target=http.serve_forever, daemon=True).start()
    endpoint = f"http://{settings.host}:{http.server_port}"
    keys = {"access_key_id": "AKIAOURS", "secret_access_key": "our-secret"}
    place = {"region": settings.region, "account": settings.account, "endpoint_url": endpoint}
    write(run / "credentials.json", {**keys, **place})
    about = {"pid": os.getpid(), "host": settings.host, "port": http.server_port, "started": time.time()}
    write(run / "server.json", {**about, "version": "0"})
    if ready is not None:
        ready(SimpleNamespace(endpoint=endpoint))
    ended.wait()
    with contextlib.suppress(FileNotFoundError):
        (run / "server.json").unlink()


def handler(home: Path):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            with (home / "asked.txt").open("a") as file:
                file.write(f"{operation} {body.decode()}\n")
            answers = home / "answers.json"
            output = json.loads(answers.read_text()).get(operation) if answers.exists() else None
            status, document = 200, output
            if output is None:
                status, document = 501, {"__type": "NotImplemented", "message": f"{operation} is not answered"}
            elif "__type" in output:
                status = 400
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.do_POST()

        def log_message(self, *_):
            pass

    return Handler


def write(path: Path, document: dict) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


module = ModuleType("selfmaker.app")
module.serve = serve
module.Server = SimpleNamespace
sys.modules["selfmaker.app"] = module
