"""Versioning, which there is none of: every object has one version, with the id ``null``."""

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.s3.wording import objects_of, s3_operation


@s3_operation("GetBucketVersioning")
def get_bucket_versioning(call: Call, request: Request) -> Output:
    objects_of(call).bucket(request["Bucket"])
    return {}


@s3_operation("PutBucketVersioning")
def put_bucket_versioning(call: Call, request: Request) -> Output:
    objects_of(call).bucket(request["Bucket"])
    status = (request.get("VersioningConfiguration") or {}).get("Status")
    if status is None:
        message = "The Versioning element must be specified"
        raise AwsError("IllegalVersioningConfigurationException", message, 400)
    if status != "Suspended":
        message = "selfmaker keeps one version of each object: versioning cannot be enabled"
        raise AwsError("NotImplemented", message, 501)
    return None
