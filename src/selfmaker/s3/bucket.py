"""Buckets."""

from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.model import service
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.protocol import BucketExists, BucketInfo
from selfmaker.s3 import acl_grants, tags
from selfmaker.s3.tokens import place_of, token_of
from selfmaker.s3.wording import invalid_argument, not_implemented, objects_of, owner_of, s3_operation

_HOME = "us-east-1"
_PAGE = 10_000


@s3_operation("CreateBucket")
def create_bucket(call: Call, request: Request) -> Output:
    if request.get("ObjectLockEnabledForBucket"):
        raise not_implemented("object lock", "x-amz-bucket-object-lock-enabled")
    name, configuration = request["Bucket"], request.get("CreateBucketConfiguration") or {}
    region = _region(call, configuration.get("LocationConstraint"))
    documents = _documents(request, configuration)
    store = objects_of(call)
    try:
        store.create_bucket(name, region, documents)
    except BucketExists:
        if store.bucket(name).region != _HOME or region != _HOME:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise AwsError("BucketAlreadyOwnedByYou", message, 409, BucketName=name) from None
    location = f"/{name}" if region == _HOME else f"{call.endpoint}/{name}/"
    return {"Location": location, "BucketArn": f"arn:aws:s3:::{name}"}


@s3_operation("HeadBucket")
def head_bucket(call: Call, request: Request) -> Output:
    info = objects_of(call).bucket(request["Bucket"])
    return {"BucketRegion": info.region, "BucketArn": f"arn:aws:s3:::{info.name}", "AccessPointAlias": False}


@s3_operation("DeleteBucket")
def delete_bucket(call: Call, request: Request) -> Output:
    objects_of(call).delete_bucket(request["Bucket"])
    return None


@s3_operation("ListBuckets")
def list_buckets(call: Call, request: Request) -> Output:
    most = request.get("MaxBuckets")
    if most is not None and not 1 <= most <= _PAGE:
        raise invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", most)
    token = request.get("ContinuationToken")
    after, prefix, region = (
        place_of(token).decode("utf-8", "replace") if token else "",
        request.get("Prefix") or "",
        request.get("BucketRegion"),
    )
    found = [
        info
        for info in objects_of(call).buckets()
        if info.name > after and info.name.startswith(prefix) and region in (None, info.region)
    ]
    page = found[: most or _PAGE]
    paged = any(request.get(name) is not None for name in ("MaxBuckets", "ContinuationToken", "Prefix", "BucketRegion"))
    output: dict[str, Any] = {"Buckets": [_member(info, paged=paged) for info in page], "Owner": owner_of(call)}
    if len(page) < len(found):
        output["ContinuationToken"] = token_of(page[-1].name.encode())
    if prefix:
        output["Prefix"] = prefix
    return output


@s3_operation("GetBucketLocation")
def get_bucket_location(call: Call, request: Request) -> Output:
    region = objects_of(call).bucket(request["Bucket"]).region
    return {} if region == _HOME else {"LocationConstraint": region}


def _region(call: Call, constraint: str | None) -> str:
    """Where the bucket is to be, by the rules of the regional endpoints. Raises AwsError."""
    if constraint is None:
        if call.region != _HOME:
            raise _illegal("unspecified")
        return _HOME
    if constraint not in _constraints():
        message = "The specified location-constraint is not valid"
        raise AwsError("InvalidLocationConstraint", message, 400, LocationConstraint=constraint)
    region = "eu-west-1" if constraint == "EU" else constraint
    if call.region not in (_HOME, region):
        raise _illegal(constraint)
    return region


def _documents(request: Request, configuration: dict[str, Any]) -> dict[str, Any]:
    """What the request sets besides the bucket itself. Raises AwsError."""
    documents: dict[str, Any] = {"acl": acl_grants.kept(request)}
    if configuration.get("Tags"):
        documents["tags"] = tags.from_document({"TagSet": configuration["Tags"]}, tags.BUCKET_LIMIT)
    if request.get("ObjectOwnership"):
        documents["ownership"] = {"Rules": [{"ObjectOwnership": request["ObjectOwnership"]}]}
    return {kind: document for kind, document in documents.items() if document}


def _constraints() -> list[str]:
    configuration = service("s3").plan("CreateBucket").sends.payload
    assert configuration is not None
    allowed: list[str] = configuration.shape.members["LocationConstraint"].enum
    return allowed


def _illegal(constraint: str) -> AwsError:
    message = (
        f"The {constraint} location constraint is incompatible for the region specific "
        f"endpoint this request was sent to."
    )
    return AwsError("IllegalLocationConstraintException", message, 400)


def _member(info: BucketInfo, *, paged: bool) -> dict[str, Any]:
    member = {"Name": info.name, "CreationDate": info.created, "BucketArn": f"arn:aws:s3:::{info.name}"}
    return {**member, "BucketRegion": info.region} if paged else member
