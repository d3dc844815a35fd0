"""Runs inside a function's sandbox: loads the handler, then answers one call after the other on a Unix socket.

Stand-alone, Python 3.8 or later, nothing but the standard library. A frame on the socket is two lengths (big-endian,
4 bytes each), a JSON header and a body. Once a call is answered the line ``NUL END <request id>`` on standard output
tells that all it printed has been read.
"""

from __future__ import annotations

import decimal
import importlib
import json
import logging
import os
import resource
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

TASK_ROOT = "/var/task"
LONGEST_RESULT = 6291556


def main() -> None:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.connect(sys.argv.pop(1))
    sys.path.insert(0, TASK_ROOT)
    context = Context()
    _set_up_logging(context)
    handler, problem = _load(os.environ["_HANDLER"])
    _send(line, {"kind": "ready"}, b"")
    while True:
        header, event = _receive(line)
        context.begin(header)
        kind, body = ("error", problem) if handler is None else _call(handler, event, context)
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(1, b"\0END " + context.aws_request_id.encode() + b"\n")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        _send(line, {"kind": kind, "memory": peak, "last": handler is None}, body)
        if handler is None:
            sys.exit(1)


class Identity:
    """Of mobile applications only; there are none."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Client:
    """What a mobile application says of itself."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.custom = told.get("custom")
        self.env = told.get("env")
        self.client = type("Client", (), told["client"])() if isinstance(told.get("client"), dict) else None


class Context:
    """The handler's second argument."""

    def __init__(self) -> None:
        self.aws_request_id = ""
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = ""
        self.identity = Identity()
        self.client_context: Client | None = None
        self._deadline_ms = 0

    def begin(self, header: dict[str, Any]) -> None:
        """A new call."""
        self.aws_request_id = header["request_id"]
        self.invoked_function_arn = header["arn"]
        told = header.get("client_context")
        self.client_context = Client(told) if isinstance(told, dict) else None
        self._deadline_ms = header["deadline_ms"]
        os.environ.pop("_X_AMZN_TRACE_ID", None)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: Any) -> None:
        sys.stdout.write(str(message))


class _WithRequestId(logging.Filter):
    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self._context.aws_request_id
        return True


def _set_up_logging(context: Context) -> None:
    handler = logging.StreamHandler(sys.stdout)
    form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(_WithRequestId(context))
    logging.getLogger().addHandler(handler)


def _load(name: str) -> tuple[Callable[[Any, Any], Any] | None, bytes]:
    """The handler, or what to answer to every call."""
    module_name, dot, attribute = name.rpartition(".")
    if not dot or not module_name:
        return None, _problem("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    path = module_name.replace("/", ".")
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        _show(error)
        return None, _problem("Runtime.ImportModuleError", f"Unable to import module '{path}': {error}")
    except SyntaxError as error:
        _show(error)
        told = f"Syntax error in module '{path}': {error}"
        where = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        return None, _problem("Runtime.UserCodeSyntaxError", told, where)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        _show(error)
        return None, _problem(type(error).__name__, str(error), _stack(error))
    try:
        return getattr(module, attribute), b""
    except AttributeError:
        told = f"Handler '{attribute}' missing on module '{path}'"
        return None, _problem("Runtime.HandlerNotFound", told)


def _call(handler: Callable[[Any, Any], Any], event: bytes, context: Context) -> tuple[str, bytes]:
    try:
        result = handler(json.loads(event), context)
    except Exception as error:  # noqa: BLE001 - the user's handler may raise anything
        _show(error)
        stack = _stack(error)
        return "error", _problem(type(error).__name__, str(error), stack, context.aws_request_id)
    try:
        body = json.dumps(result, ensure_ascii=False, default=_number).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as error:
        told = f"Unable to marshal response: {error}"
        return "error", _problem("Runtime.MarshalError", told, [], context.aws_request_id)
    if len(body) > LONGEST_RESULT:
        told = f"Response payload size exceeded maximum allowed payload size ({LONGEST_RESULT} bytes)."
        return "error", _problem("Function.ResponseSizeTooLarge", told)
    return "result", body


def _number(value: Any) -> Any:
    """Decimals, as DynamoDB's clients return them, are numbers in an answer, as they are on AWS."""
    if isinstance(value, decimal.Decimal):
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _stack(error: BaseException) -> list[str]:
    """Where it happened, in the user's files: as AWS shows it, without our own frames."""
    entries = [entry for entry in traceback.extract_tb(error.__traceback__) if not _ours(entry.filename)]
    return traceback.format_list(entries)


def _ours(filename: str) -> bool:
    return filename == __file__ or filename.startswith("<frozen importlib") or "/importlib/" in filename


def _show(error: BaseException) -> None:
    lines = "".join(_stack(error)).rstrip("\n")
    head = f"[ERROR] {type(error).__name__}: {error}"
    sys.stdout.write(head + ("\nTraceback (most recent call last):\n" + lines if lines else "") + "\n")


def _problem(kind: str, message: str, stack: list[str] | None = None, request_id: str = "") -> bytes:
    told = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack or []}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")


def _send(line: socket.socket, header: dict[str, Any], body: bytes) -> None:
    head = json.dumps(header).encode()
    line.sendall(struct.pack(">II", len(head), len(body)) + head + body)


def _receive(line: socket.socket) -> tuple[dict[str, Any], bytes]:
    head_size, body_size = struct.unpack(">II", _exactly(line, 8))
    header: dict[str, Any] = json.loads(_exactly(line, head_size))
    return header, _exactly(line, body_size)


def _exactly(line: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = line.recv(min(size, 1 << 20))
        if not part:
            os._exit(0)  # the server is done with this function
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main()
