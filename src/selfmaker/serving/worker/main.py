"""The worker's program: connects to its router, loads the model, answers one request after the other.

The model's code runs on the main thread. A second thread does nothing but wait for the router's end of the socket to
close, so that a worker never outlives its server, whatever the user's code is busy with.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import select
import shlex
import socket
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from . import script, spare, streaming, transport
from .handlers import Handlers, failure, reason

if TYPE_CHECKING:
    from .batching import Batch

_LAST_WORDS = 2.0


def main(arguments: list[str] | None = None) -> None:
    """Run until the router closes the connection."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.connect(options.socket)
    connection = transport.Connection(connected)
    threading.Thread(target=_end_with, args=(connected,), daemon=True).start()
    if options.spare:
        spare.prepare(options.framework)
        told = spare.wait(connection)
        if told is None:
            return
        options = _options(told)
    logging.basicConfig(format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=_log_level())
    try:
        handlers = build(options)
        handlers.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what it raises is the endpoint's failure reason
        traceback.print_exc()
        sys.stderr.flush()
        connection.send(transport.frame(transport.FAILED, 0, reason(error).encode("utf-8", "replace")))
        sys.exit(1)
    batch = together(handlers)
    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    said = str(os.getpid()).encode() + (transport.BATCHES if batch is not None else b"")
    connection.send(transport.frame(transport.READY, 0, said))
    serve(connection, handlers, batch)


def together(handlers: Handlers) -> Batch | None:
    """How requests that have come together are answered as one; None: each for itself."""
    try:
        return handlers.batch()
    except Exception as error:  # noqa: BLE001 - the user's model, as one pickled by another release: it may predict yet
        print(f"requests are answered one by one: {reason(error)}", file=sys.stderr, flush=True)
        return None


def serve(connection: transport.Connection, handlers: Handlers, batch: Batch | None = None) -> None:
    """Answer requests in the order in which they come; those that have come together as one where that is right."""
    while True:
        frames = connection.receive()
        if not frames:
            return
        requests = [
            (number, transport.parse_message(data)) for kind, number, data in frames if kind == transport.REQUEST
        ]
        if batch is None:
            for number, request in requests:
                answer_one(connection, handlers, number, request)
        else:
            answer_together(connection, handlers, batch, requests)


def answer_one(connection: transport.Connection, handlers: Handlers, number: int, request: transport.Message) -> None:
    answer = respond(handlers, request)
    if isinstance(answer, streaming.Streamed):
        answer = streaming.send(connection, number, answer, lambda e: failure(e, handlers.unsupported))
    connection.send(transport.message_frame(transport.RESPONSE, number, answer))


def answer_together(
    connection: transport.Connection, handlers: Handlers, batch: Batch, requests: list[tuple[int, transport.Message]]
) -> None:
    from . import batching

    numbers = iter([number for number, _ in requests])
    for group in batching.groups([request for _, request in requests]):
        answers: list[transport.Message] | None = None
        with contextlib.suppress(Exception):  # whose it is shows when each is tried alone
            answers = batching.together(group, batch)
        if answers is None:
            for request in group:
                answer_one(connection, handlers, next(numbers), request)
        else:
            connection.send(b"".join(transport.message_frame(transport.RESPONSE, next(numbers), a) for a in answers))


def respond(handlers: Handlers, request: transport.Message) -> transport.Message | streaming.Streamed:
    """The answer to one request; an exception becomes a response and a traceback in the log."""
    try:
        return handlers.respond(request)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code: one request fails, the next is answered
        traceback.print_exc()
        sys.stderr.flush()
        return failure(error, handlers.unsupported)


def build(options: argparse.Namespace) -> Handlers:
    """The handlers for the framework, with the user's functions in place."""
    # sagemaker-inference and Hugging Face's toolkit fall back on their defaults when the user's module isn't there.
    required = options.framework not in ("pytorch", "huggingface")
    module = script.load(_program(options), options.code_dir, required)
    given: Any = {"module": module, "model_dir": options.model_dir, "default_accept": options.default_accept}
    if options.framework == "sklearn":
        from .sklearn_handlers import SklearnHandlers

        return SklearnHandlers(**given)
    if options.framework == "tensorflow":
        from .tensorflow_handlers import TensorflowHandlers

        return TensorflowHandlers(**given)
    if options.framework == "pytorch":
        from .pytorch_handlers import PytorchHandlers

        return PytorchHandlers(**given)
    if options.framework == "huggingface":
        from .huggingface_handlers import HuggingfaceHandlers

        return HuggingfaceHandlers(**given)
    if options.framework == "xgboost":
        from .xgboost_handlers import XgboostAlgorithm, XgboostHandlers

        if module is not None:
            return XgboostHandlers(**given)
        return XgboostAlgorithm(one_per_line=bool(os.environ.get("SAGEMAKER_BATCH")), **given)
    if options.framework == "container":
        from .container_handlers import ContainerHandlers

        return ContainerHandlers(shlex.split(options.serve), options.serve_dir, options.model_dir)
    return Handlers(**given)


def _program(options: argparse.Namespace) -> str | None:
    """TensorFlow's container goes by the file's name alone: another program is the training's, left over."""
    program: str | None = options.program
    return None if options.framework == "tensorflow" and program and not program.endswith("inference.py") else program


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="worker", allow_abbrev=False)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--framework", required=True)
    parser.add_argument("--model-dir", required=True)
    parser.add_argument("--spare", action="store_true")
    parser.add_argument("--code-dir")
    parser.add_argument("--program")
    parser.add_argument("--serve", default="serve", help="the command of the image that answers HTTP requests")
    parser.add_argument("--serve-dir", help="where it runs")
    parser.add_argument("--default-accept")
    return parser.parse_args(arguments)


def _log_level() -> int:
    level = os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL", "")
    return int(level) if level.isdigit() else logging.INFO


def _end_with(connected: socket.socket) -> None:
    """Wait until the other end of the socket has closed, leave the main thread a moment, then end the process."""
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLRDHUP)
    poll.poll()
    time.sleep(_LAST_WORDS)
    os._exit(0)
