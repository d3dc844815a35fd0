"""How S3 operations are marked, and the object store's errors in S3's words."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Reply, Request, operation
from selfmaker.errors import Invalid, SelfmakerError, Unavailable
from selfmaker.objects import protocol as store
from selfmaker.objects.store import ObjectStore

F = TypeVar("F", bound=Callable[[Call, Request], Output | Reply])

_PLAIN: dict[type[SelfmakerError], tuple[str, str, int]] = {
    store.BadDigest: ("BadDigest", "The digest you specified did not match what we received.", 400),
    store.BucketNotEmpty: ("BucketNotEmpty", "The bucket you tried to delete is not empty", 409),
    store.InvalidName: ("InvalidBucketName", "The specified bucket is not valid.", 400),
    store.InvalidPart: (
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified "
        "entity tag may not match the part's entity tag.",
        400,
    ),
    store.InvalidPartOrder: (
        "InvalidPartOrder",
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
        400,
    ),
    store.ConditionFailed: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412),
}


def s3_operation(name: str) -> Callable[[F], F]:
    """Mark the answer to S3's operation ``name``: the store's errors become S3's, and a request that expects the
    bucket to belong to another account is refused."""

    def mark(function: F) -> F:
        @functools.wraps(function)
        def answer(call: Call, request: Request) -> Output | Reply:
            try:
                _check_owner(call, request)
                return function(call, request)
            except SelfmakerError as error:
                raise worded(error, request.get("Bucket", ""), request.get("Key")) from error

        marked: F = operation("s3", name)(answer)  # type: ignore[assignment]
        return marked

    return mark


def worded(error: SelfmakerError, bucket: str, key: str | None) -> AwsError:
    """S3's error for one of the store's."""
    for kind, (code, message, status) in _PLAIN.items():
        if isinstance(error, kind):
            condition = {"Condition": error.message} if isinstance(error, store.ConditionFailed) else {}
            name = {"BucketName": bucket} if code.startswith(("Bucket", "InvalidBucket")) else {}
            return AwsError(code, message, status, **condition, **name)
    if isinstance(error, store.NoSuchBucket):
        return AwsError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=error.message)
    if isinstance(error, store.NoSuchKey):
        return AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=error.message)
    if isinstance(error, store.NoSuchUpload):
        return no_such_upload(error.message)
    if isinstance(error, store.KeyTooLong):
        size = len(error.message.encode("utf-8", "replace"))
        return AwsError("KeyTooLongError", "Your key is too long", 400, Size=size, MaxSizeAllowed=store.MAX_KEY_BYTES)
    if isinstance(error, store.PartTooSmall):
        return AwsError(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            400,
            ProposedSize=error.size,
            MinSizeAllowed=store.MIN_PART_BYTES,
            PartNumber=error.number,
            ETag=error.etag,
        )
    if isinstance(error, store.TooLarge):
        return too_large(error.message)
    if isinstance(error, Unavailable):
        # S3 has no word for this; 507 is not retried by clients, who would only wait for nothing.
        return AwsError("InsufficientStorage", error.message, 507)
    if isinstance(error, Invalid):
        return AwsError("InvalidArgument", error.message, 400)
    return AwsError("InvalidRequest", error.message, 400)


def too_large(size: str) -> AwsError:
    message = "Your proposed upload exceeds the maximum allowed size"
    return AwsError("EntityTooLarge", message, 400, ProposedSize=size, MaxSizeAllowed=store.MAX_PUT_BYTES)


def no_such_upload(upload_id: str) -> AwsError:
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the "
        "upload may have been aborted or completed."
    )
    return AwsError("NoSuchUpload", message, 404, UploadId=upload_id)


def invalid_argument(message: str, name: str, value: object = None) -> AwsError:
    return AwsError("InvalidArgument", message, 400, ArgumentName=name, ArgumentValue=value)


def invalid_request(message: str) -> AwsError:
    return AwsError("InvalidRequest", message, 400)


def malformed_xml() -> AwsError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return AwsError("MalformedXML", message, 400)


def not_implemented(what: str, header: str | None = None) -> AwsError:
    return AwsError(
        "NotImplemented",
        f"A header you provided implies functionality that is not implemented: {what}",
        501,
        Header=header,
    )


def access_denied() -> AwsError:
    return AwsError("AccessDenied", "Access Denied", 403)


def check_version(request: Request) -> None:
    """Objects have one version, whose id is ``null``."""
    version = request.get("VersionId")
    if version not in (None, "null"):
        raise invalid_argument("Invalid version id specified", "versionId", version)


def objects_of(call: Call) -> ObjectStore:
    return call.use(ObjectStore)


def quoted(etag: str) -> str:
    """An ETag as it stands in headers and documents."""
    return f'"{etag}"'


def bare(etag: str) -> str:
    """An ETag as the store knows it, however the client wrote it."""
    return etag.strip().removeprefix("W/").strip('"')


def owner_of(call: Call) -> dict[str, Any]:
    """The account, as S3 names an owner: by a canonical id of 64 hexadecimal characters."""
    return {"ID": call.account.rjust(64, "0"), "DisplayName": "selfmaker"}


def _check_owner(call: Call, request: Request) -> None:
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and expected != call.account:
        objects_of(call).require_bucket(request["Bucket"])
        raise access_denied()
