"""Access control lists of objects and buckets; they have no effect (see ``acl_grants``)."""

from typing import Any

from selfmaker.aws.operation import Call, Output, Request
from selfmaker.objects.protocol import ObjectInfo
from selfmaker.s3 import acl_grants
from selfmaker.s3.wording import check_version, objects_of, s3_operation


@s3_operation("GetObjectAcl")
def get_object_acl(call: Call, request: Request) -> Output:
    check_version(request)
    info = objects_of(call).head(request["Bucket"], request["Key"])
    return acl_grants.document(call, info.attributes.system)


@s3_operation("PutObjectAcl")
def put_object_acl(call: Call, request: Request) -> Output:
    check_version(request)
    grants = acl_grants.kept(request)

    def change(info: ObjectInfo) -> dict[str, Any]:
        system = {name: value for name, value in info.attributes.system.items() if name != "Grants"}
        return {"system": {**system, **grants}}

    objects_of(call).annotate(request["Bucket"], request["Key"], change)
    return None


@s3_operation("GetBucketAcl")
def get_bucket_acl(call: Call, request: Request) -> Output:
    return acl_grants.document(call, objects_of(call).bucket_documents(request["Bucket"]).get("acl") or {})


@s3_operation("PutBucketAcl")
def put_bucket_acl(call: Call, request: Request) -> Output:
    objects_of(call).set_bucket_document(request["Bucket"], "acl", acl_grants.kept(request) or None)
    return None
