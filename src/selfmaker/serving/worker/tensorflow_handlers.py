"""TensorFlow: a SavedModel or a Keras model behind TensorFlow Serving's REST semantics.

The user's ``inference.py`` may have ``input_handler(data, context)`` and ``output_handler(response, context)``, which
stand before and after TensorFlow Serving, or ``handler(data, context)`` in place of both. ``data`` is a file of the
request's body; what comes back is ``(body, content_type)``.
"""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any, NamedTuple

from . import formats
from .handlers import Handlers, RequestError
from .streaming import Streamed
from .tfs.bodies import parse, request_of
from .transport import Message

_ATTRIBUTE = re.compile(r"(tfs-[a-z\-]+)=([^,]+)")


class Context(NamedTuple):
    """What the container hands to handlers. There is no gRPC here."""

    model_name: str | None
    model_version: str | None
    method: str | None
    rest_uri: str
    grpc_port: str | None
    channel: Any
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int


class TensorflowHandlers(Handlers):
    """Errors are JSON with the member ``error``, as TensorFlow Serving's are."""

    def __init__(self, module: Any, model_dir: str, default_accept: str | None = None) -> None:
        super().__init__(None, model_dir, default_accept)
        self._handler = getattr(module, "handler", None)
        self._input_handler = getattr(module, "input_handler", None)
        self._output_handler = getattr(module, "output_handler", None)
        self._own = module is not None
        self._port = 0
        if self._own and self._handler is None and (self._input_handler is None or self._output_handler is None):
            raise NotImplementedError(
                "Handlers are not implemented correctly in user script: inference.py must have handler(data, context), "
                "or input_handler(data, context) and output_handler(data, context)"
            )

    def load(self) -> None:
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):  # a worker is one of many, for one core
            os.environ.setdefault(name, "1")
        from .tfs.models import Models

        self.model = Models(Path(self.model_dir), os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", ""))
        if self._own:
            from .tfs.rest import serve

            self._port = serve(self.model)

    def respond(self, request: Message) -> Message | Streamed:
        path = self._path(request.attributes)
        try:
            if not self._own:
                answer = self.model.answer(path, request_of(request.body, request.content_type))
                return Message(200, formats.JSON, "", "", formats.json_bytes(answer))
            return self._by_handlers(request, path)
        except RequestError as error:
            return self._error(error.status, str(error))
        except Exception as error:  # noqa: BLE001 - the user's handlers: the container answers any exception so
            traceback.print_exc()
            sys.stderr.flush()
            return self._error(500, str(error))

    def _by_handlers(self, request: Message, path: str) -> Message | Streamed:
        context = self._context(request, path)
        body = io.BytesIO(request.body)
        if self._handler is not None:
            return self.message(self._handler(body, context), context.accept_header)
        assert self._input_handler is not None
        assert self._output_handler is not None
        made = formats.body_of(self._input_handler(body, context)) or b""
        return self.message(self._output_handler(self._post(path, made), context), context.accept_header)

    def _post(self, path: str, body: bytes) -> Any:
        """TensorFlow Serving's response, in the form in which the container's HTTP client has it."""
        import requests

        response = requests.Response()
        response.url = f"http://localhost:{self._port}{path}"
        response.encoding = "utf-8"
        response.headers["Content-Type"] = formats.JSON
        try:
            content, response.status_code = formats.json_bytes(self.model.answer(path, parse(body))), 200
        except RequestError as error:
            content, response.status_code = formats.json_bytes({"error": str(error)}), error.status
        response._content = content
        return response

    def _context(self, request: Message, path: str) -> Context:
        told = dict(_ATTRIBUTE.findall(request.attributes))
        accept = request.accept
        return Context(
            model_name=told.get("tfs-model-name"),
            model_version=told.get("tfs-model-version"),
            method=told.get("tfs-method"),
            rest_uri=f"http://localhost:{self._port}{path}",
            grpc_port=None,
            channel=None,
            custom_attributes=request.attributes or None,
            request_content_type=request.content_type or formats.JSON,
            accept_header=self.default_accept if not accept or accept == "*/*" else accept,
            content_length=len(request.body),
        )

    def _path(self, attributes: str) -> str:
        """The request's place in TensorFlow Serving's REST API, from the custom attributes."""
        told = dict(_ATTRIBUTE.findall(attributes))
        version = f"/versions/{told['tfs-model-version']}" if "tfs-model-version" in told else ""
        name = told.get("tfs-model-name", self.model.default)
        return f"/v1/models/{name}{version}:{told.get('tfs-method', 'predict')}"

    def _error(self, status: int, message: str) -> Message:
        return Message(status, formats.JSON, "", "", formats.json_bytes({"error": message}))
