"""If-Match and its like: for reads as HTTP has them (RFC 9110, 13.2.2), for writes as S3 does."""

import math

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Request
from selfmaker.objects.protocol import Condition, ObjectInfo
from selfmaker.s3.wording import bare, not_implemented


def unmodified(request: Request, info: ObjectInfo) -> bool:
    """Whether the reader has the object already: the answer is 304. Raises AwsError 412."""
    match, since = request.get("IfMatch"), request.get("IfUnmodifiedSince")
    if match is not None:
        if not _matches(match, info):
            raise failed("If-Match")
    elif since is not None and info.modified > math.floor(since):
        raise failed("If-Unmodified-Since")
    none_match, modified_since = request.get("IfNoneMatch"), request.get("IfModifiedSince")
    if none_match is not None:
        return _matches(none_match, info)
    return modified_since is not None and info.modified <= math.floor(modified_since)


def check_copy_source(request: Request, info: ObjectInfo) -> None:
    """Raises AwsError 412."""
    asked = {
        name: request.get(f"CopySource{name}")
        for name in ("IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince")
    }
    if unmodified(asked, info):
        raise failed(
            "x-amz-copy-source-If-None-Match" if asked["IfNoneMatch"] else "x-amz-copy-source-If-Modified-Since"
        )


def for_write(request: Request) -> Condition | None:
    """Raises AwsError for conditions that S3 does not know on writes."""
    match, none_match = request.get("IfMatch"), request.get("IfNoneMatch")
    if match is not None and none_match is not None:
        raise not_implemented("multiple conditional request headers present in the request", "If-Match,If-None-Match")
    if none_match is not None:
        if none_match.strip() != "*":
            raise not_implemented("we don't accept the provided value of If-None-Match for this API", "If-None-Match")
        return Condition(if_absent=True)
    return Condition(if_match=bare(match)) if match is not None else None


def failed(condition: str) -> AwsError:
    message = "At least one of the pre-conditions you specified did not hold"
    return AwsError("PreconditionFailed", message, 412, Condition=condition)


def _matches(header: str, info: ObjectInfo) -> bool:
    return any(tag.strip() == "*" or bare(tag) == info.etag for tag in header.split(","))
