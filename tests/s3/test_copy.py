import datetime
from typing import Any

import pytest


@pytest.fixture
def source(client: Any, bucket: str) -> dict[str, Any]:
    client.put_object(
        Bucket=bucket,
        Key="source +é?x",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="no-cache",
        Metadata={"a": "b"},
        Tagging="t=1",
        StorageClass="STANDARD_IA",
        ServerSideEncryption="AES256",
    )
    return {"CopySource": {"Bucket": bucket, "Key": "source +é?x"}, "Bucket": bucket}


def test_a_copy_keeps_what_belongs_to_the_object(client: Any, source: dict[str, Any]) -> None:
    answer = client.copy_object(**source, Key="k")["CopyObjectResult"]
    head = client.head_object(Bucket=source["Bucket"], Key="k", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["ContentType"], head["CacheControl"], head["TagCount"]) == (
        {"a": "b"},
        "text/plain",
        "no-cache",
        1,
    )
    assert (answer["ETag"], answer["ChecksumCRC32"]) == (head["ETag"], head["ChecksumCRC32"])
    assert not {"StorageClass", "ServerSideEncryption"} & set(head)
    assert client.get_object(Bucket=source["Bucket"], Key="k")["Body"].read() == b"hello"


def test_directives(client: Any, source: dict[str, Any], refused: Any) -> None:
    new = {"Metadata": {"c": "d"}, "ContentType": "a/b", "Tagging": "x=1&y=2"}
    at = {"Bucket": source["Bucket"], "Key": "k"}
    client.copy_object(**source, Key="k", **new)
    head = client.head_object(**at)
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"a": "b"}, "text/plain", 1)
    client.copy_object(**source, Key="k", **new, MetadataDirective="REPLACE", TaggingDirective="REPLACE")
    head = client.head_object(**at)
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"c": "d"}, "a/b", 2)
    assert "CacheControl" not in head
    refused("InvalidArgument", 400, client.copy_object, **source, Key="k", MetadataDirective="MERGE")
    refused("InvalidArgument", 400, client.copy_object, **source, Key="k", TaggingDirective="MERGE")


def test_a_copy_onto_itself(client: Any, source: dict[str, Any], refused: Any) -> None:
    key = source["CopySource"]["Key"]
    refused("InvalidRequest", 400, client.copy_object, **source, Key=key)
    client.copy_object(**source, Key=key, MetadataDirective="REPLACE", Metadata={"new": "1"})
    assert client.head_object(Bucket=source["Bucket"], Key=key)["Metadata"] == {"new": "1"}
    client.copy_object(**source, Key=key, StorageClass="ONEZONE_IA")
    head = client.head_object(Bucket=source["Bucket"], Key=key)
    assert (head["Metadata"], head["StorageClass"]) == ({"new": "1"}, "ONEZONE_IA")
    assert client.get_object(Bucket=source["Bucket"], Key=key)["Body"].read() == b"hello"


@pytest.mark.parametrize(
    "path", ["{bucket}/source +é?x", "/{bucket}/source +é?x", "{bucket}/source +é?x?versionId=null"]
)
def test_ways_to_write_the_source(client: Any, source: dict[str, Any], path: str) -> None:
    client.copy_object(Bucket=source["Bucket"], Key="k", CopySource=path.format(bucket=source["Bucket"]))


def test_sources_that_are_not_there(client: Any, bucket: str, refused: Any) -> None:
    to = {"Bucket": bucket, "Key": "k"}
    assert refused("NoSuchKey", 404, client.copy_object, **to, CopySource=f"{bucket}/none")["Key"] == "none"
    error = refused("NoSuchBucket", 404, client.copy_object, **to, CopySource="no-bucket/k")
    assert error["BucketName"] == "no-bucket"
    refused("InvalidArgument", 400, client.copy_object, **to, CopySource="nothing")
    refused("InvalidArgument", 400, client.copy_object, **to, CopySource=f"{bucket}/k?versionId=abc")
    client.put_object(**to, Body=b"")
    refused("NoSuchBucket", 404, client.copy_object, Bucket="no-bucket", Key="k", CopySource=f"{bucket}/k")
    refused(
        "AccessDenied",
        403,
        client.copy_object,
        **to,
        CopySource=f"{bucket}/k",
        ExpectedSourceBucketOwner="999999999999",
    )


def test_conditions(client: Any, source: dict[str, Any], refused: Any) -> None:
    head = client.head_object(**source["CopySource"])
    hour = datetime.timedelta(hours=1)
    for wrong in (
        {"CopySourceIfMatch": '"0"'},
        {"CopySourceIfNoneMatch": head["ETag"]},
        {"CopySourceIfModifiedSince": head["LastModified"]},
        {"CopySourceIfUnmodifiedSince": head["LastModified"] - hour},
    ):
        refused("PreconditionFailed", 412, client.copy_object, **source, Key="k", **wrong)
    client.copy_object(**source, Key="k", CopySourceIfMatch=head["ETag"], IfNoneMatch="*")
    refused("PreconditionFailed", 412, client.copy_object, **source, Key="k", IfNoneMatch="*")


def test_another_checksum(client: Any, source: dict[str, Any]) -> None:
    answer = client.copy_object(**source, Key="k", ChecksumAlgorithm="SHA256")["CopyObjectResult"]
    assert answer["ChecksumSHA256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
