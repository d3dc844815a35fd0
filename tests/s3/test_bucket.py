from typing import Any

import pytest


def names(client: Any, **arguments: Any) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets(**arguments)["Buckets"]]


def test_a_buckets_life(client: Any, refused: Any) -> None:
    answer = client.create_bucket(Bucket="bucket-life")
    assert answer["Location"] == "/bucket-life"
    assert "bucket-life" in names(client)
    assert client.head_bucket(Bucket="bucket-life")["BucketRegion"] == "us-east-1"
    assert client.get_bucket_location(Bucket="bucket-life")["LocationConstraint"] is None
    client.create_bucket(Bucket="bucket-life")  # us-east-1 says yes again
    client.put_object(Bucket="bucket-life", Key="k", Body=b"")
    refused("BucketNotEmpty", 409, client.delete_bucket, Bucket="bucket-life")
    client.delete_object(Bucket="bucket-life", Key="k")
    client.delete_bucket(Bucket="bucket-life")
    assert "bucket-life" not in names(client)
    refused("404", 404, client.head_bucket, Bucket="bucket-life")
    refused("NoSuchBucket", 404, client.delete_bucket, Bucket="bucket-life")
    refused("NoSuchBucket", 404, client.get_bucket_location, Bucket="bucket-life")


def test_regions(served: Any, client: Any, refused: Any) -> None:
    away = served.client("eu-west-1")
    here = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    away.create_bucket(Bucket="bucket-away", **here)
    assert client.get_bucket_location(Bucket="bucket-away")["LocationConstraint"] == "eu-west-1"
    assert away.head_bucket(Bucket="bucket-away")["BucketRegion"] == "eu-west-1"
    refused("BucketAlreadyOwnedByYou", 409, away.create_bucket, Bucket="bucket-away", **here)
    refused("IllegalLocationConstraintException", 400, away.create_bucket, Bucket="bucket-none")
    there = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    refused("IllegalLocationConstraintException", 400, away.create_bucket, Bucket="bucket-none", **there)
    nowhere = {"CreateBucketConfiguration": {"LocationConstraint": "atlantis-1"}}
    refused("InvalidLocationConstraint", 400, client.create_bucket, Bucket="bucket-none", **nowhere)
    client.create_bucket(Bucket="bucket-west", **there)


@pytest.mark.parametrize("name", ["Upper", "under_score", "a..b", "192.168.0.1", "ab"])
def test_names_that_cannot_be(client: Any, refused: Any, name: str) -> None:
    refused("InvalidBucketName", 400, client.create_bucket, Bucket=name)


def test_pages_of_buckets(client: Any, refused: Any) -> None:
    for letter in "abc":
        client.create_bucket(Bucket=f"paged-{letter}")
    first = client.list_buckets(Prefix="paged-", MaxBuckets=2)
    assert [bucket["Name"] for bucket in first["Buckets"]] == ["paged-a", "paged-b"]
    assert first["Buckets"][0]["BucketRegion"] == "us-east-1"
    token = first["ContinuationToken"]
    assert names(client, Prefix="paged-", MaxBuckets=2, ContinuationToken=token) == ["paged-c"]
    assert names(client, Prefix="paged-", BucketRegion="eu-west-1") == []
    refused("InvalidArgument", 400, client.list_buckets, ContinuationToken="%")


def test_what_is_set_at_creation(client: Any) -> None:
    tags = [{"Key": "a", "Value": "1"}]
    client.create_bucket(
        Bucket="bucket-born-with",
        ACL="public-read",
        ObjectOwnership="ObjectWriter",
        CreateBucketConfiguration={"LocationConstraint": "us-west-2", "Tags": tags},
    )
    assert client.get_bucket_tagging(Bucket="bucket-born-with")["TagSet"] == tags
    assert len(client.get_bucket_acl(Bucket="bucket-born-with")["Grants"]) == 2
    rules = client.get_bucket_ownership_controls(Bucket="bucket-born-with")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "ObjectWriter"}]


def test_tags(client: Any, bucket: str, refused: Any) -> None:
    refused("NoSuchTagSet", 404, client.get_bucket_tagging, Bucket=bucket)
    tags = [{"Key": "a", "Value": "1"}]
    client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    client.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, client.get_bucket_tagging, Bucket=bucket)


DOCUMENTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("bucket_policy", {"Policy": '{"Version": "2012-10-17", "Statement": []}'}, "NoSuchBucketPolicy", "bucket_policy"),
    (
        "bucket_cors",
        {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}},
        "NoSuchCORSConfiguration",
        "bucket_cors",
    ),
    (
        "bucket_lifecycle_configuration",
        {
            "LifecycleConfiguration": {
                "Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "a"}, "Expiration": {"Days": 3}}]
            }
        },
        "NoSuchLifecycleConfiguration",
        "bucket_lifecycle",
    ),
    (
        "public_access_block",
        {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "IgnorePublicAcls": False,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": False,
            }
        },
        "NoSuchPublicAccessBlockConfiguration",
        "public_access_block",
    ),
    (
        "bucket_website",
        {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}},
        "NoSuchWebsiteConfiguration",
        "bucket_website",
    ),
    (
        "bucket_ownership_controls",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}},
        "OwnershipControlsNotFoundError",
        "bucket_ownership_controls",
    ),
]


@pytest.mark.parametrize(("noun", "document", "missing", "delete"), DOCUMENTS, ids=[d[0] for d in DOCUMENTS])
def test_documents(
    client: Any, bucket: str, refused: Any, noun: str, document: dict[str, Any], missing: str, delete: str
) -> None:
    get = getattr(client, f"get_{noun}")
    refused(missing, 404, get, Bucket=bucket)
    getattr(client, f"put_{noun}")(Bucket=bucket, **document)
    found = {name: value for name, value in get(Bucket=bucket).items() if name != "ResponseMetadata"}
    assert found in (document, *document.values())
    getattr(client, f"delete_{delete}")(Bucket=bucket)
    refused(missing, 404, get, Bucket=bucket)
    refused("NoSuchBucket", 404, get, Bucket="no-bucket")


def test_encryption(client: Any, bucket: str, refused: Any) -> None:
    def algorithm() -> str:
        rules = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        return str(rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])

    def put(name: str) -> None:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": name}}
        client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})

    assert algorithm() == "AES256"
    put("aws:kms")
    assert algorithm() == "aws:kms"
    refused("MalformedXML", 400, lambda: put("rot13"))
    client.delete_bucket_encryption(Bucket=bucket)
    assert algorithm() == "AES256"


def test_notification_and_logging_are_empty_at_first(client: Any, bucket: str) -> None:
    assert set(client.get_bucket_notification_configuration(Bucket=bucket)) == {"ResponseMetadata"}
    assert set(client.get_bucket_logging(Bucket=bucket)) == {"ResponseMetadata"}
    queue = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:q", "Events": ["s3:ObjectCreated:*"]}
    client.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [queue]}, SkipDestinationValidation=True
    )
    found = client.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert [(one["QueueArn"], one["Events"]) for one in found] == [(queue["QueueArn"], queue["Events"])]


def test_a_policy_must_be_json(client: Any, bucket: str, refused: Any) -> None:
    refused("MalformedPolicy", 400, client.put_bucket_policy, Bucket=bucket, Policy="no")


def test_there_are_no_versions(client: Any, bucket: str, refused: Any) -> None:
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    enabled = {"VersioningConfiguration": {"Status": "Enabled"}}
    refused("NotImplemented", 501, client.put_bucket_versioning, Bucket=bucket, **enabled)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    refused("ObjectLockConfigurationNotFoundError", 404, client.get_object_lock_configuration, Bucket=bucket)
    assert client.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


def test_acls(client: Any, bucket: str, refused: Any) -> None:
    def rights(grants: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [(grant["Grantee"]["Type"], grant["Permission"]) for grant in grants]

    owner = [("CanonicalUser", "FULL_CONTROL")]
    assert rights(client.get_bucket_acl(Bucket=bucket)["Grants"]) == owner
    client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert rights(client.get_bucket_acl(Bucket=bucket)["Grants"]) == [*owner, ("Group", "READ")]
    client.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    assert rights(client.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == [*owner, ("Group", "READ")]
    policy = {name: client.get_object_acl(Bucket=bucket, Key="k")[name] for name in ("Owner", "Grants")}
    client.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert rights(client.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == owner
    client.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=policy)
    assert rights(client.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == [*owner, ("Group", "READ")]
    refused("InvalidArgument", 400, client.put_object_acl, Bucket=bucket, Key="k", ACL="open")
    refused("NoSuchKey", 404, client.get_object_acl, Bucket=bucket, Key="none")
