"""The end of a server that does not end."""

import signal
import subprocess
import sys
from pathlib import Path

from selfmaker.signals import EndSignals

STUCK = """
import sys, threading
from pathlib import Path
from selfmaker import app
from selfmaker.settings import load

class Stuck(app.Server):
    def stop(self):
        threading.Event().wait()

app.Server, app._PATIENCE = Stuck, 0.3
app.serve(load({"home": sys.argv[1], "port": "0"}), lambda server: print("ready", flush=True))
"""


def test_a_server_that_does_not_end_is_ended_and_says_where_it_stood(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUCK, str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the server does not end within 0.3 s" in said
    assert "in stop" in said, "the thread that is stuck is among those told of"


def test_signals_are_heard_whenever_they_come() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        end = EndSignals()
        assert end.wait(0) is False
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert end.wait(0) is True
        assert end.wait() is True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
