"""Copies of objects. The copy of an object here is another name for its bytes: it takes no time and no space."""

from dataclasses import replace
from typing import Any

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.protocol import MAX_PUT_BYTES, Attributes, ObjectInfo, Terms
from selfmaker.s3 import conditions, encryption, integrity, tags
from selfmaker.s3.attributes import HEADERS, attributes_of, metadata_of
from selfmaker.s3.copy_source import source_of
from selfmaker.s3.wording import invalid_argument, invalid_request, objects_of, quoted, s3_operation

_CHANGES = (
    "StorageClass",
    "WebsiteRedirectLocation",
    "ServerSideEncryption",
    "SSECustomerAlgorithm",
    "ChecksumAlgorithm",
)


@s3_operation("CopyObject")
def copy_object(call: Call, request: Request) -> Output:
    metadata = _directive(request, "MetadataDirective", "Unknown metadata directive.")
    tagging = _directive(request, "TaggingDirective", "Unknown tagging directive.")
    source = source_of(call, request)
    onto_itself = (source.bucket, source.key) == (request["Bucket"], request["Key"])
    if onto_itself and metadata == "COPY" and not any(request.get(name) for name in _CHANGES):
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's "
            "metadata, storage class, website redirect location or encryption attributes."
        )
    if source.size > MAX_PUT_BYTES:
        raise invalid_request(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {MAX_PUT_BYTES}"
        )
    asked = integrity.algorithm_named(request.get("ChecksumAlgorithm"))
    algorithm = asked or (source.checksum.algorithm if source.checksum else "CRC64NVME")
    terms = Terms(algorithm=algorithm, condition=conditions.for_write(request))
    attributes = _attributes(call, request, source, (metadata, tagging))
    info = objects_of(call).copy(source, request["Bucket"], request["Key"], attributes, terms)
    result: dict[str, Any] = {
        "ETag": quoted(info.etag),
        "LastModified": info.modified,
        **integrity.checksum_members(info.checksum),
    }
    return {"CopyObjectResult": result, **encryption.echo(attributes.system)}


def _attributes(call: Call, request: Request, source: ObjectInfo, directives: tuple[str, str]) -> Attributes:
    """The copy's: encryption, storage class, redirect and access are never the source's, the rest as the directives
    say."""
    metadata, tagging = directives
    mine = attributes_of(call, {**request, "Metadata": None} if metadata == "COPY" else request)
    if metadata == "COPY":
        theirs = source.attributes
        system = {name: value for name, value in mine.system.items() if name not in HEADERS}
        system.update((name, value) for name, value in theirs.system.items() if name in HEADERS)
        mine = replace(mine, system=system, metadata=theirs.metadata)
    else:
        mine = replace(mine, metadata=metadata_of(request))
    chosen = source.attributes.tags if tagging == "COPY" else tags.from_header(request.get("Tagging"))
    return replace(mine, tags=chosen)


def _directive(request: Request, name: str, problem: str) -> str:
    value: str = request.get(name) or "COPY"
    if value not in ("COPY", "REPLACE"):
        header = "x-amz-metadata-directive" if name == "MetadataDirective" else "x-amz-tagging-directive"
        raise invalid_argument(problem, header, value)
    return value
