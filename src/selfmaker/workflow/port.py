"""What a walk needs of the rest of the house: AWS's operations by name, and the bytes of objects."""

from collections.abc import Mapping
from typing import Any, Protocol


class CallError(Exception):
    """An operation (``sagemaker:CreateModel``) answered with an error: AWS's code and message, and the HTTP status."""

    def __init__(self, operation: str, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.code = code
        self.message = message
        self.status = status


class Port(Protocol):
    """Thread safe."""

    def call(self, service: str, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        """The output of an operation of botocore's ``service``. ``request`` is as JSON would hold it: times and blobs
        are text. Raises CallError."""

    def read(self, uri: str) -> bytes:
        """The bytes of an S3 object. Raises NotFound where there is none, Invalid for what is no S3 URI."""

    def write(self, uri: str, data: bytes) -> None:
        """Store an S3 object. Raises as ``read`` does."""

    def below(self, uri: str) -> list[str]:
        """The URIs of all S3 objects whose own begin with this one. Raises as ``read`` does."""

    def delete(self, uri: str) -> None:
        """Delete an S3 object, if it is there. Raises as ``read`` does."""
