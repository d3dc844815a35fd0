"""Multipart uploads: begin, send parts, complete, abort."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.completion import NamedPart
from selfmaker.objects.digest import combines
from selfmaker.objects.intake import FileSlice
from selfmaker.objects.protocol import MAX_PARTS, NoSuchUpload, ObjectInfo, Received, Terms, Upload
from selfmaker.s3 import conditions, encryption, integrity, ranges
from selfmaker.s3.attributes import attributes_of
from selfmaker.s3.copy_source import source_of
from selfmaker.s3.object import sized
from selfmaker.s3.wording import (
    bare,
    invalid_argument,
    invalid_request,
    malformed_xml,
    objects_of,
    quoted,
    s3_operation,
)


@s3_operation("CreateMultipartUpload")
def create_multipart_upload(call: Call, request: Request) -> Output:
    algorithm = integrity.algorithm_named(request.get("ChecksumAlgorithm"))
    composite = _is_composite(algorithm, request.get("ChecksumType"))
    attributes = attributes_of(call, request)
    bucket, key = request["Bucket"], request["Key"]
    upload = objects_of(call).uploads.create(bucket, key, attributes, algorithm, composite=composite)
    output = {"Bucket": bucket, "Key": key, "UploadId": upload.id, **encryption.echo(attributes.system)}
    return {**output, **checksum_kind(upload)}


@s3_operation("UploadPart")
def upload_part(call: Call, request: Request) -> Output:
    number = _part_number(request)
    uploads = objects_of(call).uploads
    upload = uploads.get(request["Bucket"], request["Key"], request["UploadId"])
    _check_key(upload, request)
    body = sized(call, request)
    claim = integrity.claim(call, request)
    if claim.algorithm is not None and upload.algorithm not in (None, claim.algorithm):
        expected, actual = upload.algorithm.lower() if upload.algorithm else "null", claim.algorithm.lower()
        raise invalid_request(
            f"Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
        )
    received: list[Received] = []
    verify = claim.verifier(body)
    terms = Terms(also=claim.algorithm, verify=_both(verify, received.append), expected=body.length)
    part = uploads.put_part(upload, number, body, terms)
    told = {}
    algorithm = upload.algorithm or claim.algorithm
    if algorithm is not None:
        told[integrity.member(algorithm)] = received[0].checksums[algorithm]
    return {"ETag": quoted(part.etag), **told, **encryption.echo(upload.attributes.system)}


@s3_operation("UploadPartCopy")
def upload_part_copy(call: Call, request: Request) -> Output:
    number = _part_number(request)
    source = source_of(call, request)
    uploads = objects_of(call).uploads
    upload = uploads.get(request["Bucket"], request["Key"], request["UploadId"])
    _check_key(upload, request)
    span = ranges.of_copy(request.get("CopySourceRange"), source.size)
    with FileSlice(source.path, span.offset, span.length) as data:
        part = uploads.put_part(upload, number, data, Terms(expected=span.length))
    told = integrity.checksum_members(part.checksum, kind=False) if upload.algorithm else {}
    result = {"ETag": quoted(part.etag), "LastModified": part.modified, **told}
    return {"CopyPartResult": result, **encryption.echo(upload.attributes.system)}


@s3_operation("CompleteMultipartUpload")
def complete_multipart_upload(call: Call, request: Request) -> Output:
    bucket, key, upload_id = request["Bucket"], request["Key"], request["UploadId"]
    uploads = objects_of(call).uploads
    named = _named_parts(request)
    condition = conditions.for_write(request)
    try:
        upload = uploads.get(bucket, key, upload_id)
        _check_named(upload, request)
        terms = Terms(condition=condition, verify=_whole_verifier(upload, request))
        info = uploads.complete(upload, named, terms)
    except NoSuchUpload:
        info = uploads.completed(bucket, key, upload_id, named)
    return {
        "Location": f"{call.endpoint}/{bucket}/{quote(key)}",
        "Bucket": bucket,
        "Key": key,
        "ETag": quoted(info.etag),
        **integrity.checksum_members(info.checksum),
        **_encryption(info),
    }


@s3_operation("AbortMultipartUpload")
def abort_multipart_upload(call: Call, request: Request) -> Output:
    objects_of(call).uploads.abort(request["Bucket"], request["Key"], request["UploadId"])
    return None


def checksum_kind(upload: Upload) -> dict[str, str]:
    """The members that say which checksums an upload has; {} when its sender asked for none."""
    if upload.algorithm is None:
        return {}
    kind = "COMPOSITE" if upload.composite else "FULL_OBJECT"
    return {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": kind}


def _is_composite(algorithm: str | None, kind: str | None) -> bool:
    if kind not in (None, "COMPOSITE", "FULL_OBJECT"):
        raise invalid_request("Value for x-amz-checksum-type header is invalid.")
    if algorithm is None:
        if kind is not None:
            raise invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return False
    composite = kind == "COMPOSITE" or (kind is None and algorithm != "CRC64NVME")
    if composite and algorithm == "CRC64NVME":
        raise invalid_request("The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")
    if not composite and not combines(algorithm):
        name = algorithm.lower()
        raise invalid_request(f"The FULL_OBJECT checksum type cannot be used with the {name} checksum algorithm.")
    return composite


def _part_number(request: Request) -> int:
    number: int = request["PartNumber"]
    if not 1 <= number <= MAX_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    return number


def _check_key(upload: Upload, request: Request) -> None:
    """The customer's key of the upload must come with every part."""
    stored = upload.attributes.system.get("SSECustomerKeyMD5")
    given = encryption.customer_key(request).get("SSECustomerKeyMD5")
    if (stored is None) != (given is None):
        raise invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
            "encryption parameters."
        )
    if stored != given:
        raise invalid_request("The provided encryption parameters did not match the ones used originally.")


def _both(first: Callable[[Received], None], second: Callable[[Received], None]) -> Callable[[Received], None]:
    def verify(received: Received) -> None:
        first(received)
        second(received)

    return verify


def _named_parts(request: Request) -> list[NamedPart]:
    parts = (request.get("MultipartUpload") or {}).get("Parts") or []
    if not parts:
        raise malformed_xml()
    if len(parts) > MAX_PARTS or any(part.get("PartNumber") is None or part.get("ETag") is None for part in parts):
        raise malformed_xml()
    return [NamedPart(part["PartNumber"], bare(part["ETag"]), integrity.named_checksum(part)) for part in parts]


def _check_named(upload: Upload, request: Request) -> None:
    kind = request.get("ChecksumType")
    if kind is not None and upload.algorithm is not None and kind != checksum_kind(upload)["ChecksumType"]:
        expected = checksum_kind(upload)["ChecksumType"]
        raise invalid_request(
            f"The upload was created using the {expected} checksum mode. The complete request "
            f"must use the same checksum mode."
        )
    if upload.algorithm is None or not upload.composite:
        return
    for part in request["MultipartUpload"]["Parts"]:
        if part.get(integrity.member(upload.algorithm)) is None:
            raise invalid_request(
                f"The upload was created using a {upload.algorithm.lower()} checksum. The "
                f"complete request must include the "
                f"checksum for each part. It was missing for part {part['PartNumber']} in the request."
            )


def _whole_verifier(upload: Upload, request: Request) -> Callable[[Received], None]:
    claimed = integrity.named_checksum(request)
    size = request.get("MpuObjectSize")

    def verify(received: Received) -> None:
        if size is not None and int(size) != received.size:
            raise invalid_request(
                f"The provided 'x-amz-mp-object-size' header value {size} does not match what was "
                f"computed: {received.size}"
            )
        if claimed is not None:
            computed = received.checksums.get(claimed.algorithm)
            given = claimed.value.partition("-")[0] if upload.composite else claimed.value
            if computed is not None and computed.partition("-")[0] != given:
                raise integrity.mismatch(claimed.algorithm)

    return verify


def _encryption(info: ObjectInfo) -> dict[str, Any]:
    members = encryption.echo(info.attributes.system)
    return {name: value for name, value in members.items() if not name.startswith("SSECustomer")}
