"""The walk's port onto the operations and the objects of this server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.aws import model
from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.aws.protocols import scalars
from selfmaker.aws.protocols.json_shapes import from_json
from selfmaker.aws.protocols.scalars import MalformedError
from selfmaker.errors import Invalid, NotFound
from selfmaker.objects.store import ObjectStore
from selfmaker.objects.uri import parse_s3_uri
from selfmaker.workflow.expressions import as_text
from selfmaker.workflow.port import CallError

_NUMBERS = ("integer", "long", "float", "double")


@dataclass(frozen=True)
class PipelinePort:
    """See workflow.port.Port."""

    port: Port
    objects: ObjectStore

    def call(self, service: str, operation: str, request: Mapping[str, Any], region: str) -> dict[str, Any]:
        where = f"{service}:{operation}"
        try:
            shape = model.service(service).plan(operation).input
            return self.port.call(service, operation, from_json(shape, fitted(shape, request)), region)
        except MalformedError as problem:
            raise CallError(where, "SerializationException", str(problem)) from None
        except NotFound as error:
            raise CallError(where, "UnknownOperationException", error.message, 501) from None
        except AwsError as error:
            raise CallError(where, error.code, error.message, error.status) from error

    def read(self, uri: str) -> bytes:
        return self.objects.file(*_place(uri)).read_bytes()

    def write(self, uri: str, data: bytes) -> None:
        self.objects.put(*_place(uri), data)

    def below(self, uri: str) -> list[str]:
        bucket, prefix = _place(uri)
        return [f"s3://{bucket}/{found.key}" for found in self.objects.list(bucket, prefix)]

    def delete(self, uri: str) -> None:
        self.objects.delete(*_place(uri))


def _place(uri: str) -> tuple[str, str]:
    try:
        return parse_s3_uri(uri)
    except ValueError:
        raise Invalid(f"{uri!r} is not an S3 URI of the form s3://bucket/key") from None


def fitted(shape: model.Shape, value: Any) -> Any:
    """``value`` with scalars of the type that the shape asks for: what a parameter or a property stands for is a
    number where a text is wanted, or the other way round. Absent members (null) are left out."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        members = shape.members
        return {k: fitted(members[k], v) if k in members else v for k, v in value.items() if v is not None}
    if kind == "list" and isinstance(value, list):
        return [fitted(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, Mapping):
        return {key: fitted(shape.value, item) for key, item in value.items() if item is not None}
    if kind == "string" and isinstance(value, (bool, int, float)):
        return as_text(value)
    if kind in (*_NUMBERS, "boolean") and isinstance(value, str):
        try:
            return scalars.from_text(shape, value)
        except MalformedError:
            return value
    return value
