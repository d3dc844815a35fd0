"""Listings of a bucket's objects: version 1, version 2, and by version."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.names import after
from selfmaker.objects.protocol import ObjectInfo, Page, Query
from selfmaker.s3 import integrity
from selfmaker.s3.tokens import place_of, token_of
from selfmaker.s3.wording import invalid_argument, objects_of, owner_of, quoted, s3_operation

_PAGE = 1000
_MOST = 2147483647
Encode = Callable[[str], str]


@s3_operation("ListObjects")
def list_objects(call: Call, request: Request) -> Output:
    marker = request.get("Marker") or ""
    query = query_of(request, marker, skip_prefix=True)
    page = objects_of(call).page(request["Bucket"], query)
    encode = encoder(request)
    output = _page_members(request, query, page, encode)
    output["Contents"] = [{**_member(info, encode), "Owner": owner_of(call)} for info in _objects(page)]
    output["Marker"] = encode(marker)
    if page.next is not None and query.delimiter:
        output["NextMarker"] = encode(last_of(page))
    return _without_empty(output)


@s3_operation("ListObjectsV2")
def list_objects_v2(call: Call, request: Request) -> Output:
    token, start_after = request.get("ContinuationToken"), request.get("StartAfter")
    query = query_of(request, start_after or "", skip_prefix=False)
    if token is not None:
        query = Query(query.prefix, query.delimiter, place_of(token), query.limit)
    page = objects_of(call).page(request["Bucket"], query)
    encode = encoder(request)
    output = _page_members(request, query, page, encode)
    owner = {"Owner": owner_of(call)} if request.get("FetchOwner") else {}
    output["Contents"] = [{**_member(info, encode), **owner} for info in _objects(page)]
    output["KeyCount"] = len(page.entries)
    if token is not None:
        output["ContinuationToken"] = token
    if page.next is not None:
        output["NextContinuationToken"] = token_of(page.next)
    if start_after is not None and token is None:
        output["StartAfter"] = encode(start_after)
    return _without_empty(output)


@s3_operation("ListObjectVersions")
def list_object_versions(call: Call, request: Request) -> Output:
    marker, version = request.get("KeyMarker") or "", request.get("VersionIdMarker")
    if version and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument(message, "version-id-marker", version)
    query = query_of(request, marker, skip_prefix=True)
    page = objects_of(call).page(request["Bucket"], query)
    encode = encoder(request)
    output = _page_members(request, query, page, encode)
    own = {"VersionId": "null", "IsLatest": True, "Owner": owner_of(call)}
    output["Versions"] = [{**_member(info, encode), **own} for info in _objects(page)]
    output["KeyMarker"] = encode(marker)
    output["VersionIdMarker"] = version or ""
    if page.next is not None:
        output["NextKeyMarker"] = encode(last_of(page))
        if page.entries and isinstance(page.entries[-1], ObjectInfo):
            output["NextVersionIdMarker"] = "null"
    return _without_empty(output, "Versions")


def query_of(request: Request, marker: str, *, skip_prefix: bool) -> Query:
    """What the request asks for, beginning after ``marker``. ``skip_prefix``: a common prefix that the marker is in
    has been listed before. Raises AwsError."""
    limit = limit_of(request.get("MaxKeys"), "max-keys")
    prefix, delimiter = (request.get("Prefix") or "").encode(), (request.get("Delimiter") or "").encode()
    start = marker.encode() + b"\0" if marker else b""
    if skip_prefix and delimiter and start.startswith(prefix):
        at = start.find(delimiter, len(prefix))
        if at >= 0:
            start = after(start[: at + len(delimiter)]) or b"\xff"
    return Query(prefix, delimiter, start, limit)


def limit_of(value: int | None, name: str) -> int:
    """Raises AwsError."""
    if value is not None and not 0 <= value <= _MOST:
        raise invalid_argument(f"Argument {name} must be an integer between 0 and {_MOST}", name, value)
    return _PAGE if value is None else min(value, _PAGE)


def encoder(request: Request) -> Encode:
    """How keys are to be written. Raises AwsError."""
    kind = request.get("EncodingType")
    if kind is None:
        return str
    if kind != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", kind)
    return quote


def last_of(page: Page) -> str:
    """The last entry, as a marker."""
    if not page.entries:
        return ""
    last = page.entries[-1]
    return last.key if isinstance(last, ObjectInfo) else last.decode("utf-8", "replace")


def _page_members(request: Request, query: Query, page: Page, encode: Encode) -> dict[str, Any]:
    prefixes = [entry.decode("utf-8", "replace") for entry in page.entries if isinstance(entry, bytes)]
    return {
        "Name": request["Bucket"],
        "Prefix": encode(request.get("Prefix") or ""),
        "Delimiter": encode(request.get("Delimiter") or "") or None,
        "MaxKeys": query.limit,
        "EncodingType": request.get("EncodingType"),
        "IsTruncated": page.next is not None,
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in prefixes],
    }


def _objects(page: Page) -> list[ObjectInfo]:
    return [entry for entry in page.entries if isinstance(entry, ObjectInfo)]


def _member(info: ObjectInfo, encode: Encode) -> dict[str, Any]:
    member = {
        "Key": encode(info.key),
        "LastModified": info.modified,
        "ETag": quoted(info.etag),
        "Size": info.size,
        "StorageClass": info.storage_class,
    }
    if info.checksum is not None:
        member.update(ChecksumAlgorithm=[info.checksum.algorithm], ChecksumType=integrity.type_name(info.checksum))
    return member


def _without_empty(output: dict[str, Any], *lists: str) -> dict[str, Any]:
    return {
        k: v for k, v in output.items() if v is not None and not (k in ("Contents", "CommonPrefixes", *lists) and not v)
    }
