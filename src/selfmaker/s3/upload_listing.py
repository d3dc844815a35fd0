"""Which multipart uploads have been begun, and which of their parts are there."""

from typing import Any

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.listing import common_prefix
from selfmaker.objects.protocol import Query, Upload
from selfmaker.s3 import integrity
from selfmaker.s3.listing import encoder, limit_of
from selfmaker.s3.multipart import checksum_kind
from selfmaker.s3.wording import invalid_argument, objects_of, owner_of, quoted, s3_operation


@s3_operation("ListParts")
def list_parts(call: Call, request: Request) -> Output:
    uploads = objects_of(call).uploads
    upload = uploads.get(request["Bucket"], request["Key"], request["UploadId"])
    most, marker = limit_of(request.get("MaxParts"), "max-parts"), _marker(request.get("PartNumberMarker"))
    found = uploads.parts(upload, marker, most + 1)
    page = found[:most]
    parts = [
        {
            "PartNumber": part.number,
            "LastModified": part.modified,
            "ETag": quoted(part.etag),
            "Size": part.size,
            **(integrity.checksum_members(part.checksum, kind=False) if upload.algorithm else {}),
        }
        for part in page
    ]
    output = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": most,
        "IsTruncated": 0 < most < len(found),
        "Initiator": owner_of(call),
        "Owner": owner_of(call),
        "StorageClass": upload.attributes.storage_class,
        **checksum_kind(upload),
    }
    return {**output, "Parts": parts} if parts else output


@s3_operation("ListMultipartUploads")
def list_multipart_uploads(call: Call, request: Request) -> Output:
    encode = encoder(request)
    most = limit_of(request.get("MaxUploads"), "max-uploads")
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    begun = objects_of(call).uploads.begun(request["Bucket"])
    entries = _entries(
        _after(begun, request), Query(prefix.encode(), delimiter.encode()), request.get("KeyMarker") or ""
    )
    page, more = entries[:most], 0 < most < len(entries)
    output: dict[str, Any] = {
        "Bucket": request["Bucket"],
        "KeyMarker": encode(request.get("KeyMarker") or ""),
        "UploadIdMarker": request.get("UploadIdMarker") or "",
        "MaxUploads": most,
        "IsTruncated": more,
    }
    for name, value in (("Prefix", prefix), ("Delimiter", delimiter)):
        if value:
            output[name] = encode(value)
    if request.get("EncodingType"):
        output["EncodingType"] = request["EncodingType"]
    uploads = [_member(call, entry, encode(entry.key)) for entry in page if isinstance(entry, Upload)]
    prefixes = [{"Prefix": encode(entry)} for entry in page if isinstance(entry, str)]
    output.update({k: v for k, v in (("Uploads", uploads), ("CommonPrefixes", prefixes)) if v})
    if more and page:
        last = page[-1]
        output["NextKeyMarker"] = encode(last if isinstance(last, str) else last.key)
        output["NextUploadIdMarker"] = "" if isinstance(last, str) else last.id
    return output


def _after(begun: list[Upload], request: Request) -> list[Upload]:
    """Those behind the markers. Raises AwsError."""
    key, upload_id = request.get("KeyMarker"), request.get("UploadIdMarker")
    if not key:
        return begun
    if not upload_id:
        return [upload for upload in begun if upload.key.encode() > key.encode()]
    for index, upload in enumerate(begun):
        if (upload.key, upload.id) == (key, upload_id):
            return begun[index + 1 :]
    raise invalid_argument("Invalid uploadId marker", "upload-id-marker", upload_id)


def _entries(uploads: list[Upload], query: Query, marker: str) -> list[Upload | str]:
    entries: list[Upload | str] = []
    for upload in uploads:
        key = upload.key.encode()
        if not key.startswith(query.prefix):
            continue
        shared = common_prefix(key, query)
        if shared is None:
            entries.append(upload)
        elif not marker.encode().startswith(shared) and (not entries or entries[-1] != shared.decode()):
            entries.append(shared.decode())
    return entries


def _member(call: Call, upload: Upload, key: str) -> dict[str, Any]:
    return {
        "UploadId": upload.id,
        "Key": key,
        "Initiated": upload.initiated,
        "StorageClass": upload.attributes.storage_class,
        "Owner": owner_of(call),
        "Initiator": owner_of(call),
        **checksum_kind(upload),
    }


def _marker(value: Any) -> int:
    try:
        return max(0, int(value or 0))
    except ValueError:
        raise invalid_argument(
            "Provided part-number-marker not an integer or within integer range", "part-number-marker", value
        ) from None
