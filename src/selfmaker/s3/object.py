"""Objects: put, get, head, delete."""

from typing import Any

from selfmaker.aws.body import Body
from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, FileRange, Output, Reply, Request
from selfmaker.errors import SelfmakerError
from selfmaker.objects.protocol import ObjectInfo, Terms
from selfmaker.s3 import conditions, encryption, integrity, ranges
from selfmaker.s3.attributes import attributes_of, described
from selfmaker.s3.wording import (
    check_version,
    invalid_request,
    malformed_xml,
    objects_of,
    quoted,
    s3_operation,
    worded,
)

_MANY = 1000
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}


@s3_operation("PutObject")
def put_object(call: Call, request: Request) -> Output:
    body = sized(call, request)
    claim = integrity.claim(call, request)
    attributes = attributes_of(call, request)
    terms = Terms(
        algorithm=claim.algorithm or "CRC64NVME",
        condition=conditions.for_write(request),
        verify=claim.verifier(body),
        expected=body.length,
    )
    info = objects_of(call).put(request["Bucket"], request["Key"], body, attributes, terms)
    return {
        "ETag": quoted(info.etag),
        **integrity.checksum_members(info.checksum),
        **encryption.echo(attributes.system),
    }


@s3_operation("GetObject")
def get_object(call: Call, request: Request) -> Output | Reply:
    info = _found(call, request)
    if conditions.unmodified(request, info):
        return _not_modified(info)
    output, span = _description(request, info)
    offset, length = (span.offset, span.length) if span else (0, info.size)
    output["Body"] = FileRange(info.path, offset, length)
    return Reply(output, 206 if span else None)


@s3_operation("HeadObject")
def head_object(call: Call, request: Request) -> Output | Reply:
    info = _found(call, request)
    if conditions.unmodified(request, info):
        return _not_modified(info)
    output, span = _description(request, info)
    return Reply(output, 206 if span else None)


@s3_operation("DeleteObject")
def delete_object(call: Call, request: Request) -> Output:
    check_version(request)
    objects_of(call).delete(request["Bucket"], request["Key"], conditions.for_write(request))
    return None


@s3_operation("DeleteObjects")
def delete_objects(call: Call, request: Request) -> Output:
    wanted = (request.get("Delete") or {}).get("Objects") or []
    if not 1 <= len(wanted) <= _MANY or any(not item.get("Key") for item in wanted):
        raise malformed_xml()
    if not any(name == "content-md5" or name.startswith("x-amz-checksum-") for name in call.headers) and (
        "x-amz-trailer" not in call.headers
    ):
        raise invalid_request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    store, bucket = objects_of(call), request["Bucket"]
    store.require_bucket(bucket)
    plain = [
        item["Key"] for item in wanted if set(item) <= {"Key", "VersionId"} and item.get("VersionId") in (None, "null")
    ]
    together = len(plain) == len(wanted) and all(len(key.encode()) <= 1024 for key in plain)
    if together:
        store.delete_many(bucket, plain)
    errors = [] if together else [error for item in wanted if (error := _delete_one(call, bucket, item))]
    failed = {error["Key"] for error in errors}
    output: dict[str, Any] = {"Errors": errors} if errors else {}
    if not request["Delete"].get("Quiet"):
        members = ("Key", "VersionId")
        output["Deleted"] = [{k: i[k] for k in members if i.get(k)} for i in wanted if i["Key"] not in failed]
    return output


def sized(call: Call, request: Request) -> Body:
    """The body. Raises AwsError when its length was not announced."""
    body: Body = request["Body"]
    if body.length is None or ("transfer-encoding" in call.headers and "content-length" not in call.headers):
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    return body


def _found(call: Call, request: Request) -> ObjectInfo:
    check_version(request)
    info = objects_of(call).head(request["Bucket"], request["Key"])
    encryption.check_access(info.attributes.system, request)
    return info


def _description(request: Request, info: ObjectInfo) -> tuple[dict[str, Any], ranges.Span | None]:
    """The members that GetObject and HeadObject share, and the span asked for. Raises AwsError."""
    output = described(info)
    output.update((name, request[asked]) for asked, name in _OVERRIDES.items() if request.get(asked) is not None)
    number = request.get("PartNumber")
    span = ranges.of_part(number, request.get("Range"), info) or ranges.of_range(request.get("Range"), info.size)
    if span is not None:
        output.update(ContentLength=span.length, ContentRange=span.header)
    if number is not None and info.part_sizes:
        output["PartsCount"] = len(info.part_sizes)
    if span is None and (request.get("ChecksumMode") or "").upper() == "ENABLED":
        output.update(integrity.checksum_members(info.checksum))
    return output, span


def _not_modified(info: ObjectInfo) -> Reply:
    return Reply({"ETag": quoted(info.etag), "LastModified": info.modified}, 304)


def _delete_one(call: Call, bucket: str, item: dict[str, Any]) -> dict[str, Any] | None:
    """None, or why the object was not deleted."""
    asked = {"IfMatch": item.get("ETag")} if item.get("ETag") is not None else {}
    try:
        check_version(item)
        objects_of(call).delete(bucket, item["Key"], conditions.for_write(asked))
    except SelfmakerError as error:
        told = worded(error, bucket, item["Key"])
    except AwsError as error:
        told = error
    else:
        return None
    return {"Key": item["Key"], "Code": told.code, "Message": told.message}
