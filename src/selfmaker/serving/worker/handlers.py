"""The functions that answer a request: the user's where the script has them, a framework's defaults elsewhere.

``model_fn(model_dir)`` once; then for each request either ``transform_fn(model, body, content_type, accept)`` or
``input_fn(body, content_type)``, ``predict_fn(data, model)``, ``output_fn(prediction, accept)``. Each may take one
argument more: the context. ``body`` is text for application/json and text/csv, else bytes.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import formats
from .streaming import Streamed, is_stream
from .transport import Message

if TYPE_CHECKING:
    from .batching import Batch

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_NAMES = ("input_fn", "predict_fn", "output_fn")


class RequestError(Exception):
    """A request that cannot be answered, with the HTTP status that the framework's container gives it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Context:
    """What the inference toolkit hands to functions that take one argument more."""

    def __init__(self, model_dir: str) -> None:
        self.system_properties = {"model_dir": model_dir, "gpu_id": None}
        self.response_headers: dict[str, str] = {}
        self._headers: dict[str, str] = {}

    def take(self, request: Message) -> None:
        self.response_headers = {}
        self._headers = {
            "content-type": request.content_type,
            "accept": request.accept,
            ATTRIBUTES: request.attributes,
        }

    def get_request_header(self, index: int, name: str) -> str | None:
        return self._headers.get(name.lower())

    def get_all_request_header(self, index: int) -> dict[str, str]:
        return dict(self._headers)

    def set_response_header(self, index: int, name: str, value: str) -> None:
        self.response_headers[name.lower()] = value


class Handlers:
    """The complete set for one framework. A subclass overrides the defaults, or ``respond`` as a whole.

    ``unsupported`` is the status that an unsupported format means at the stage of the request that is under way.
    """

    default_accept = formats.JSON
    unsupported = 415

    def __init__(self, module: Any, model_dir: str, default_accept: str | None = None) -> None:
        self.context = Context(model_dir)
        self.model_dir = model_dir
        self.model: Any = None
        if default_accept:
            self.default_accept = default_accept
        given = {name: getattr(module, name) for name in _NAMES if getattr(module, name, None) is not None}
        transform_fn = getattr(module, "transform_fn", None)
        if transform_fn is not None and given:
            raise ValueError(
                "the script has both transform_fn and " + ", ".join(given) + ": transform_fn replaces them, keep one"
            )
        self.overridden = frozenset(given) | ({"transform_fn"} if transform_fn is not None else frozenset())
        self._module = module
        self._transform = self._callable(transform_fn, 4) if transform_fn is not None else None
        self._input = self._callable(given["input_fn"], 2) if "input_fn" in given else self.input_fn
        self._predict = self._callable(given["predict_fn"], 2) if "predict_fn" in given else self.predict_fn
        self._output = self._callable(given["output_fn"], 2) if "output_fn" in given else self.output_fn

    def load(self) -> None:
        """Call model_fn; whatever it raises, the model cannot be served."""
        before = getattr(self._module, "pre_model_fn", None)
        if before is not None:
            self._callable(before, 1)(self.model_dir)
        model_fn = getattr(self._module, "model_fn", None) or self.model_fn
        self.model = self._callable(model_fn, 1)(self.model_dir)
        warm_up = getattr(self._module, "model_warmup_fn", None)
        if warm_up is not None:
            self._callable(warm_up, 2)(self.model_dir, self.model)

    def batch(self) -> Batch | None:
        """How requests that have come together are predicted as one; None where only one by one is right. Asked once,
        after ``load``."""
        return None

    def respond(self, request: Message) -> Message | Streamed:
        """The answer to one request; raises what the user's functions raise."""
        self.context.take(request)
        content_type = request.content_type or formats.JSON
        accept = request.accept
        if not accept or accept == "*/*":
            accept = self.default_accept
        body: Any = request.body
        if formats.media_type(content_type) in formats.TEXT_TYPES:
            body = body.decode("utf-8")
        if self._transform is not None:
            return self.message(self._transform(self.model, body, content_type, accept), accept)
        self.unsupported = 415
        prediction = self._predict(self._input(body, content_type), self.model)
        self.unsupported = 406
        if is_stream(prediction) and "output_fn" not in self.overridden:
            return self.message(prediction, accept)
        return self.message(self._output(prediction, accept), accept)

    # The defaults, which a framework's subclass completes.

    def model_fn(self, model_dir: str) -> Any:
        raise NotImplementedError("the script has no model_fn(model_dir): write one that loads and returns the model")

    def input_fn(self, body: Any, content_type: str) -> Any:
        from .arrays import decode

        return decode(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        raise NotImplementedError("the script has no predict_fn(data, model): write one")

    def output_fn(self, prediction: Any, accept: str) -> Any:
        from .arrays import encode

        return encode(prediction, accept)

    def message(self, result: Any, accept: str) -> Message | Streamed:
        """A response from what a user's function returned: bytes, text, ``(body, content_type)``, a response object
        of the containers' ``worker.Response`` kind (Flask's), an iterator of parts, or anything that JSON can hold."""
        status, content_type, headers = 200, accept, self.context.response_headers
        if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], str):
            body, content_type = result
        elif hasattr(result, "status_code") and (hasattr(result, "get_data") or hasattr(result, "response")):
            body = result.get_data() if hasattr(result, "get_data") else result.response
            status = int(result.status_code)
            content_type = getattr(result, "mimetype", None) or accept
            given = dict(getattr(result, "headers", None) or {})
            headers = {**headers, **{name.lower(): value for name, value in given.items()}}
        else:
            body = result
        if is_stream(body):
            return Streamed(Message(status, content_type, "", headers.get(ATTRIBUTES, ""), b""), body)
        data = formats.body_of(body)
        if data is None:
            raise TypeError("the script's output_fn or transform_fn returned None instead of a response")
        return Message(status, content_type, "", headers.get(ATTRIBUTES, ""), data)

    def _callable(self, function: Callable[..., Any], arguments: int) -> Callable[..., Any]:
        """``function`` with the context as its last argument where it takes one more than ``arguments``."""
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # a builtin that has no signature
            return function
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        required = [p for p in positional if p.default is p.empty]
        if len(required) == arguments + 1:
            return lambda *given: function(*given, self.context)
        return function


def failure(error: BaseException, unsupported: int) -> Message:
    """The response that tells of ``error``: an error that says its own status keeps it, a format that is not supported
    (ours, or the containers' exception of that name raised by a user's code) has the one given, any other is a 500."""
    if type(error).__name__ == "UnsupportedFormatError":
        return Message(unsupported, "text/plain", "", "", str(error).encode("utf-8", "replace"))
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if not isinstance(status, int) or not 400 <= status <= 599:
        status = 500
    text = str(error) if status != 500 or isinstance(error, RequestError) else reason(error)
    return Message(status, "text/plain", "", "", text.encode("utf-8", "replace"))


def reason(error: BaseException) -> str:
    """The last lines of the traceback, ``ValueError: could not ...``."""
    return "".join(traceback.format_exception_only(type(error), error)).strip()
