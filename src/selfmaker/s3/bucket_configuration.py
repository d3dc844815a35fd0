"""Bucket settings that tools write and read back. They are kept, checked for form, and given back; none has an effect
here (no lifecycle rule deletes, no policy denies), except where an operation says so.
"""

import json
from typing import Any

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.s3.wording import malformed_xml, objects_of, s3_operation

_MISSING = {
    "policy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "cors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "lifecycle": ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    "public-access": (
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    ),
    "website": ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
    "replication": ("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    "ownership": ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
}
_DEFAULT_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}


@s3_operation("PutBucketPolicy")
def put_bucket_policy(call: Call, request: Request) -> Output:
    text = request.get("Policy") or ""
    try:
        good = isinstance(json.loads(text), dict)
    except ValueError:
        good = False
    if not good:
        message = "Policies must be valid JSON and the first byte must be '{'"
        raise AwsError("MalformedPolicy", message, 400)
    return _keep(call, request, "policy", text)


@s3_operation("GetBucketPolicy")
def get_bucket_policy(call: Call, request: Request) -> Output:
    return {"Policy": _kept(call, request, "policy")}


@s3_operation("GetBucketPolicyStatus")
def get_bucket_policy_status(call: Call, request: Request) -> Output:
    _kept(call, request, "policy")
    return {"PolicyStatus": {"IsPublic": False}}


@s3_operation("DeleteBucketPolicy")
def delete_bucket_policy(call: Call, request: Request) -> Output:
    return _keep(call, request, "policy", None)


@s3_operation("PutBucketCors")
def put_bucket_cors(call: Call, request: Request) -> Output:
    return _keep(call, request, "cors", _rules(request.get("CORSConfiguration"), "CORSRules"))


@s3_operation("GetBucketCors")
def get_bucket_cors(call: Call, request: Request) -> Output:
    return {"CORSRules": _kept(call, request, "cors")["CORSRules"]}


@s3_operation("DeleteBucketCors")
def delete_bucket_cors(call: Call, request: Request) -> Output:
    return _keep(call, request, "cors", None)


@s3_operation("PutBucketLifecycleConfiguration")
def put_bucket_lifecycle_configuration(call: Call, request: Request) -> Output:
    return _keep(call, request, "lifecycle", _rules(request.get("LifecycleConfiguration"), "Rules"))


@s3_operation("GetBucketLifecycleConfiguration")
def get_bucket_lifecycle_configuration(call: Call, request: Request) -> Output:
    return {"Rules": _kept(call, request, "lifecycle")["Rules"]}


@s3_operation("DeleteBucketLifecycle")
def delete_bucket_lifecycle(call: Call, request: Request) -> Output:
    return _keep(call, request, "lifecycle", None)


@s3_operation("PutBucketEncryption")
def put_bucket_encryption(call: Call, request: Request) -> Output:
    document = _rules(request.get("ServerSideEncryptionConfiguration"), "Rules")
    for rule in document["Rules"]:
        algorithm = (rule.get("ApplyServerSideEncryptionByDefault") or {}).get("SSEAlgorithm")
        if algorithm not in ("AES256", "aws:kms", "aws:kms:dsse"):
            raise malformed_xml()
    return _keep(call, request, "encryption", document)


@s3_operation("GetBucketEncryption")
def get_bucket_encryption(call: Call, request: Request) -> Output:
    found = objects_of(call).bucket_documents(request["Bucket"]).get("encryption")
    return {"ServerSideEncryptionConfiguration": found or _DEFAULT_ENCRYPTION}


@s3_operation("DeleteBucketEncryption")
def delete_bucket_encryption(call: Call, request: Request) -> Output:
    return _keep(call, request, "encryption", None)


@s3_operation("PutPublicAccessBlock")
def put_public_access_block(call: Call, request: Request) -> Output:
    wanted = request.get("PublicAccessBlockConfiguration") or {}
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return _keep(call, request, "public-access", {name: bool(wanted.get(name)) for name in names})


@s3_operation("GetPublicAccessBlock")
def get_public_access_block(call: Call, request: Request) -> Output:
    return {"PublicAccessBlockConfiguration": _kept(call, request, "public-access")}


@s3_operation("DeletePublicAccessBlock")
def delete_public_access_block(call: Call, request: Request) -> Output:
    return _keep(call, request, "public-access", None)


@s3_operation("PutBucketWebsite")
def put_bucket_website(call: Call, request: Request) -> Output:
    return _keep(call, request, "website", request.get("WebsiteConfiguration") or None)


@s3_operation("GetBucketWebsite")
def get_bucket_website(call: Call, request: Request) -> Output:
    found: dict[str, Any] = _kept(call, request, "website")
    return found


@s3_operation("DeleteBucketWebsite")
def delete_bucket_website(call: Call, request: Request) -> Output:
    return _keep(call, request, "website", None)


@s3_operation("PutBucketOwnershipControls")
def put_bucket_ownership_controls(call: Call, request: Request) -> Output:
    return _keep(call, request, "ownership", _rules(request.get("OwnershipControls"), "Rules"))


@s3_operation("GetBucketOwnershipControls")
def get_bucket_ownership_controls(call: Call, request: Request) -> Output:
    return {"OwnershipControls": _kept(call, request, "ownership")}


@s3_operation("DeleteBucketOwnershipControls")
def delete_bucket_ownership_controls(call: Call, request: Request) -> Output:
    return _keep(call, request, "ownership", None)


@s3_operation("PutBucketLogging")
def put_bucket_logging(call: Call, request: Request) -> Output:
    return _keep(call, request, "logging", request.get("BucketLoggingStatus") or None)


@s3_operation("GetBucketLogging")
def get_bucket_logging(call: Call, request: Request) -> Output:
    found: dict[str, Any] = objects_of(call).bucket_documents(request["Bucket"]).get("logging") or {}
    return found


@s3_operation("GetBucketAccelerateConfiguration")
def get_bucket_accelerate_configuration(call: Call, request: Request) -> Output:
    objects_of(call).bucket(request["Bucket"])
    return {}


@s3_operation("GetBucketRequestPayment")
def get_bucket_request_payment(call: Call, request: Request) -> Output:
    objects_of(call).bucket(request["Bucket"])
    return {"Payer": "BucketOwner"}


@s3_operation("GetBucketReplication")
def get_bucket_replication(call: Call, request: Request) -> Output:
    return {"ReplicationConfiguration": _kept(call, request, "replication")}


@s3_operation("GetObjectLockConfiguration")
def get_object_lock_configuration(call: Call, request: Request) -> Output:
    objects_of(call).bucket(request["Bucket"])
    message = "Object Lock configuration does not exist for this bucket"
    raise AwsError("ObjectLockConfigurationNotFoundError", message, 404, BucketName=request["Bucket"])


def _keep(call: Call, request: Request, kind: str, document: Any) -> Output:
    objects_of(call).set_bucket_document(request["Bucket"], kind, document)
    return None


def _kept(call: Call, request: Request, kind: str) -> Any:
    """Raises AwsError, in the words of that setting, when there is none."""
    found = objects_of(call).bucket_documents(request["Bucket"]).get(kind)
    if found is None:
        code, message = _MISSING[kind]
        raise AwsError(code, message, 404, BucketName=request["Bucket"])
    return found


def _rules(document: dict[str, Any] | None, name: str) -> dict[str, Any]:
    if not document or not document.get(name):
        raise malformed_xml()
    return document
