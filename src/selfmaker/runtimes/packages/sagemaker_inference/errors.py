"""The toolkit's exceptions, each with the HTTP status that it answers with."""

from __future__ import annotations

import textwrap

BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, NOT_ACCEPTABLE, INTERNAL_SERVER_ERROR = 400, 415, 406, 500


class BaseInferenceToolkitError(Exception):
    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase

    def __str__(self) -> str:
        return self.message


class ModelLoadError(BaseInferenceToolkitError):
    def __init__(self, message: str) -> None:
        super().__init__(INTERNAL_SERVER_ERROR, message, message)


class UnsupportedFormatError(BaseInferenceToolkitError):
    def __init__(self, content_type: str) -> None:
        message = f"Content type {content_type} is not supported by this framework."
        detail = f"""\
            {message}

            Please implement input_fn to deserialize the request data or an output_fn to serialize the response."""
        super().__init__(UNSUPPORTED_MEDIA_TYPE, message, textwrap.dedent(detail))


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        super().__init__(int(status_code), message or "Invalid Request", phrase or message or "Invalid Request")


class ParameterNotFoundError(Exception):
    pass
