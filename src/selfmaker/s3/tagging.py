"""Tags of objects and buckets."""

from selfmaker.aws.errors import AwsError
from selfmaker.aws.operation import Call, Output, Request
from selfmaker.s3 import tags
from selfmaker.s3.wording import check_version, objects_of, s3_operation


@s3_operation("PutObjectTagging")
def put_object_tagging(call: Call, request: Request) -> Output:
    check_version(request)
    wanted = tags.from_document(request.get("Tagging"), tags.OBJECT_LIMIT)
    objects_of(call).annotate(request["Bucket"], request["Key"], lambda _: {"tags": wanted})
    return None


@s3_operation("GetObjectTagging")
def get_object_tagging(call: Call, request: Request) -> Output:
    check_version(request)
    info = objects_of(call).head(request["Bucket"], request["Key"])
    return {"TagSet": tags.to_document(info.attributes.tags)}


@s3_operation("DeleteObjectTagging")
def delete_object_tagging(call: Call, request: Request) -> Output:
    check_version(request)
    objects_of(call).annotate(request["Bucket"], request["Key"], lambda _: {"tags": None})
    return None


@s3_operation("PutBucketTagging")
def put_bucket_tagging(call: Call, request: Request) -> Output:
    wanted = tags.from_document(request.get("Tagging"), tags.BUCKET_LIMIT)
    objects_of(call).set_bucket_document(request["Bucket"], "tags", wanted or None)
    return None


@s3_operation("GetBucketTagging")
def get_bucket_tagging(call: Call, request: Request) -> Output:
    found = objects_of(call).bucket_documents(request["Bucket"]).get("tags")
    if not found:
        raise AwsError("NoSuchTagSet", "The TagSet does not exist", 404, BucketName=request["Bucket"])
    return {"TagSet": tags.to_document(found)}


@s3_operation("DeleteBucketTagging")
def delete_bucket_tagging(call: Call, request: Request) -> Output:
    objects_of(call).set_bucket_document(request["Bucket"], "tags", None)
    return None
