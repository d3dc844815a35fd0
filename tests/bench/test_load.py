"""The load of the serving bench, in both its forms, against a server of the standard library."""

import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    status = 200

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"0.5")

    def log_message(self, *_):
        """Say nothing."""


class Failing(Answering):
    status = 500


def command(form, folder):
    if form == "python":
        return [sys.executable, BENCH / "load.py"]
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    subprocess.run([compiler, "-O2", "-o", folder / "load", BENCH / "load.c"], check=True)
    return [folder / "load"]


@pytest.mark.parametrize("form", ["python", "c"])
@pytest.mark.parametrize("handler", [Answering, Failing])
def test_every_answer_is_counted_and_failures_are_told(form, handler, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever).start()
    (tmp_path / "request").write_bytes(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n1,2")
    try:
        words = [*command(form, tmp_path), str(server.server_port), "3", "0.3", tmp_path / "request"]
        told = subprocess.run(words, capture_output=True, text=True, check=True)
    finally:
        server.shutdown()
        server.server_close()
    first, *latencies = told.stdout.splitlines()
    count, failed, seconds = first.split()
    assert len(latencies) == int(count) > 0
    assert int(failed) == (int(count) if handler is Failing else 0)
    assert 0.3 <= float(seconds) < 60
    assert all(float(latency) > 0 for latency in latencies)
    assert ("500" in told.stderr) == (handler is Failing)
