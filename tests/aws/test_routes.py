"""From URIs to operations: what botocore makes of each operation comes back as that operation."""

import warnings

import pytest
from botocore.session import get_session

from selfmaker.aws import model
from selfmaker.aws.routes import Routes

S3 = Routes(
    model.service("s3"),
    [
        "ListBuckets",
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "PutBucketNotificationConfiguration",
        "GetBucketNotificationConfiguration",
    ],
)


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation", "labels"),
    [
        ("GET", "/", {}, "ListBuckets", {}),
        ("GET", "/b", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b/", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b?list-type=2", {}, "ListObjectsV2", {"Bucket": "b"}),
        ("GET", "/b?list-type=1", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b?location", {}, "GetBucketLocation", {"Bucket": "b"}),
        ("GET", "/b?location=", {}, "GetBucketLocation", {"Bucket": "b"}),
        ("GET", "/b?unheard=of", {}, "ListObjects", {"Bucket": "b"}),
        ("GET", "/b?versions&prefix=a", {}, "ListObjectVersions", {"Bucket": "b"}),
        ("GET", "/b?uploads", {}, "ListMultipartUploads", {"Bucket": "b"}),
        ("GET", "/b/k?uploadId=u", {}, "ListParts", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?x-id=GetObject", {}, "GetObject", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?attributes", {}, "GetObjectAttributes", {"Bucket": "b", "Key": "k"}),
        ("GET", "/b/k?tagging&versionId=v", {}, "GetObjectTagging", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", {}, "PutObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k", {"x-amz-copy-source": "x"}, "CopyObject", {"Bucket": "b", "Key": "k"}),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart", {"Bucket": "b", "Key": "k"}),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            {"x-amz-copy-source": "x"},
            "UploadPartCopy",
            {"Bucket": "b", "Key": "k"},
        ),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload", {"Bucket": "b", "Key": "k"}),
        ("DELETE", "/b/k", {}, "DeleteObject", {"Bucket": "b", "Key": "k"}),
        ("POST", "/b?delete", {}, "DeleteObjects", {"Bucket": "b"}),
        ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration", {"Bucket": "b"}),
        ("PUT", "/b?notification", {}, "PutBucketNotificationConfiguration", {"Bucket": "b"}),
        ("HEAD", "/b//a/../%2E%2e/c+%20/", {}, "HeadObject", {"Bucket": "b", "Key": "/a/../../c+ /"}),
        ("GET", "/b/%252F", {}, "GetObject", {"Bucket": "b", "Key": "%2F"}),
    ],
)
def test_s3(method, target, headers, operation, labels):
    path, _, query = target.partition("?")
    plan, found = S3.find(method, path, query, headers)
    assert (plan.name, found) == (operation, labels)


SIMILAR = {  # one URI, several operations: the others are told apart by things that a minimal request lacks
    "ListDirectoryBuckets": "ListBuckets",
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurations",
}


def minimal(shape):
    kind = shape.type_name
    if kind == "structure":
        return {name: minimal(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [minimal(shape.member)]
    if kind == "map":
        return {"a": minimal(shape.value)}
    if kind == "timestamp":
        return 1
    if kind == "boolean":
        return True
    return 1 if kind in ("integer", "long", "float", "double") else (getattr(shape, "enum", None) or ["name"])[0]


@pytest.mark.parametrize(
    "service", ["s3", "sagemaker-runtime", "sagemaker-metrics", "sagemaker-featurestore-runtime", "lambda"]
)
def test_what_botocore_sends_comes_back_as_the_same_operation(service):
    from botocore.serialize import create_serializer

    described = get_session().get_service_model(service)
    routes = S3 if service == "s3" else Routes(model.service(service))
    serializer = create_serializer(described.protocol, include_validation=False)
    for name in described.operation_names:
        operation = described.operation_model(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            request = serializer.serialize_to_request(
                minimal(operation.input_shape) if operation.input_shape else {}, operation
            )
        path, _, literal = request["url_path"].partition("?")
        query = "&".join([*filter(None, [literal]), *(f"{k}={v}" for k, v in dict(request["query_string"]).items())])
        headers = {key.lower(): value for key, value in request["headers"].items()}
        plan, labels = routes.find(request["method"], path, query, headers)
        assert plan.name == SIMILAR.get(name, name), (name, path, query)
        assert all(value for value in labels.values())
