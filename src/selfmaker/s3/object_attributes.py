"""GetObjectAttributes: an object's size, checksum and parts without its bytes."""

from typing import Any

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.protocol import ObjectInfo
from selfmaker.s3 import encryption, integrity
from selfmaker.s3.wording import check_version, invalid_argument, objects_of, s3_operation

_NAMES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
_PAGE = 1000


@s3_operation("GetObjectAttributes")
def get_object_attributes(call: Call, request: Request) -> Output:
    wanted = request["ObjectAttributes"]
    unknown = [name for name in wanted if name not in _NAMES]
    if unknown or not wanted:
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(unknown))
    check_version(request)
    info = objects_of(call).head(request["Bucket"], request["Key"])
    encryption.check_access(info.attributes.system, request)
    output: dict[str, Any] = {"LastModified": info.modified}
    if "ETag" in wanted:
        output["ETag"] = info.etag
    if "Checksum" in wanted and info.checksum is not None:
        members = integrity.checksum_members(info.checksum)
        output["Checksum"] = {name: value.partition("-")[0] for name, value in members.items()}
    if "ObjectParts" in wanted and info.part_sizes:
        output["ObjectParts"] = _parts(request, info)
    if "StorageClass" in wanted:
        output["StorageClass"] = info.storage_class
    if "ObjectSize" in wanted:
        output["ObjectSize"] = info.size
    return output


def _parts(request: Request, info: ObjectInfo) -> dict[str, Any]:
    marker, most = _number(request, "PartNumberMarker", 0), min(_number(request, "MaxParts", _PAGE), _PAGE)
    numbers = range(marker + 1, min(len(info.part_sizes), marker + most) + 1)
    last = numbers[-1] if numbers else marker
    parts = {
        "TotalPartsCount": len(info.part_sizes),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": last,
        "MaxParts": most,
        "IsTruncated": last < len(info.part_sizes),
    }
    if info.checksum is None or not info.checksum.composite:
        return parts  # S3 tells of single parts only where each has a checksum of the sender's
    name = integrity.member(info.checksum.algorithm)
    described = [{"PartNumber": n, "Size": info.part_sizes[n - 1], name: info.part_checksums[n - 1]} for n in numbers]
    return {**parts, "Parts": described}


def _number(request: Request, name: str, default: int) -> int:
    value = request.get(name)
    try:
        number = default if value is None else int(value)
    except ValueError:
        number = -1
    if number < 0:
        raise invalid_argument(f"{name} must be a number that is not negative", name, value)
    return number
