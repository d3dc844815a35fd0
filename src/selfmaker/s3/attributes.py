"""What is kept with an object: from a request's members, and back into an answer's."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Request
from selfmaker.objects.protocol import KIB, Attributes, ObjectInfo
from selfmaker.s3 import acl_grants, encryption, tags
from selfmaker.s3.wording import not_implemented, quoted

DEFAULT_TYPE = "binary/octet-stream"
HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
_STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
)
_METADATA_LIMIT = 2 * KIB


def attributes_of(call: Call, request: Request) -> Attributes:
    """Raises AwsError for what S3 does not take."""
    for name in ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"):
        if request.get(name) is not None:
            raise not_implemented("object lock", name)
    system = {name: request[name] for name in HEADERS if request.get(name) not in (None, "")}
    encodings = [name.strip() for name in system.pop("ContentEncoding", "").split(",")]
    if kept := ",".join(name for name in encodings if name and name != "aws-chunked"):  # how it came, not what it is
        system["ContentEncoding"] = kept
    system.setdefault("ContentType", DEFAULT_TYPE)
    if request.get("WebsiteRedirectLocation"):
        system["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    system.update(acl_grants.kept(request))
    system.update(encryption.asked_for(call, request))
    return Attributes(system, metadata_of(request), tags.from_header(request.get("Tagging")), storage_class_of(request))


def metadata_of(request: Request) -> dict[str, str]:
    """The user's metadata. Raises AwsError when it is too large."""
    metadata: dict[str, str] = request.get("Metadata") or {}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > _METADATA_LIMIT:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise AwsError("MetadataTooLarge", message, 400, Size=size, MaxSizeAllowed=_METADATA_LIMIT)
    return metadata


def storage_class_of(request: Request) -> str:
    name: str = request.get("StorageClass") or "STANDARD"
    if name not in _STORAGE_CLASSES:
        message = "The storage class you specified is not valid"
        raise AwsError("InvalidStorageClass", message, 400, StorageClassRequested=name)
    return name


def described(info: ObjectInfo) -> dict[str, Any]:
    """An object's members in the answers of GetObject and HeadObject."""
    attributes = info.attributes
    system = attributes.system
    output: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": info.modified,
        "ETag": quoted(info.etag),
        "ContentLength": info.size,
        "ContentType": DEFAULT_TYPE,
    }
    output.update((name, system[name]) for name in (*HEADERS, "WebsiteRedirectLocation") if name in system)
    output.update(encryption.echo(system))
    if attributes.metadata:
        output["Metadata"] = attributes.metadata
    if attributes.tags:
        output["TagCount"] = len(attributes.tags)
    if info.storage_class != "STANDARD":
        output["StorageClass"] = info.storage_class
    return output
