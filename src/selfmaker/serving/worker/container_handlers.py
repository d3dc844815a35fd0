"""An image's own ``serve``: a program that answers ``/ping`` and ``/invocations`` over HTTP, as AWS's containers do.

It runs beside this worker in the same sandbox, on port 8080 of a network that is theirs alone, or, where it may reach
others, on a free port that SAGEMAKER_BIND_TO_PORT tells it.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from .handlers import ATTRIBUTES, Handlers, RequestError
from .transport import EXECUTION_PARAMETERS, Message

PORT = 8080
_PAUSE = 0.02  # seconds between looks whether the program is ready
_LONGEST_PING = 2.0
_TOLD_EVERY = 5.0  # seconds between lines in the log about a program that is waited for
_LAST_MOMENT = 1.0  # seconds within which a program that has closed its connections has ended, too, if it does


class ContainerHandlers(Handlers):
    """``serve`` is the image's command, which is run in ``directory``."""

    def __init__(self, serve: list[str], directory: str | None, model_dir: str) -> None:
        super().__init__(None, model_dir)
        self._serve = serve
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._port = _port()

    def load(self) -> None:
        """Start the program and wait until /ping answers 200; the starter's patience ends a wait that is too long."""
        program = shutil.which(self._serve[0])
        if program is None:
            raise RuntimeError(f"the image has no program {self._serve[0]}, which is to answer requests")
        environment = {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(self._port)}
        self._process = subprocess.Popen([program, *self._serve[1:]], env=environment, cwd=self._directory)
        told = time.monotonic()
        while (lacks := self._lacks()) is not None:
            if time.monotonic() - told > _TOLD_EVERY:
                told = time.monotonic()
                print(f"the image's program serve is waited for: {lacks}", file=sys.stderr, flush=True)
            code = self._process.poll()
            if code is not None:
                raise RuntimeError(f"the image's program serve ended with exit code {code} before it answered /ping")
            time.sleep(_PAUSE)

    def respond(self, request: Message) -> Message:
        if request.status == EXECUTION_PARAMETERS:
            response, body = self._ask("GET", "/execution-parameters", b"", {})
            return Message(response.status, "", "", "", body)
        headers = {"Content-Length": str(len(request.body))}
        named = (("Content-Type", request.content_type), ("Accept", request.accept), (ATTRIBUTES, request.attributes))
        headers.update({name: value for name, value in named if value})
        response, body = self._ask("POST", "/invocations", request.body, headers)
        content_type = response.getheader("Content-Type") or ""
        return Message(response.status, content_type, "", response.getheader(ATTRIBUTES) or "", body)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[Any, bytes]:
        """The answer, over a connection that is kept. One that the program has closed meanwhile is made anew once."""
        for fresh in (self._connection is None, True):
            if self._connection is None or fresh:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port)
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
                return response, response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                self._connection = None
                if fresh:
                    self._end_with_the_program()
                    raise RequestError(500, f"the image's program serve gave no answer: {error}") from error
        raise AssertionError("the second attempt returns or raises")

    def _lacks(self) -> str | None:
        """What is missing for /ping to answer with 200; None when it does."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_LONGEST_PING)
        try:
            connection.request("GET", "/ping")
            status = connection.getresponse().status
            return None if status == 200 else f"GET /ping answers with status {status}"
        except ConnectionRefusedError:
            return f"nothing listens on port {self._port}, which SAGEMAKER_BIND_TO_PORT tells it"
        except (OSError, http.client.HTTPException) as error:
            return f"GET /ping on port {self._port} has no answer ({error})"
        finally:
            connection.close()

    def _end_with_the_program(self) -> None:
        """A program that has died answers nobody: end, so that another worker takes this one's place."""
        try:
            code = self._process.wait(_LAST_MOMENT) if self._process is not None else None
        except subprocess.TimeoutExpired:
            return
        print(f"the image's program serve ended with exit code {code}", file=sys.stderr)
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def _port() -> int:
    """8080 where nobody has it, else a free one."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen: int = probe.getsockname()[1]
            return chosen
    raise RuntimeError("there is no free port")
